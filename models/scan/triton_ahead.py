"""Compile the Triton kernels for a GPU that need not be there.

    python -m crosschroma.models.scan.triton_ahead FOLDER CAPABILITY STATES...

writes the text and the binary of each kernel and ``kernels.json``; TRITON_INTERPRET must not be 1.
"""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from .reference import CHUNK
from .triton_backend import CHANNELS, MARKS

# kernel -> whether there are D, the bias, a gate, what enters a part; BACKWARD
_KERNELS = (
    ("advance", True, False),
    ("carry", True, False),
    ("carry", True, True),
    ("emit", True, False),
    ("emit", False, False),
    ("retreat", True, True),
    ("differentiate", True, True),
    ("differentiate", False, True),
)
_TUPLES = {"inputs": 7, "results": 8}  # of which the first five are always there
_OPTIONAL = ("entering", "z")
_NUMBERS = ("parts", "first", "second", "k")
_SIZES = 8
_ALIGNED = [["tt.divisibility", 16]]  # as torch allocates


def compile_kernels(folder: Path, capability: int, states: list[int]) -> list[dict[str, Any]]:
    """Compile every kernel for each number of states, in several processes.

    Returns:
        What they are, and their files' names.
    """
    jobs = [
        (str(folder), capability, order, number, *kernel)
        for order in states
        for number, kernel in enumerate(_KERNELS)
    ]
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        entries = list(pool.map(_compile, *zip(*jobs, strict=True)))
    (folder / "kernels.json").write_text(json.dumps(entries))
    return entries


def _compile(
    folder: str,
    capability: int,
    order: int,
    number: int,
    name: str,
    optional: bool,
    backward: bool,
) -> dict[str, Any]:
    """Compile one; what it is, and its files' name."""
    import triton.backends.nvidia
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from . import triton_kernels as kernels

    kernel = getattr(kernels, name)
    signature, given, aligned, constants = _arguments(kernel.arg_names, order, optional, backward)
    source = ASTSource(kernel, signature=signature, constexprs=given, attrs=aligned)
    target = GPUTarget("cuda", capability, 32)
    done = triton.compile(source, target=target, options={"num_warps": 1})
    file = Path(folder) / f"{order}_{number}_{name}"
    file.with_suffix(".ptx").write_text(done.asm["ptx"])
    file.with_suffix(".cubin").write_bytes(done.asm["cubin"])
    package = triton.backends.nvidia.__file__
    assert package is not None
    return {
        "name": name,
        "constants": {**constants, "OPTIONAL": int(optional)},
        "file": file.name,
        "shared": done.metadata.shared,
        "cuobjdump": str(Path(package).parent / "bin" / "cuobjdump"),
    }


def _arguments(names: list[str], order: int, optional: bool, backward: bool) -> tuple[Any, ...]:
    """Types, constants and alignment of a kernel's arguments; and the constants by name."""
    values = {
        "SOFTPLUS": 1,
        "ORDER": order,
        "STATES": 1 << (order - 1).bit_length(),
        "CHANNELS": CHANNELS,
        "CHUNK": CHUNK,
        "MARKS": MARKS,
        "PAIR": 1,
        "ADD": 1,
        "BACKWARD": int(backward),
    }
    signature: dict[str, Any] = {}
    given: dict[tuple[int, ...], Any] = {}
    aligned: dict[tuple[int, ...], Any] = {}
    for i, name in enumerate(names):
        if name in values:
            signature[name], given[i,] = "constexpr", values[name]
        elif name == "size":
            signature[name] = ("i32",) * _SIZES
        elif name in _NUMBERS:
            signature[name] = "i32"
        elif name in _OPTIONAL and not optional:
            signature[name], given[i,] = "constexpr", None
        elif name in _TUPLES:
            there = [optional or j < 5 for j in range(_TUPLES[name])]
            signature[name] = tuple("*fp32" if is_there else "constexpr" for is_there in there)
            given |= {(i, j): None for j, is_there in enumerate(there) if not is_there}
            aligned |= {(i, j): _ALIGNED for j, is_there in enumerate(there) if is_there}
        else:
            signature[name], aligned[i,] = "*fp32", _ALIGNED
    return signature, given, aligned, {name: values[name] for name in names if name in values}


if __name__ == "__main__":
    compile_kernels(Path(sys.argv[1]), int(sys.argv[2]), [int(word) for word in sys.argv[3:]])
