"""Every command says before it works that it cannot write what it is to write."""

from __future__ import annotations

import importlib
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from crosschroma.datasets.base import outputs
from crosschroma.datasets.base.bounds import Checked
from crosschroma.datasets.base.outputs import Output
from crosschroma.datasets.base.typed_values import field_types
from crosschroma.datasets.registry import ADAPTERS
from crosschroma.experiments import cli
from crosschroma.experiments.commands import bench as bench_command
from crosschroma.experiments.commands.data import boxes, detail, prior, shard
from crosschroma.experiments.commands.files.colorize_targets import SUFFIXES
from crosschroma.experiments.deploy.compress import compress
from crosschroma.experiments.video.codecs import WRITABLE

WRITTEN = {"out", "json", "plot", "report", "tensorboard", "run_dir"}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CROSSCHROMA_DATA", raising=False)
    Path("file").touch()
    Path("folder").mkdir()


def option_types() -> Iterator[tuple[str, dict[str, Any]]]:
    for command, (module, _, _) in cli.COMMANDS.items():
        loaded = importlib.import_module(f"crosschroma.experiments.commands.{module}")
        for name, value in vars(loaded).items():
            if name.endswith("Options") and isinstance(value, type) and issubclass(value, Checked):
                yield command, field_types(value)
    for task in bench_command._TASKS:
        loaded = importlib.import_module(f"crosschroma.experiments.benchmarks.{task}")
        function = getattr(loaded, f"bench_{task}")
        yield f"bench {task}", typing.get_type_hints(function, include_extras=True)
    yield "compress", typing.get_type_hints(compress, include_extras=True)


def parts_of(hint: Any) -> Iterator[Any]:
    yield hint
    for part in typing.get_args(hint):
        yield from parts_of(part)


def test_no_option_for_what_is_written_goes_without_a_check() -> None:
    checked: dict[str, list[str]] = {}
    unchecked = []
    for command, hints in option_types():
        for name in WRITTEN & hints.keys():
            parts = list(parts_of(hints[name]))
            if any(isinstance(part, Output) for part in parts):
                checked.setdefault(command, []).append(name)
            elif Path in parts and tuple not in map(typing.get_origin, parts):  # runs that are read
                unchecked.append(f"{command} --{name}")
    assert unchecked == []
    assert len(checked) > 20


def test_what_colorize_writes_is_what_it_can_write() -> None:
    assert frozenset(SUFFIXES) == outputs.OF_PICTURES
    assert WRITABLE == outputs.OF_VIDEOS


UNWRITABLE = "file is no folder"


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("train unet_scenes_nir --run-dir file/run", UNWRITABLE),
        ("train unet_scenes_nir --run-dir e.pt", "--run-dir e.pt: looks like a file"),
        ("evaluate nowhere --json file/row.json", UNWRITABLE),
        ("evaluate nowhere --json row.jsn", "--json row.jsn: looks like a file"),
        ("score nowhere --dataset scenes --json row.txt", "--json row.txt: must be a file"),
        ("score nowhere --dataset scenes --json folder", "--json folder: is a folder"),
        ("reproduce scenes --runs file/runs", UNWRITABLE),
        ("reproduce scenes --results file/results", UNWRITABLE),
        ("colorize nowhere --out file/a.png", UNWRITABLE),
        ("colorize nowhere --out e.pt", "--out e.pt: looks like a file"),
        ("colorize folder --out a.png", "--out a.png: looks like a file; name a folder"),
        ("colorize nowhere --report file/a.json", UNWRITABLE),
        ("gallery nowhere --out folder", "--out folder: is a folder"),
        ("gallery nowhere --out g.txt", "--out g.txt: must be a file that ends in .jpeg"),
        ("compare nowhere --out page.png", "--out page.png: must be a file that ends in .htm"),
        ("compare nowhere --tensorboard file/board", UNWRITABLE),
        ("hints-curve nowhere --out file/c.json", UNWRITABLE),
        ("hints-curve nowhere --plot c.txt", "--plot c.txt: must be a file that ends in .pdf"),
        ("ship nowhere --out e.pt", "--out e.pt: looks like a file"),
        ("export nowhere --out e.pt", "--out e.pt: looks like a file"),
        ("export nowhere --to onnx --out e.ts", "--out e.ts: looks like a file"),
        ("export nowhere --out file/e.onnx", UNWRITABLE),
        ("import-weights zhang16 nowhere --out file/w", UNWRITABLE),
        ("compress nowhere --out file/c", UNWRITABLE),
        ("compress nowhere --out c.json", "--out c.json: looks like a file"),
        ("input-kind --out file/i.json", UNWRITABLE),
        ("data prior scenes --out file/p.json", UNWRITABLE),
        ("data prior scenes --out p", "--out p: must be a file that ends in .json"),
        ("data boxes scenes --out file/b.json", UNWRITABLE),
        ("data detail scenes --runs nowhere --json file/d.json", UNWRITABLE),
        ("data shard imagenet --root folder --out file/s", UNWRITABLE),
        ("data shard imagenet --root folder --out s.tar", "--out s.tar: looks like a file"),
        ("bench scan --plot file/p.svg", UNWRITABLE),
        ("bench gpu --out file/g", UNWRITABLE),
        ("bench data --out folder", "--out folder: is a folder"),
    ],
)
def test_it_is_said_before_anything_else(
    command: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(command.split()) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert text in error
    assert sorted(Path().iterdir()) == [Path("file"), Path("folder")]


@pytest.mark.parametrize(
    ("command", "unwritable"),
    [
        ("ship nowhere", "results"),
        ("table", "results"),
        ("plot", "results"),
        ("train unet_scenes_nir", "runs"),
        ("data prior scenes", "scenes-prior.json"),
    ],
)
def test_so_are_places_that_are_not_named(
    command: str, unwritable: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(unwritable)
    if path.suffix:
        path.mkdir()
    else:
        path.touch()
    assert cli.run(command.split()) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: --{'run-dir' if unwritable == 'runs' else ''}")
    assert unwritable in error
    assert any(text in error for text in ("must be a folder", "is no folder", "is a folder"))


@pytest.mark.parametrize("task", [boxes, detail, prior, shard])
@pytest.mark.parametrize("name", list(ADAPTERS))
def test_no_option_of_a_task_has_the_name_of_a_setting(name: str, task: Any) -> None:
    """Both stand side by side on the command line."""
    options = {option.name for option in getattr(task, "_OPTIONS", ())} | {"out", "split", "splits"}
    assert options.isdisjoint(field_types(ADAPTERS[name]))


@pytest.mark.parametrize("names", [["a.png"], ["a.png", "b.png"]])
def test_one_broken_picture_is_one_line(
    names: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for name in names:
        Path("folder", name).write_bytes(b"nothing")
    source = "folder" if len(names) > 1 else "folder/a.png"
    assert cli.run(["colorize", source, "--run", "zhang16_photos", "--device", "cpu"]) == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(errors) == (3 if len(names) > 1 else 1)
    assert all(any(name in line for line in errors) for name in names)
