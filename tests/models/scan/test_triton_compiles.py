"""The Triton kernels compile for a GPU, which needs none: the interpreter accepts more."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
from itertools import product
import triton
from crosschroma.models.scan import triton_kernels as kernels
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

constants = {"SOFTPLUS": True, "STATES": 16, "CHANNELS": 32, "CHUNK": 64, "MARKS": 4}
tuples = {"inputs": 7, "results": 8}
for name, optional, backward in [
    ("advance", True, False), ("carry", True, False), ("carry", True, True), ("emit", True, False),
    ("emit", False, False), ("retreat", True, True), ("differentiate", True, True),
    ("differentiate", False, True),
]:
    kernel = getattr(kernels, name)
    signature, given = {}, {}
    for i, argument in enumerate(kernel.arg_names):
        if argument in constants or argument == "BACKWARD":
            signature[argument] = "constexpr"
            given[i,] = constants.get(argument, backward)
        elif argument == "size":
            signature[argument] = ("i32",) * 7
        elif argument in tuples:
            signature[argument] = tuple(
                "*fp32" if optional or j < 5 else "constexpr" for j in range(tuples[argument])
            )
            given |= {(i, j): None for j in range(5, tuples[argument]) if not optional}
        else:
            signature[argument] = "*fp32"
    source = ASTSource(fn=kernel, signature=signature, constexprs=given)
    done = triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"num_warps": 1})
    print(name, done.asm["ptx"].count("shfl"), len(done.asm["cubin"]))
"""


@pytest.mark.slow
def test_the_kernels_compile_for_a_gpu() -> None:
    pytest.importorskip("triton", reason="triton is not installed")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "TRITON_INTERPRET": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    shuffles = {line.split()[0]: int(line.split()[1]) for line in done.stdout.splitlines()}
    # a channel's states stay in one thread; only sums over channels (B and C) cross threads
    assert shuffles == {"advance": 0, "carry": 0, "emit": 0, "retreat": 0, "differentiate": 640}
