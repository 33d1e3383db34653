"""A run's folder under two processes: one training at a time, whatever ends it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from crosschroma.datasets.base.errors import UserError
from crosschroma.experiments.training.run_folder import LOCK, run_folder
from crosschroma.models.base.weights import LAST

# holds a folder until its input ends; a forked process, as for loading images, outlives a kill
HOLDER = """
import os, sys
from pathlib import Path
from crosschroma.experiments.training.run_folder import run_folder
with run_folder(Path(sys.argv[1]), resume=False, overwrite=False):
    if os.fork() == 0:
        sys.stdin.read()
        os._exit(0)
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(run: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(run)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


@pytest.mark.parametrize("number", [None, signal.SIGKILL])
def test_a_second_training_is_refused_until_the_first_has_ended(
    number: signal.Signals | None, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    first = hold(run)
    text = rf"run is being trained into by process {first.pid} on .*--run-dir"
    for overwrite in (False, True):
        with pytest.raises(UserError, match=text), run_folder(run, True, overwrite):
            pass
    if number is None:
        first.communicate(timeout=60)
        assert not run.exists()
    else:
        first.send_signal(number)
        first.wait(timeout=60)
    with run_folder(run, resume=False, overwrite=False):
        assert (run / LOCK).read_text().startswith("process ")
        (run / "weights").touch()
    assert [path.name for path in run.iterdir()] == ["weights"]
    if number is not None:
        first.communicate(timeout=60)  # the forked process ends


def test_a_refused_folder_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / LAST).write_bytes(b"weights")
    with (
        pytest.raises(UserError, match="holds a run already"),
        run_folder(tmp_path, resume=False, overwrite=False),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [LAST]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(UserError, match=r"cannot write into .*file/run"),
        run_folder(tmp_path / "file" / "run", resume=False, overwrite=False),
    ):
        pass
