"""The recipes: Python files with one ``Experiment`` each, found by their file names."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from types import ModuleType

from ..datasets.errors import UserError, unknown
from .experiment import Experiment

FOLDER = Path(__file__).parent / "recipes"
_ABLATIONS = FOLDER / "ablations"  # each one change to a recipe of FOLDER


def names() -> list[str]:
    """Every shipped recipe, ablations after the others."""
    return [*(path.stem for path in sorted(FOLDER.glob("*.py"))), *ablations()]


def ablations() -> list[str]:
    """The recipes that ``reproduce`` runs only when asked to."""
    return sorted(path.stem for path in _ABLATIONS.glob("*.py"))


def load(name: str) -> Experiment:
    """The experiment of a shipped recipe, or of any Python file that sets ``experiment``.

    Args:
        name: a recipe's name, or a path ending in ``.py``.

    Raises:
        UserError: no such recipe (with the nearest names), or a file without an experiment.
    """
    if name.endswith(".py"):
        module = _load_file(Path(name))
    elif name in names():
        folder = ".recipes.ablations" if name in ablations() else ".recipes"
        module = importlib.import_module(f"{folder}.{name}", __package__)
    else:
        raise UserError(unknown("recipe", name, names()))
    experiment = getattr(module, "experiment", None)
    if not isinstance(experiment, Experiment):
        raise UserError(f"recipe {name} does not set `experiment` to an Experiment")
    return experiment


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise UserError(f"no recipe file {path}; `crosschroma list` names the shipped ones")
    spec = importlib.util.spec_from_file_location(f"recipe_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
