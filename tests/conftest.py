"""What all tests share: one thread, no network, the lent real data when it is there."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch is imported

import torch

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")  # read when triton is imported
REPOSITORY = Path(__file__).resolve().parents[1]
# first, so that no process begins one of them when the others are done
LONGEST = ("test_selective_scan.py", "test_recipes.py", "test_readme.py", "test_engine.py")


def pytest_sessionstart(session: pytest.Session) -> None:
    """A stop at the end of a time limit is reported as Ctrl-C is, with the failures so far."""
    if not hasattr(session.config, "workerinput"):
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files: ``make test`` hands whole files to two processes."""
    items.sort(key=lambda item: (*LONGEST, item.path.name).index(item.path.name))


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Two test processes on two cores must not fight over threads."""
    torch.set_num_threads(1)


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> torch.device:
    """Where a test computes: on the CPU and, under the marker ``gpu``, on CUDA."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device on this machine: torch.cuda.is_available() is False")
    return torch.device(request.param)


@pytest.fixture
def cuda() -> torch.device:
    """A CUDA device, for tests (marked ``gpu``) that compare it with the CPU."""
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device on this machine: torch.cuda.is_available() is False")
    return torch.device("cuda")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with the real images; a test that asks for it skips where it is missing."""
    default = REPOSITORY.parent / "shared" / "data"
    path = Path(os.environ.get("CROSSCHROMA_DATA", default))
    if not path.is_dir():
        pytest.skip(f"no real images at {path}; set CROSSCHROMA_DATA")
    return path
