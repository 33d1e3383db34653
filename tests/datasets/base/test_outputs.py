"""What is to be written: its kind and whether it can be, known before any work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
from crosschroma.datasets.base.bounds import check_options
from crosschroma.datasets.base.errors import UserError
from crosschroma.datasets.base.outputs import FOLDER, JSON, WEIGHTS, Output, check_output


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there").mkdir()
    Path("there/file.txt").touch()
    Path("there/old.json").touch()
    Path("photos.png").mkdir()


@pytest.mark.parametrize(
    ("output", "path"),
    [
        (FOLDER, "there"),
        (FOLDER, "there/new/newer"),
        (FOLDER, "runs_v1.5"),
        (FOLDER, "photos.png"),  # it is a folder
        (WEIGHTS, "there"),
        (WEIGHTS, "new/weights.safetensors"),
        (WEIGHTS, "new.d/weights"),
        (JSON, "there/old.json"),
        (JSON, "NEW.JSON"),
        (Output((".json",), folder=True), "rows.2026"),
    ],
)
def test_what_can_be_written(output: Output, path: str) -> None:
    before = sorted(Path().rglob("*"))
    assert output.fault(Path(path)) is None
    assert sorted(Path().rglob("*")) == before, "nothing is made for the check"


@pytest.mark.parametrize(
    ("output", "path", "text"),
    [
        (FOLDER, "e.pt", "looks like a file; name a folder"),
        (FOLDER, "out.PNG", "looks like a file; name a folder"),
        (FOLDER, "there/file.txt", "must be a folder"),
        (WEIGHTS, "e.pt", "looks like a file; name a folder or a file that ends in .safetensors"),
        (WEIGHTS, "e.safetensor", "looks like a file; name a folder or a file"),
        (JSON, "there", "is a folder; name a file that ends in .json"),
        (JSON, "row", "must be a file that ends in .json"),
        (JSON, "there/file.txt/row.json", "cannot be written: there/file.txt is no folder"),
        (FOLDER, "there/file.txt/runs", "cannot be written: there/file.txt is no folder"),
        (JSON, "/proc/none/row.json", "cannot be written: No such file or directory (/proc)"),
        (JSON, f"{'x' * 300}.json", "cannot be written: File name too long"),
        (FOLDER, f"{'x' * 300}/runs", "cannot be written: File name too long"),
    ],
)
def test_what_cannot(output: Output, path: str, text: str) -> None:
    fault = output.fault(Path(path))
    assert fault is not None
    assert text in fault
    with pytest.raises(UserError, match=r"--out .*: "):
        check_output(Path(path), output, "--out")


def test_an_option_is_checked_by_its_annotation() -> None:
    hints = {"out": Annotated[Path, FOLDER] | None}
    check_options({"out": None}, hints)
    check_options({"out": Path("new")}, hints)
    with pytest.raises(UserError, match=r"^--out e\.pt: looks like a file; name a folder$"):
        check_options({"out": Path("e.pt")}, hints)
