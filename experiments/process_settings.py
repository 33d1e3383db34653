"""Settings of the process that make training faster; to be made before torch is loaded."""

from __future__ import annotations

import ctypes
import os

# how long a thread spins before it sleeps: turns of GNU's OpenMP, milliseconds of LLVM's
_SHORTLY = {"GOMP_SPINCOUNT": "10000", "KMP_BLOCKTIME": "1"}
# glibc's names of parameters of malloc
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
_NEVER, _LARGEST, _PAD = -1, 2**31 - 1, 200_000_000


def wait_shortly() -> None:
    """Let OpenMP's threads sleep soon while they wait: spinning, they take others' cores.

    Threads that sleep at once, as ``OMP_WAIT_POLICY=PASSIVE`` has it, are woken many times a step,
    which an idle machine feels; see ``crosschroma bench process``. What the user has set stays.
    """
    if not any(name in os.environ for name in ("OMP_WAIT_POLICY", *_SHORTLY)):
        os.environ |= _SHORTLY


def keep_memory() -> None:
    """Let the C library keep freed memory for the next step, instead of asking the system anew.

    Each large tensor would else be mapped, cleared by the system and unmapped again. For commands
    that end: the process keeps its peak. What the user has set stays, and C libraries without
    ``mallopt`` stay as they are.
    """
    if any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _LARGEST)
        mallopt(_TRIM_THRESHOLD, _NEVER)
        mallopt(_TOP_PAD, _PAD)
