"""The network benchmark: it leaves out the scan and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from crosschroma.experiments.benchmarks import network as network_benchmark
from crosschroma.experiments.benchmarks.network import FORWARD, OURS, REFERENCE, STEP, bench_network
from crosschroma.models.colormamba import vss_block
from crosschroma.models.colormamba.networks import ColorMambaGenerator, Design
from crosschroma.models.scan.selective_scan import selective_scan_2d


def tiny() -> Design:
    """The small design with a quarter of its channels and two states."""
    return replace(Design.small(), width=8, hsv_width=4, spade_width=8, d_state=2, heads=2, size=32)


def test_it_measures_both_passes_and_writes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(network_benchmark._DESIGNS, "small", tiny)
    out = tmp_path / "network.json"
    measured = bench_network(out, design="small", size=64, threads=1, repeats=1, loop=True)
    written = json.loads(out.read_text())
    assert written["cost"] == measured.cost
    assert measured.parameters == sum(p.numel() for p in ColorMambaGenerator(tiny()).parameters())
    for work in (FORWARD, STEP):
        names = [timing.name for timing in measured.timings[work]]
        assert names == [REFERENCE, OURS]
        assert measured.cost[work] > 0
    assert measured.loop_seconds is not None
    assert measured.loop_seconds > 0
    assert vss_block.selective_scan_2d is selective_scan_2d


def test_without_the_scan_every_other_layer_still_gets_its_gradient() -> None:
    """Or the reference would leave out more than the scan, and the ratio would flatter it."""
    torch.manual_seed(0)
    generator = ColorMambaGenerator(tiny())
    called = []

    def step() -> None:
        hsv_hat, rgb_hat = generator(torch.rand(1, 1, 64, 64))
        (hsv_hat.sum() + rgb_hat.sum()).backward()
        called.append(vss_block.selective_scan_2d)

    network_benchmark._without_scan(step)
    assert called == [network_benchmark._stand_in]
    missing = [name for name, p in generator.named_parameters() if p.grad is None]
    assert missing == []


def test_the_loop_is_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    called = []
    monkeypatch.setattr(
        vss_block,
        "selective_scan_2d",
        lambda *_, **options: called.append(options["backend"]) or selective_scan_2d(*_, **options),
    )
    network_benchmark._loop_seconds(ColorMambaGenerator(tiny()), torch.rand(1, 1, 64, 64))
    assert set(called) == {"reference"}


def test_a_failure_puts_the_scan_back() -> None:
    def fail() -> None:
        raise ValueError("stopped")

    with pytest.raises(ValueError, match="stopped"):
        network_benchmark._without_scan(fail)
    assert vss_block.selective_scan_2d is selective_scan_2d
