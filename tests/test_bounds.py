"""Every setting and every option is checked: none can be added without a bound."""

from __future__ import annotations

import dataclasses
import importlib
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from crosschroma.datasets.base.bounds import Checked
from crosschroma.datasets.base.typed_values import Bound, field_types
from crosschroma.experiments.experiment import Experiment
from crosschroma.experiments.inference.palette import Palette
from crosschroma.models.color.hint_points import HintPoint

REPOSITORY = Path(__file__).resolve().parents[1]
FOLDERS = ("datasets", "models", "experiments/commands", "experiments/deploy", "experiments/video")
TASKS = ("data", "export", "network", "process", "scan", "train", "ui")


def subclasses(cls: type) -> Iterator[type]:
    for one in cls.__subclasses__():
        yield one
        yield from subclasses(one)


def settings_classes() -> set[type]:
    """All that derive from ``Checked`` in the package."""
    for folder in FOLDERS:
        for path in (REPOSITORY / folder).rglob("*.py"):
            parts = path.relative_to(REPOSITORY).with_suffix("").parts
            if "triton" not in path.name:
                importlib.import_module(".".join(["crosschroma", *parts]))
    ours = (cls for cls in subclasses(Checked) if cls.__module__.startswith("crosschroma."))
    return {cls for cls in ours if dataclasses.is_dataclass(cls)}


def parts_of(hint: Any) -> Iterator[Any]:
    """The annotation and all annotations in it, each number with its bound if it has one."""
    if typing.get_origin(hint) is Annotated and any(
        isinstance(extra, Bound) for extra in hint.__metadata__
    ):
        return
    yield hint
    if typing.get_origin(hint) is not typing.Literal:
        for part in typing.get_args(hint):
            yield from parts_of(part)


def unbound(hints: dict[str, Any]) -> list[str]:
    return [
        name
        for name, hint in hints.items()
        if typing.get_origin(hint) is not typing.ClassVar
        and {int, float} & {part for part in parts_of(hint) if isinstance(part, type)}
    ]


def test_every_number_has_a_bound() -> None:
    classes = settings_classes()
    assert len(classes) > 55
    found = {
        f"{cls.__module__}.{cls.__qualname__}": names
        for cls in classes
        if (names := unbound(field_types(cls)))
    }
    assert found == {}


def test_all_settings_are_checked() -> None:
    """Those that an experiment consists of, at any depth, and the options of every command.

    Points and palettes are data that check themselves.
    """
    classes = settings_classes()
    todo, seen = [Experiment, *classes], set[type]()
    while todo:
        cls = todo.pop()
        if cls in seen:
            continue
        seen.add(cls)
        for hint in field_types(cls).values():
            todo += [
                p for p in parts_of(hint) if isinstance(p, type) and dataclasses.is_dataclass(p)
            ]
    assert sorted(map(str, seen - classes - {HintPoint, Palette})) == []
    modules = [module for name, module in sys.modules.items() if ".experiments.commands." in name]
    options = {
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and value.__name__.endswith("Options")
    }
    assert len(options) > 10
    assert options <= classes


@pytest.mark.parametrize("task", TASKS)
def test_every_number_of_a_benchmark_has_a_bound(task: str) -> None:
    module = importlib.import_module(f"crosschroma.experiments.benchmarks.{task}")
    function = getattr(module, f"bench_{task}")
    assert unbound(typing.get_type_hints(function, include_extras=True)) == []
