"""The profile of a step: shares, gaps, and what of it is the scan."""

from __future__ import annotations

import pytest
from crosschroma.experiments.benchmarks.step import _kernels, _union_us


def test_gaps_are_what_no_kernel_fills() -> None:
    spans = [("a", 0.0, 10.0, 10.0), ("b", 5.0, 12.0, 7.0), ("c", 20.0, 25.0, 5.0)]
    assert _union_us(spans) == 17.0
    assert _union_us([]) == 0.0


def test_the_scans_kernels_are_known() -> None:
    scan = ["advance", "carry", "emit", "retreat", "differentiate"]
    scan += ["void selective_scan_fwd_kernel<...>", "crosschroma::scan_backward"]
    spans = [(name, 0.0, 1.0, 1.0) for name in [*scan, "emitted", "sgemm"]]
    kernels, share = _kernels(spans, steps=2)
    assert share == pytest.approx(7 / 9)
    assert kernels[0].calls == 0.5
    assert sum(kernel.share for kernel in kernels) == pytest.approx(1, abs=1e-3)
