"""Triton's forward in parts: however many a sequence is cut into, and there and back in one."""

from __future__ import annotations

import pytest
import torch
from crosschroma.models.scan import reference, triton_backend
from crosschroma.models.scan.reference import ScanGrid
from crosschroma.models.scan.selective_scan import DIRECTIONS, available
from scans import CPU, Case, assert_close, make_inputs, run

CASES: dict[str, Case] = {
    "two pairs": (1, 2, 5, 2, 2, 1, DIRECTIONS),
    "one way back": (2, 1, 9, 2, 3, 1, ("rows_reversed",)),
    "an axis each": (1, 3, 3, 4, 2, 2, ("columns_reversed", "rows")),
}


@pytest.mark.parametrize(
    ("case", "programs"),
    [
        ("two pairs", 2),
        ("one way back", 1056),
        pytest.param("two pairs", 1, marks=pytest.mark.slow),
        pytest.param("one way back", 1, marks=pytest.mark.slow),
        pytest.param("an axis each", 2, marks=pytest.mark.slow),
        pytest.param("an axis each", 1056, marks=pytest.mark.slow),
    ],
)
def test_parts_change_nothing(case: str, programs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In chunks of 4 steps: the interpreter is slow."""
    if reason := available(CPU)["triton"]:
        pytest.skip(reason)
    monkeypatch.setattr(reference, "CHUNK", 4)
    monkeypatch.setattr(triton_backend, "CHUNK", 4)
    monkeypatch.setattr(triton_backend, "PROGRAMS", programs)
    inputs, options = make_inputs(CASES[case]), {"directions": CASES[case][-1]}
    expected = run(inputs, torch.float64, backend="reference", **options)
    assert_close(run(inputs, torch.float32, backend="triton", **options), expected, 2e-6)


@pytest.mark.parametrize(
    ("batch", "channels", "parts", "span"),
    [
        (1, 128, 133, 128),  # 4 blocks of channels: 264 parts are wanted, of 265 chunks
        (8, 128, 30, 576),
        (64, 512, 2, 8512),
        (256, 512, 1, 16960),
    ],
)
def test_few_sequences_are_cut_many_are_not(
    batch: int, channels: int, parts: int, span: int
) -> None:
    """130 x 130 pixels, 265 chunks of 64 steps."""
    u = torch.empty(batch, 1, channels, device="meta")
    A, B = torch.empty(4, channels, 16), torch.empty(batch, 1, 4, 1, 16, device="meta")
    launch = triton_backend._Launch.of(u, A, B, ScanGrid(130, 130, (0, 1, 2, 3), True))
    assert launch.parts() == (parts, span)
    assert (parts - 1) * span < 130 * 130 <= parts * span
