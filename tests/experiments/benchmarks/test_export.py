"""The benchmark of deployment paths: all of them on one tiny network, and what is left out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from crosschroma.datasets.base.errors import UserError
from crosschroma.experiments import cli
from crosschroma.experiments.benchmarks import export as export_benchmark
from crosschroma.experiments.benchmarks.export import COMPILED, EAGER, FOLDED, ONNX, bench_export
from crosschroma.models.base.method import Method
from crosschroma.models.pix2pix import Pix2Pix
from rich.console import Console


def tiny() -> Method:
    torch.manual_seed(0)
    return Pix2Pix.Config(domain="gray", width=4, levels=5, discriminator_width=4).build()


def test_it_measures_time_and_parity(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    out = tmp_path / "export.json"
    found = bench_export(out, method=tiny(), runtimes=(FOLDED, ONNX), size=64, repeats=1)
    assert [timing.name for timing in found.timings] == [EAGER, FOLDED, ONNX]
    assert found.left_out == {}
    assert found.parity_db[EAGER] == 999
    assert found.parity_db[FOLDED] > 100
    assert found.parity_db[ONNX] > 100
    assert found.timings[0].ratio == 1
    assert found.parameters == sum(
        p.numel() for p in tiny().get_submodule("generator").parameters()
    )
    written = json.loads(out.read_text())
    assert written["parity_db"] == found.parity_db
    assert written["targets"] == {ONNX: [1.5, 110]}
    console = Console(record=True, width=120)
    console.print(found)
    assert "1.5 times, 110 dB" in console.export_text()


@pytest.mark.slow
def test_compiled_bfloat16_is_near(tmp_path: Path) -> None:
    config = Pix2Pix.Config(domain="gray", width=4, levels=2, discriminator_width=4)
    found = bench_export(
        tmp_path / "export.json", method=config.build(), runtimes=(COMPILED,), size=64, repeats=1
    )
    assert found.left_out == {}
    assert 30 < found.parity_db[COMPILED] < 80
    assert found.ready_s[COMPILED] > found.timings[1].median


def test_random_weights_fill_the_range(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """On outputs near zero any error would count as small."""
    seen = []
    compare = export_benchmark.parity
    monkeypatch.setattr(
        export_benchmark, "parity", lambda *given: seen.append(given[1]) or compare(*given)
    )
    bench_export(tmp_path / "export.json", method=tiny(), runtimes=(), size=64, repeats=1)
    assert torch.cat(seen[0]).std() > 20


def test_a_runtime_that_fails_is_left_out_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("no compiler\nhere")

    monkeypatch.setitem(export_benchmark._MAKERS, COMPILED, fails)
    found = bench_export(
        tmp_path / "export.json", method=tiny(), runtimes=(COMPILED,), size=64, repeats=1
    )
    assert found.left_out == {COMPILED: "no compiler here"}
    assert [timing.name for timing in found.timings] == [EAGER]
    assert found.targets == {}


def test_wrong_settings_are_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown runtime 'folding'; did you mean folded"):
        bench_export(tmp_path / "export.json", method=tiny(), runtimes=("folding",), size=64)
    with pytest.raises(UserError, match="size 100: must be a multiple of 32 for pix2pix"):
        bench_export(tmp_path / "export.json", method=tiny(), size=100)
    assert cli.run(["bench", "export", "--run", "none"]) == 1
    assert "no run none" in capsys.readouterr().err
