"""The recipes: Python files with one ``Experiment`` each, found by their file names.

Two kinds of files have several recipes, a dict ``experiments`` of names, each with some words and
the ``Experiment``: a file of ``recipes/ablations`` has the changes to the recipe whose name it
bears, and ``recipes/_budget.py`` the recipes of the equal budget.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
import traceback
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

from ..datasets.base.errors import UserError, did_you_mean, unknown

if TYPE_CHECKING:
    from .experiment import Experiment

FOLDER = Path(__file__).parent / "recipes"
_BUDGET = "_budget"


def recipe_names() -> list[str]:
    """Every shipped recipe, ablations and those of the equal budget after the others."""
    return [*_in(FOLDER), *ablations(), *budget()]


def ablations() -> list[str]:
    """The recipes that ``reproduce`` runs only when asked to."""
    return sorted(name for name, several in _several().items() if several.module != _BUDGET)


def budget() -> list[str]:
    """The recipes of the equal budget, which have a table of their own."""
    return sorted(name for name, several in _several().items() if several.module == _BUDGET)


def purpose(name: str) -> str:
    """What a shipped recipe is for: its file's first line, read without running the file."""
    if recipe := _several().get(name):
        base = recipe.module.rpartition(".")[2]
        kind = "Equal budget" if recipe.module == _BUDGET else f"Ablation of {base}"
        return f"{kind}: {recipe.words}."
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

    if recipe := _several().get(name):
        module = importlib.import_module(f".recipes.{recipe.module}", __package__)
        return replace(module.experiments[name][1], name=name)
    if name.endswith(".py"):
        module = _load_file(Path(name))
    else:
        module = importlib.import_module(f".recipes.{_path(name).stem}", __package__)
    experiment = getattr(module, "experiment", None)
    if not isinstance(experiment, Experiment):
        raise UserError(f"recipe {name} does not set `experiment` to an Experiment")
    return experiment


def _path(name: str) -> Path:
    if name in _in(FOLDER):
        return FOLDER / f"{name}.py"
    raise UserError(unknown("recipe", name, recipe_names(), "`crosschroma list`"))


def _in(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("[!_]*.py"))


class _OneOfSeveral(NamedTuple):
    module: str  # below recipes
    words: str  # what it changes, or what it is


def _several() -> dict[str, _OneOfSeveral]:
    """The recipes that share a file, by name, read without running the files."""
    recipes = {}
    for module in (*(f"ablations.{name}" for name in _in(FOLDER / "ablations")), _BUDGET):
        path = FOLDER.joinpath(*module.split(".")).with_suffix(".py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
                for key, value in zip(node.value.keys, node.value.values, strict=True):
                    assert isinstance(key, ast.Constant)
                    assert isinstance(value, ast.Tuple)
                    recipes[key.value] = _OneOfSeveral(module, ast.literal_eval(value.elts[0]))
    return recipes


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        near = did_you_mean(path.name, {one.name: str(one) for one in path.parent.glob("*.py")})
        shipped = "`crosschroma list` names the shipped ones"
        raise UserError(f"no recipe file {path}{near or ';'} {shipped}")
    spec = importlib.util.spec_from_file_location(f"recipe_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where annotations of its own classes are looked up
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        place = f"{error.filename or path}, line {error.lineno or 1}"
        raise UserError(f"{place}: {error.msg}; the recipe is no Python") from error
    except Exception as error:  # a recipe may raise anything
        lines = [
            f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == spec.origin
        ]
        place = f"{path}, line {lines[-1]}" if lines else str(path)
        kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
        raise UserError(f"{place}: {kind}{error}") from error
    return module
