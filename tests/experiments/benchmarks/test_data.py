"""The data benchmark: runs, measures what it says, and writes it down."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from crosschroma.datasets.base.errors import UserError
from crosschroma.experiments.benchmarks.data import DataBenchmark, bench_data
from rich.console import Console


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> tuple[DataBenchmark, Path]:
    out = tmp_path_factory.mktemp("bench") / "benchmarks" / "data.json"
    return bench_data(out, count=8, repeats=3), out


def test_ours_is_faster_and_as_exact(result: tuple[DataBenchmark, Path]) -> None:
    measured, _ = result
    reference, jpeg, sharded, cache = measured.speeds
    assert reference.ratio == 1
    # far below the targets, 2.2 and 6: a shared machine is no place to measure
    assert jpeg.ratio > 1.3
    assert sharded.ratio > 1.3
    assert cache.ratio > 3
    assert 0 < measured.lab_max_error < 5e-4
    for speed in measured.speeds:
        assert 0 < speed.p10 <= speed.median <= speed.p90


def test_the_file_says_what_was_measured_on_what(result: tuple[DataBenchmark, Path]) -> None:
    measured, out = result
    data = json.loads(out.read_text())
    assert [speed["median"] for speed in data["speeds"]] == [s.median for s in measured.speeds]
    assert data["reference"] == data["speeds"][0]["name"]
    assert set(data["targets"]) == {speed["name"] for speed in data["speeds"][1:]}
    assert data["machine"]["cpu"]
    assert data["machine"]["cores"] >= 1
    assert data["dtype"] == "float32"
    assert {"torch", "scikit-image", "numba"} <= set(data["versions"])


def test_the_table_shows_every_loader_and_its_target(result: tuple[DataBenchmark, Path]) -> None:
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(result[0])
    text = console.export_text()
    for speed in result[0].speeds:
        assert speed.name in text
        assert f"{speed.ratio:.2f}" in text
    assert "2.2" in text


def test_without_scikit_image(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "skimage.color", None)
    with pytest.raises(UserError, match="pip install scikit-image"):
        bench_data(tmp_path / "data.json")
