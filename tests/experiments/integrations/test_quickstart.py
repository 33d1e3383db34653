"""The quickstart notebook: without outputs, and every cell runs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
NOTEBOOK = REPOSITORY / "experiments" / "integrations" / "jupyter" / "quickstart.ipynb"
# what takes minutes for a reader is shortened for the test
SHORTER = {"STEPS = 200": "STEPS = 2"}
# a notebook goes on after a command that failed
COMMAND = re.compile(r"^!.*$", re.MULTILINE)


def cells() -> list[dict[str, Any]]:
    return [c for c in json.loads(NOTEBOOK.read_text())["cells"] if c["cell_type"] == "code"]


def test_it_holds_no_outputs() -> None:
    assert len(cells()) > 5
    assert [(c["outputs"], c["execution_count"]) for c in cells()] == [([], None)] * len(cells())


@pytest.mark.slow
def test_every_cell_runs(tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    folder = tmp_path / NOTEBOOK.parent.relative_to(REPOSITORY)
    folder.mkdir(parents=True)
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "gallery").symlink_to(REPOSITORY / "results" / "gallery")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for long, short in SHORTER.items():
        assert sum(f"\n{long}\n" in f"\n{cell.source}\n" for cell in notebook.cells) == 1, long
        for cell in notebook.cells:
            cell.source = f"\n{cell.source}\n".replace(f"\n{long}\n", f"\n{short}\n").strip()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = COMMAND.sub(r"\g<0>\nassert _exit_code == 0", cell.source)
    resources = {"metadata": {"path": str(folder)}}
    client = nbclient.NotebookClient(notebook, timeout=1200, resources=resources)
    client.execute()
    shown = [
        kind
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        for kind in output.get("data", {})
    ]
    assert shown.count("image/png") == 9
    runs = tmp_path / "runs" / "quickstart"
    assert "unet" in (runs / "results" / "tables" / "scenes.md").read_text()
    assert "text/markdown" in shown
    assert not list(folder.iterdir())
