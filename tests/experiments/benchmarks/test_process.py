"""Process settings side by side: every process trains, and one that fails is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from crosschroma.datasets.base.errors import UserError
from crosschroma.experiments import cli
from crosschroma.experiments.benchmarks.process import bench_process


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "process.json"
    words = ["bench", "process", "--smoke", "--busy", "0", "1", "--threads", "1", "--turn", "1"]
    assert cli.run([*words, "--repeats", "1", "--out", str(out)]) == 0
    assert str(out) in capsys.readouterr().out
    written = json.loads(out.read_text())
    assert list(written["timings"]) == ["0", "1"]
    for timings in written["timings"].values():
        names = [timing["name"] for timing in timings]
        waiting = ("kept memory, no waiting", "kept memory, short waiting")
        assert names == ["neither", "kept memory", *waiting]
        assert timings[0]["ratio"] == 1


def test_a_process_that_fails_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="a training process has ended"):
        bench_process(tmp_path / "process.json", recipe="no_such_recipe", busy=(0,), repeats=1)
    assert "unknown recipe 'no_such_recipe'" in capfd.readouterr().err
