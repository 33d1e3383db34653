"""The Triton kernels compile for a GPU, which needs none: the interpreter accepts more."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from crosschroma.experiments import cli
from crosschroma.experiments.benchmarks.kernels import FORWARD, STEP, scan_limit
from crosschroma.experiments.benchmarks.scan_results import ScanShape
from crosschroma.models.scan.triton_backend import CHANNELS


@pytest.mark.slow
def test_the_kernels_compile_for_a_gpu(tmp_path: Path) -> None:
    """And are read: a channel's states stay in one thread, whose registers suffice."""
    pytest.importorskip("triton", reason="triton is not installed")
    out = tmp_path / "kernels.json"
    assert cli.run(["bench", "kernels", "--out", str(out), "--shapes", "ColorMamba 64"]) == 0
    kernels = json.loads(out.read_text())["kernels"]
    assert {kernel["name"] for kernel in kernels} == {
        *("advance", "carry", "emit", "retreat", "differentiate")
    }
    for kernel in kernels:
        assert kernel["constants"]["CHANNELS"] == CHANNELS == 32
        assert 16 < kernel["registers"] <= 255
        # only sums over channels (the gradients of B and C) cross threads
        assert (kernel["instructions"]["shuffles"] > 0) == (kernel["name"] == "differentiate")
        if kernel["name"] != "differentiate":
            assert kernel["instructions"]["barriers"] == kernel["spilled"] == 0


def test_limits_are_counted() -> None:
    """One image of two pixels, 3 channels, 4 states, one direction, by hand."""
    shape = ScanShape(name="tiny", width=2, channels=3, states=4, directions=("rows",))
    forward, step = scan_limit(shape, FORWARD), scan_limit(shape, STEP)
    # u, z, delta and y of 6 numbers, B and C of 8
    assert forward.megabytes == pytest.approx(4e-6 * (4 * 6 + 2 * 8), abs=0.01)
    assert forward.exponentials == pytest.approx(6 * 5e-6, abs=0.01)
    large = ScanShape(name="large", batch=8, height=130, width=130, channels=128)
    pixels = 8 * 130 * 130
    forward, step = scan_limit(large, FORWARD), scan_limit(large, STEP)
    numbers = pixels * (3 * 128 + 4 * 128 + 2 * 4 * 16)
    assert forward.megabytes == pytest.approx(4e-6 * numbers, rel=1e-3)
    assert forward.exponentials == pytest.approx(1e-6 * pixels * 4 * 128 * 17, rel=1e-3)
    assert forward.bytes_us == pytest.approx(4 * numbers / 3.35e6, rel=1e-3)
    # again all that was read, dy, and gradients of all that was read
    again = pixels * (2 * (2 * 128 + 4 * 128 + 2 * 4 * 16) + 128)
    assert step.megabytes == pytest.approx(4e-6 * (numbers + again), rel=1e-3)
    assert step.exponentials == pytest.approx(2 * forward.exponentials, rel=1e-3)
