"""What the command line sets for its process, and what it leaves to the user."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

# what the entry point has set when a command is about to be imported
PROBE = """
import ctypes, os, sys
from crosschroma.experiments import cli, process_settings
calls = []
class Library:
    def __init__(self, name): pass
    def mallopt(self, *values): calls.append(values)
ctypes.CDLL = Library
def run(argv):
    spins = os.environ.get("GOMP_SPINCOUNT")
    print(os.environ.get("OMP_WAIT_POLICY"), spins, len(calls), "torch" in sys.modules)
    return 0
cli.run = run
sys.argv = ["crosschroma", COMMAND]
cli.main()
"""
NAMES = ("OMP_", "GOMP_", "KMP_", "MALLOC_", "GLIBC_TUNABLES")
OTHERS = {name: value for name, value in os.environ.items() if not name.startswith(NAMES)}


@pytest.mark.parametrize(
    ("command", "environment", "expected"),
    [
        ("train", {}, "None 10000 3 False"),
        ("reproduce", {}, "None 10000 3 False"),
        ("colorize", {}, "None 10000 0 False"),
        ("train", {"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE None 3 False"),
        ("train", {"GOMP_SPINCOUNT": "100"}, "None 100 3 False"),
        ("train", {"MALLOC_TOP_PAD_": "0"}, "None 10000 0 False"),
    ],
)
def test_settings_are_made_before_torch_is_imported_unless_the_user_has(
    command: str, environment: dict[str, str], expected: str
) -> None:
    code = PROBE.replace("COMMAND", repr(command))
    out = subprocess.check_output(
        [sys.executable, "-c", code], text=True, env={**OTHERS, **environment}
    )
    assert out == f"{expected}\n"


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc has these settings")
def test_kept_memory_is_not_asked_for_again() -> None:
    """Page faults of a large allocation that is made and given back again and again."""
    code = """
import ctypes, resource, sys
from crosschroma.experiments.process_settings import keep_memory
if sys.argv[1] == "kept":
    keep_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
def use():
    place = libc.malloc(2**26)
    ctypes.memset(place, 1, 2**26)
    libc.free(place)
use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    plain, kept = (
        int(subprocess.check_output([sys.executable, "-c", code, word], env=OTHERS))
        for word in ("plain", "kept")
    )
    assert kept < plain / 10
