"""What a GPU is wanted for, rehearsed on the CPU; and that a bare machine can run it."""

from __future__ import annotations

import functools
import importlib
import json
import os
import re
import shlex
import subprocess
import sys
import sysconfig
import time
import tomllib
from collections.abc import Sequence
from importlib import metadata
from itertools import chain
from pathlib import Path
from zipfile import ZipFile

import pytest
import torch
import tyro
from crosschroma.datasets.base.errors import UserError
from crosschroma.experiments import cli
from crosschroma.experiments.benchmarks import bare_machine, gpu
from crosschroma.experiments.benchmarks.gpu import SUMMARY, bench_gpu, run_process
from crosschroma.experiments.benchmarks.gpu_stages import KEPT, REPORT_S, gpu_stages, gpu_tests
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
        *("tests", "scan", "step", "network", "train", "colorize", "kernels")
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
    assert written["files"] == ["unet_scenes_nir.safetensors", "pix2pix_scenes_gray.safetensors"]
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


def test_trainings_have_their_time_whatever_the_others_take(tmp_path: Path) -> None:
    """In nine minutes, were every stage before them to take all that it may."""
    left, seconds = 60 * 9 - REPORT_S, {}
    for stage in gpu_stages(tmp_path, tmp_path / "runs", rehearse=False):
        seconds[stage.name] = stage.limit(left, KEPT * 60 * 9)
        left -= seconds[stage.name]
    assert min(seconds[name] for name in ("tests", "scan")) >= 60
    assert seconds["train_colormamba_vcip"] == 240
    assert left >= 0


def test_missing_data_are_named_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CROSSCHROMA_DATA", str(tmp_path / "nowhere"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(gpu, "device_name", lambda _: "a GPU")
    ran = []

    def runner(words: Sequence[str], log: Path, limit_s: float) -> tuple[str, float]:
        ran.append(log.stem)
        assert "train_unet_vcip will not run:" in capsys.readouterr().out
        log.write_text("2 skipped in 0.1s\n")
        return "ok", 0.0

    stages = ("tests", "train_unet_vcip")
    result = bench_gpu(tmp_path / "out", stages=stages, runner=runner)
    assert ran == ["tests"]
    assert [stage.status for stage in result.stages] == ["ok", "not run"]
    assert "nowhere" in result.stages[1].figures


def test_weights_are_there_as_soon_as_they_are_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where scoring failed; weights of before are not taken for them."""
    monkeypatch.chdir(tmp_path)
    out, runs = tmp_path / "out", tmp_path / "runs"

    def trained(words: Sequence[str], log: Path, limit_s: float) -> tuple[str, float]:
        log.write_text("no scores\n")
        return ("failed", 1.0) if words[3] == "evaluate" else here(words, log, limit_s)

    def broken(words: Sequence[str], log: Path, limit_s: float) -> tuple[str, float]:
        assert (out / "unet_scenes_nir.safetensors").is_file()
        log.write_text("no GPU\n")
        return "failed", 1.0

    stages = ("train_unet_scenes_nir", "train_pix2pix_scenes_gray")
    options = {"runs": runs, "rehearse": True, "minutes": 60}
    first = bench_gpu(out, stages=stages[:1], runner=trained, **options)
    assert first.stages[0].status == "failed"
    assert first.files == ["unet_scenes_nir.safetensors"]
    last = bench_gpu(out, stages=stages, runner=broken, **options)
    assert {stage.status for stage in last.stages} == {"failed"}
    assert last.files == []


@pytest.mark.parametrize(
    ("text", "figures"),
    [
        (
            "a.py::b PASSED\nSKIPPED [2] a.py: no\n== 3 passed, 2 skipped in 3.10s ==\n",
            "3 passed, 2 skipped in 3.10s",
        ),
        (
            "a.py::b[c d] PASSED [ 5%]\na.py::c FAILED [ 9%]\na.py::d PASSED [ 9%]\n",
            "2 passed, 1 failed",
        ),
        ("[gw0] [ 5%] PASSED a.py::b \n[gw12] [ 6%] ERROR a.py::c \n", "1 passed, 1 error"),
        ("collecting\n", "no count"),
    ],
)
def test_tests_are_counted_as_far_as_they_came(text: str, figures: str, tmp_path: Path) -> None:
    (tmp_path / "tests.log").write_text(text)
    assert gpu_stages(tmp_path, tmp_path, rehearse=True)[0].figures(tmp_path) == figures


@pytest.mark.parametrize("end", ["", "time.sleep(60)", "raise SystemExit(1)"])
def test_nothing_that_a_process_started_outlives_it(end: str, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    code = f"""
import pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
pathlib.Path({str(pid)!r}).write_text(str(child.pid))
{end}
"""
    run_process([sys.executable, "-c", code], tmp_path / "log", 5.0)
    for _ in range(100):
        if not Path(f"/proc/{pid.read_text()}/cmdline").read_bytes():
            return  # ended; its parent's parent has not looked yet
        time.sleep(0.1)
    raise AssertionError


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


# what a machine with a GPU is taken to have; `make gpu-wheels` brings the rest that is wanted
AT_HAND = {
    *("torch", "torchvision", "timm", "opencv-python-headless", "einops", "tensorboard", "rich"),
    *("numba", "numpy", "pillow", "safetensors", "huggingface_hub", "pytest", "scikit-image"),
    "triton",
}
# a finder that knows some packages no more
HIDING = """
import importlib.machinery, sys
class Some(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] in HIDDEN:
            return None
        return super().find_spec(name, path, target)
sys.meta_path = [
    Some if finder is importlib.machinery.PathFinder else finder for finder in sys.meta_path
]
"""


def missing_modules() -> set[str]:
    """What the project's packages install, but not those at hand or of `make gpu-wheels`."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    wanted = chain(project["dependencies"], *project["optional-dependencies"].values())
    names = {re.split(r"[^\w-]", text)[0] for text in wanted}
    makefile = (REPOSITORY / "Makefile").read_text().replace("\\\n", " ")
    [carried] = re.findall(r"^GPU_PACKAGES := (.*)$", makefile, re.MULTILINE)
    hidden = names - AT_HAND - set(carried.split()) - {"crosschroma"}
    assert {"av", "imagecodecs", "onnxruntime"} <= hidden
    assert not {"tyro", "lightning-fabric", "lpips"} & hidden
    modules = metadata.packages_distributions()
    return {module for module, owners in modules.items() if hidden & set(owners)}


@pytest.mark.slow
def test_a_bare_machine_rehearses(tmp_path: Path) -> None:
    """The very command of `make gpu`, every stage in its process, with the packages of there."""
    script = REPOSITORY / "experiments" / "benchmarks" / "bare_machine.py"
    out = tmp_path / "out"
    hiding = tmp_path / "hiding"
    hiding.mkdir()
    (hiding / "sitecustomize.py").write_text(f"HIDDEN = {missing_modules()!r}\n{HIDING}")
    words = ["bench", "gpu", "--rehearse", "--minutes", "60", "--out", str(out)]
    words += ["--runs", str(tmp_path / "runs")]
    done = subprocess.run(
        [sys.executable, "-P", str(script), *words],
        env={**os.environ, "PYTHONPATH": str(hiding)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    written = json.loads((out / SUMMARY).read_text())
    assert {stage["status"] for stage in written["stages"]} == {"ok"}, written
    assert re.match(r"\d{3} skipped in", written["stages"][0]["figures"]), written


def test_packages_that_python_has_are_not_taken_from_the_wheels(tmp_path: Path) -> None:
    for name, module in (("numpy-9.9", "numpy"), ("own_thing-1.0", "own_thing")):
        with ZipFile(tmp_path / f"{name}-py3-none-any.whl", "w") as file:
            info = f"{name}.dist-info"
            about = "Metadata-Version: 2.1\nName: {}\nVersion: {}\n".format(*name.split("-"))
            file.writestr(f"{module}.py", "own = True\n")
            file.writestr(f"{info}/METADATA", about)
            file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
            file.writestr(f"{info}/RECORD", "")
    environment = bare_machine.make_importable(tmp_path / "made", tmp_path)
    packages = tmp_path / "made" / "packages"
    assert {path.name for path in packages.glob("*.py")} == {"own_thing.py"}
    assert environment["PYTHONPATH"].endswith(str(packages))
    assert environment["HF_HUB_OFFLINE"] == "1"


def test_wheels_that_are_not_there_are_named(tmp_path: Path) -> None:
    script = REPOSITORY / "experiments" / "benchmarks" / "bare_machine.py"
    done = bare(str(script), "--wheels", str(tmp_path / "none"), "list")
    assert done.returncode == 2
    assert "make gpu-wheels" in done.stderr
