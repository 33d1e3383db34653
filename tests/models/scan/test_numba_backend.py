"""What only the compiled scan promises: any number of threads, any vector width."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from crosschroma.models.scan.selective_scan import selective_scan_2d


def gradients(threads: int) -> list[torch.Tensor]:
    """The result and all gradients of a problem of several tiles and images."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator).requires_grad_()

    A = (-torch.rand(2, 72, 6, generator=generator)).requires_grad_()
    inputs = [normal(3, 9, 11, 72), normal(3, 9, 11, 2, 72), A, normal(3, 9, 11, 2, 6)]
    inputs += [normal(3, 9, 11, 2, 6), normal(2, 72), normal(3, 9, 11, 72), normal(2, 72)]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        y = selective_scan_2d(*inputs, directions=("rows", "columns_reversed"), backend="numba")
        return [y, *torch.autograd.grad(y.square().sum(), inputs)]
    finally:
        torch.set_num_threads(before)


def test_the_number_of_threads_changes_no_bit() -> None:
    one = gradients(1)
    for threads in (2, 5):
        assert all(torch.equal(x, y) for x, y in zip(one, gradients(threads), strict=True))


PROGRAM = """
import torch
from scans import CASES, assert_close, make_inputs, run
for case in CASES.values():
    inputs = make_inputs(case)
    wanted = run(inputs, torch.float64, directions=case[-1], backend="reference")
    found = run(inputs, torch.float32, directions=case[-1], backend="numba")
    assert_close(found, wanted, 2e-6)
from crosschroma.models.scan.numba_kernels import forward_tasks
code = next(iter(forward_tasks.inspect_asm().values()))
print("zmm" in code, "ymm" in code)
"""


@pytest.mark.parametrize(
    ("needed", "features", "registers"),
    [("avx2", "+avx2,+fma", "False True"), ("avx512f", "+avx512f,+avx2,+fma", "True")],
)
def test_every_vector_width_is_right(
    needed: str, features: str, registers: str, tmp_path: Path
) -> None:
    cpu = Path("/proc/cpuinfo")
    if not cpu.exists() or needed not in cpu.read_text():
        pytest.skip(f"this processor has no {needed}, or does not say so in {cpu}")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parents[2] / "helpers"),
            "NUMBA_CPU_NAME": "haswell" if needed == "avx2" else "skylake-avx512",
            "NUMBA_CPU_FEATURES": features,
            "NUMBA_CACHE_DIR": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith(registers)
