"""The recipes: Python files with one ``Experiment`` each, found by their file names."""

from __future__ import annotations

import ast
import importlib
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from ..datasets.base.errors import UserError, unknown

if TYPE_CHECKING:
    from .experiment import Experiment

FOLDER = Path(__file__).parent / "recipes"
# folders below it: each recipe one change to another's, and all gray methods under one budget
_FAMILIES = ("ablations", "budget")


def names() -> list[str]:
    """Every shipped recipe, those of families after the others."""
    return [*_in(FOLDER), *ablations(), *budget()]


def ablations() -> list[str]:
    """The recipes that ``reproduce`` runs only when asked to."""
    return _in(FOLDER / "ablations")


def budget() -> list[str]:
    """The recipes of the equal budget, which have a table of their own."""
    return _in(FOLDER / "budget")


def purpose(name: str) -> str:
    """What a shipped recipe is for: its file's first line, read without running the file."""
    docstring = ast.get_docstring(ast.parse(_path(name).read_text())) or ""
    return docstring.partition("\n")[0].replace("``", "")


def load(name: str) -> Experiment:
    """The experiment of a shipped recipe, or of any Python file that sets ``experiment``.

    Args:
        name: a recipe's name, or a path ending in ``.py``.

    Raises:
        UserError: no such recipe (with the nearest names), or a file without an experiment.
    """
    from .experiment import Experiment  # loads torch, which `names` and `purpose` do without

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
    for folder in (FOLDER, *(FOLDER / family for family in _FAMILIES)):
        if name in _in(folder):
            return folder / f"{name}.py"
    raise UserError(unknown("recipe", name, names()))


def _in(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("[!_]*.py"))


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise UserError(f"no recipe file {path}; `crosschroma list` names the shipped ones")
    spec = importlib.util.spec_from_file_location(f"recipe_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
