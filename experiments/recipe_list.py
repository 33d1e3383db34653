"""The recipes: Python files with one ``Experiment`` each, found by their file names.

A file of ``recipes/ablations`` has the changes to the recipe whose name it bears: a dict
``experiments`` of names, each with its change in words and the ``Experiment``.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

from ..datasets.base.errors import UserError, unknown

if TYPE_CHECKING:
    from .experiment import Experiment

FOLDER = Path(__file__).parent / "recipes"


def recipe_names() -> list[str]:
    """Every shipped recipe, ablations and those of the equal budget after the others."""
    return [*_in(FOLDER), *ablations(), *budget()]


def ablations() -> list[str]:
    """The recipes that ``reproduce`` runs only when asked to."""
    return sorted(_ablations())


def budget() -> list[str]:
    """The recipes of the equal budget, which have a table of their own."""
    return _in(FOLDER / "budget")


def purpose(name: str) -> str:
    """What a shipped recipe is for: its file's first line, read without running the file."""
    if ablation := _ablations().get(name):
        return f"Ablation of {ablation.base}: {ablation.change}."
    docstring = ast.get_docstring(ast.parse(_path(name).read_text())) or ""
    return docstring.partition("\n")[0].replace("``", "")


def load_recipe(name: str) -> Experiment:
    """The experiment of a shipped recipe, or of any Python file that sets ``experiment``.

    Args:
        name: a recipe's name, or a path ending in ``.py``.

    Raises:
        UserError: no such recipe (with the nearest names), or a file without an experiment.
    """
    from .experiment import Experiment  # loads torch, which `names` and `purpose` do without

    if ablation := _ablations().get(name):
        module = importlib.import_module(f".recipes.ablations.{ablation.base}", __package__)
        return replace(module.experiments[name][1], name=name)
    if name.endswith(".py"):
        module = _load_file(Path(name))
    else:
        place = _path(name).relative_to(FOLDER).with_suffix("")
        module = importlib.import_module(".".join(["", "recipes", *place.parts]), __package__)
    experiment = getattr(module, "experiment", None)
    if not isinstance(experiment, Experiment):
        raise UserError(f"recipe {name} does not set `experiment` to an Experiment")
    return experiment


def _path(name: str) -> Path:
    for folder in (FOLDER, FOLDER / "budget"):
        if name in _in(folder):
            return folder / f"{name}.py"
    raise UserError(unknown("recipe", name, recipe_names()))


def _in(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("[!_]*.py"))


class _Ablation(NamedTuple):
    base: str  # the recipe that it changes, and its file's name
    change: str


def _ablations() -> dict[str, _Ablation]:
    """By name, read without running the files."""
    ablations = {}
    for path in (FOLDER / "ablations").glob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
                for key, value in zip(node.value.keys, node.value.values, strict=True):
                    assert isinstance(key, ast.Constant)
                    assert isinstance(value, ast.Tuple)
                    change = ast.literal_eval(value.elts[0])
                    ablations[key.value] = _Ablation(path.stem, change)
    return ablations


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise UserError(f"no recipe file {path}; `crosschroma list` names the shipped ones")
    spec = importlib.util.spec_from_file_location(f"recipe_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
