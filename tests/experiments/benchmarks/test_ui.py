"""The benchmark of a click: real requests to a real server, and a target that is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

pytest.importorskip("fastapi")

from crosschroma.experiments.benchmarks.ui import CLICK, NETWORK, bench_ui
from crosschroma.experiments.ui.session import Session


def test_clicks_add_hints_and_are_timed(
    hint_painter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    preview = Session.preview

    def watched(session: Session, token: str, number: int, hints: dict) -> bytes:
        asked.append(len(hints["points"]))
        return preview(session, token, number, hints)

    monkeypatch.setattr(Session, "preview", watched)
    out = tmp_path / "ui.json"
    found = bench_ui(out, run=hint_painter, size=64, threads=1, repeats=2)
    assert asked == [1, 2, 3]
    assert [timing.name for timing in found.timings] == [NETWORK, CLICK]
    assert found.timings[1].median > 0
    assert (found.network, found.picture) == ("64x64", "1024x1024")
    assert json.loads(out.read_text())["target_s"] == 0.5
    console = Console(record=True, width=120)
    console.print(found)
    assert "500 ms" in console.export_text()
