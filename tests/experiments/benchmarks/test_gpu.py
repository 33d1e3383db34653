"""What a GPU is wanted for, rehearsed on the CPU; and that a bare machine can run it."""

from __future__ import annotations

import functools
import importlib
import json
import os
import shlex
import subprocess
import sys
import sysconfig
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
import tyro
from crosschroma.datasets.base.errors import UserError
from crosschroma.experiments import cli
from crosschroma.experiments.benchmarks import bare_machine
from crosschroma.experiments.benchmarks.gpu import SUMMARY, bench_gpu, run_process
from crosschroma.experiments.benchmarks.gpu_stages import gpu_stages, gpu_tests
from crosschroma.experiments.benchmarks.weights_parts import cut_file
from crosschroma.experiments.commands import train
from crosschroma.experiments.commands.evaluate import EvaluateOptions

REPOSITORY = Path(__file__).resolve().parents[3]


def here(words: Sequence[str], log: Path, limit_s: float) -> tuple[str, float]:
    """A command of ours in this process; others are taken as done."""
    start = time.monotonic()
    code = cli.run(list(words[3:])) if words[2] == "crosschroma" else 0
    log.write_text("1 passed\n")
    return ("failed" if code else "ok"), time.monotonic() - start


def test_every_stage_is_rehearsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """But those benchmarks that have tests of their own; a slow test rehearses all."""
    monkeypatch.chdir(tmp_path)
    elsewhere = ("kernels", "scan", "network", "train")
    out = tmp_path / "out"
    planned = [stage.name for stage in gpu_stages(out, tmp_path / "runs", rehearse=True)]
    assert [name for name in planned if not name.startswith("train_")] == [
        *("tests", "kernels", "scan", "network", "train", "step", "colorize")
    ]
    result = bench_gpu(
        out,
        runs=tmp_path / "runs",
        rehearse=True,
        stages=tuple(name for name in planned if name not in elsewhere),
        runner=here,
        minutes=60,
    )
    assert {stage.name: stage.status for stage in result.stages} == {
        name: "ok" for name in planned if name not in elsewhere
    }
    assert all(stage.figures for stage in result.stages), result.stages
    assert not any("no result" in stage.figures for stage in result.stages), result.stages
    written = json.loads((out / SUMMARY).read_text())
    assert written["rehearsed"]
    assert written["files"] == ["pix2pix_scenes_gray.safetensors", "unet_scenes_nir.safetensors"]
    assert all((out / name).is_file() for name in written["files"])
    row = json.loads((out / "runs" / "unet_scenes_nir.json").read_text())
    assert row["config"]["training"]["minutes"] > 0


def test_without_a_gpu_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(UserError, match="no CUDA device here; --rehearse"):
        bench_gpu(tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(UserError, match="stage"):
        bench_gpu(tmp_path / "out", rehearse=True, stages=("scann",))


def test_what_fails_or_takes_too_long_leaves_the_others(tmp_path: Path) -> None:
    answers = {"tests": "failed", "scan": "time is up"}

    def runner(words: Sequence[str], log: Path, limit_s: float) -> tuple[str, float]:
        log.write_text("Traceback\nValueError: no such thing\n")
        return answers[log.stem], limit_s

    result = bench_gpu(tmp_path, rehearse=True, stages=("tests", "scan"), runner=runner, minutes=5)
    assert [stage.status for stage in result.stages] == ["failed", "time is up"]
    assert "ValueError: no such thing" in result.stages[0].figures


def test_without_time_a_stage_is_not_begun(tmp_path: Path) -> None:
    def never(words: Sequence[str], log: Path, limit_s: float) -> tuple[str, float]:
        raise AssertionError

    result = bench_gpu(tmp_path, rehearse=True, runner=never, minutes=0.1)
    assert {stage.status for stage in result.stages} == {"not run"}


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("print('done')", "ok"),
        ("raise SystemExit(3)", "failed"),
        ("import time; print('at work', flush=True); time.sleep(60)", "time is up"),
    ],
)
def test_a_process_has_its_time(code: str, status: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert run_process([sys.executable, "-c", code], log, 3.0)[0] == status
    assert status == "failed" or log.read_text()


def test_the_real_stages_are_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their commands' options exist; what they do needs the GPU."""
    understood: list[str] = []
    monkeypatch.setattr(train, "fit", lambda *_, **__: understood.append("train"))
    stages = gpu_stages(tmp_path, tmp_path / "runs", rehearse=False)
    for stage in stages:
        assert stage.limit(540) <= 540
        for words in stage.commands(stage.limit(540)):
            if words[2] != "crosschroma":
                continue
            command, *rest = words[3:]
            if command == "evaluate":
                tyro.cli(EvaluateOptions, args=rest)
                understood.append(command)
                continue
            if command == "bench":
                module = importlib.import_module(f"crosschroma.experiments.benchmarks.{rest[0]}")
                own = getattr(module, f"bench_{rest[0]}")
                stub = functools.wraps(own)(lambda **_: understood.append("bench"))
                monkeypatch.setattr(module, own.__name__, stub)
                rest = ["cpu" if word == "cuda" else word for word in rest]
            assert cli.run([command, *rest]) == 0, shlex.join(words)
    counts = {name: understood.count(name) for name in ("bench", "train", "evaluate")}
    assert counts == {"bench": 6, "train": 6, "evaluate": 6}


def test_the_tests_of_a_gpu_are_found() -> None:
    names = {path.name for path in gpu_tests()}
    assert {"test_selective_scan.py", "test_recipes.py", "test_devices.py"} <= names
    assert "test_readme.py" not in names


def test_a_large_file_is_cut_and_joined(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    content = bytes(range(250)) * 10
    path.write_bytes(content)
    assert cut_file(path, largest=2500) == [path]
    parts = cut_file(path, largest=999)
    assert [part.stat().st_size for part in parts] == [999, 999, 502]
    assert b"".join(part.read_bytes() for part in sorted(parts)) == content
    assert not path.exists()


def bare(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """By a Python that knows this environment's packages, but not that ours is installed."""
    packages = sysconfig.get_path("purelib")
    return subprocess.run(
        [sys.executable, "-S", "-P", *words],
        env={**os.environ, "PYTHONPATH": packages, **env},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_checkout_is_importable_where_nothing_is_installed(tmp_path: Path) -> None:
    code = "import crosschroma.experiments.cli as cli, crosschroma.weights; print(cli.__file__)"
    assert "No module named 'crosschroma'" in bare("-c", code).stderr
    packages = sysconfig.get_path("purelib")
    paths = bare_machine.make_importable(tmp_path)["PYTHONPATH"]
    done = bare("-c", code, PYTHONPATH=os.pathsep.join([paths, packages]))
    assert done.stdout.strip() == str(REPOSITORY / "experiments" / "cli.py"), done.stderr


@pytest.mark.slow
def test_a_bare_machine_rehearses(tmp_path: Path) -> None:
    """The very command of `make gpu`, with every stage in its process."""
    script = REPOSITORY / "experiments" / "benchmarks" / "bare_machine.py"
    out = tmp_path / "out"
    words = ["bench", "gpu", "--rehearse", "--minutes", "60", "--out", str(out)]
    words += ["--runs", str(tmp_path / "runs")]
    done = subprocess.run(
        [sys.executable, "-P", str(script), *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    written = json.loads((out / SUMMARY).read_text())
    assert {stage["status"] for stage in written["stages"]} == {"ok"}, written


def test_wheels_that_are_not_there_are_named(tmp_path: Path) -> None:
    script = REPOSITORY / "experiments" / "benchmarks" / "bare_machine.py"
    done = bare(str(script), "--wheels", str(tmp_path / "none"), "list")
    assert done.returncode == 2
    assert "make gpu-wheels" in done.stderr
