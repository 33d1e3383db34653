"""The stages of ``bench gpu``: their commands, their shares of the time, what they have to say."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ...datasets.base.errors import UserError
from .. import recipe_list
from .scan import SHAPES

REPORT_S = 15.0  # the last weights are packed, the table printed
KEPT = 0.45  # of all time: for trainings, whatever the stages before them take
_ROOT = Path(__file__).resolve().parents[2]
_TESTS = _ROOT / "tests"
_ON_GPU = re.compile(r"mark\.gpu|\bdevice: torch\.device|\bcuda: torch\.device")
# around a training: imports, data, kernels chosen; then validation, a checkpoint, the scores
_AROUND_S = 60.0
_LEAST_TRAINING_S = 45.0
_SCORES_S = 25.0
_ENOUGH_S = 240.0  # the first training has so much before others have any
_TEST_PROCESSES = 8
_REHEARSED_S = 600.0  # a rehearsal may be on a busy machine
# by time; the others at their full length, in this order, while there is time
BY_TIME = "colormamba_vcip"
_NIR, _GRAY = "encoder_unet_vcip_chord", "encoder_unet_imagenet_sample"
WHOLE = ("unet_vcip", "pix2pix_vcip", _NIR, _GRAY, "cocolor_vcip_nir_frozen")


@dataclass(frozen=True, kw_only=True)
class GpuStage:
    """A step of ``bench gpu``.

    Attributes:
        commands: by the seconds that it has, the words of its processes, one after the other.
        most_s: seconds that it is given at most.
        share: of the time that is left, which it is given at most.
        enough_s: seconds that it is given whatever its share is, where there are so many.
        least_s: with fewer it is not begun.
        last_s: of its seconds, those that its last command has for itself.
        figures: what its results in a folder say.
        run: folder of the run that it trains.
        missing: what it cannot do without and is not there, in words; else "".
    """

    name: str
    commands: Callable[[float], list[list[str]]]
    figures: Callable[[Path], str]
    most_s: float = float("inf")
    share: float = 1.0
    enough_s: float = 0.0
    least_s: float = 5.0
    last_s: float = 0.0
    run: Path | None = None
    missing: Callable[[], str] = str

    def limit(self, left_s: float, kept_s: float = 0.0) -> float:
        """Seconds for it, of those that are left but those kept for trainings."""
        free = left_s if self.run else left_s - kept_s
        return min(self.most_s, max(self.share * free, min(free, self.enough_s)))


def gpu_stages(
    out: Path, runs: Path, rehearse: bool, encoder_weights: Path | None = None
) -> list[GpuStage]:
    """All stages, in order.

    Args:
        out: folder of their results.
        runs: folder of the trained runs.
        rehearse: on the CPU, in small.
        encoder_weights: file of the pretrained encoder.
    """
    measured = _small(out) if rehearse else _whole(out)
    return [_tests(rehearse), *measured, *_trainings(out, runs, rehearse, encoder_weights)]


def _whole(out: Path) -> list[GpuStage]:
    cuda = ("--device", "cuda")
    shapes = sorted((shape.name for shape in SHAPES), key=lambda name: "ColorMamba" not in name)
    scan = (*cuda, "--repeats", "7", "--plot", "None", "--shapes", *shapes)
    return [
        _bench("scan", _of_scan, *scan, out=out, most_s=70),
        _bench("step", _of_step, *cuda, out=out, most_s=40),
        _bench("network", _of_network, *cuda, "--design", "paper", out=out, most_s=40),
        _bench("train", _of_train, *cuda, "--workers", "0", "--repeats", "5", out=out, most_s=40),
        _bench(
            "colorize", _of_colorize, *cuda, "--compiling", "--repeats", "7", out=out, most_s=80
        ),
        _bench("kernels", _of_kernels, out=out, most_s=40),
    ]


def _small(out: Path) -> list[GpuStage]:
    once = ("--repeats", "1")
    small = ("--design", "small", "--size", "64")
    pictures = ("--runs", "encoder_unet_nir_epfl", "--batches", "1", "2", "--size", "32")
    step = ("--smoke", "--steps", "1", "--recipe", "unet_scenes_nir")
    bench = partial(_bench, out=out, most_s=_REHEARSED_S)
    return [
        bench("scan", _of_scan, "--shapes", "tiny", "--plot", "None", *once),
        bench("step", _of_step, *step),
        bench("network", _of_network, *small, *once),
        bench("train", _of_train, "--smoke", "--turn", "1", *once),
        bench("colorize", _of_colorize, *pictures, *once),
        bench("kernels", _of_kernels, "--shapes", "1,64,1,1024"),
    ]


def _tests(rehearse: bool) -> GpuStage:
    """All that ask for a GPU; without one they are collected and skipped."""
    words = [sys.executable, "-m", "pytest", "-m", "gpu", "-v", "-p", "no:cacheprovider"]
    words += ["--continue-on-collection-errors", "--rootdir", str(_ROOT)]
    if not rehearse and importlib.util.find_spec("xdist"):
        words += ["-n", str(_TEST_PROCESSES)]
    return GpuStage(
        name="tests",
        commands=lambda _: [[*words, *map(str, gpu_tests())]],
        figures=_of_tests,
        most_s=_REHEARSED_S if rehearse else 150,
        share=0.4,
    )


def gpu_tests() -> list[Path]:
    """The files of tests that ask for a GPU; others may import what a bare machine lacks."""
    return [path for path in sorted(_TESTS.rglob("test_*.py")) if _ON_GPU.search(path.read_text())]


def _bench(
    task: str, figures: Callable[[Any], str], *options: str, out: Path, most_s: float
) -> GpuStage:
    path = out / f"gpu_{task}.json"
    words = _crosschroma("bench", task, "--out", str(path), *options)
    return GpuStage(
        name=task,
        commands=lambda _: [words],
        figures=lambda _: figures(json.loads(path.read_text())),
        most_s=most_s,
        share=0.5,
    )


def _trainings(
    out: Path, runs: Path, rehearse: bool, encoder_weights: Path | None
) -> list[GpuStage]:
    if rehearse:
        return [
            _training("unet_scenes_nir", out, runs, rehearse, by_time=True),
            _training("pix2pix_scenes_gray", out, runs, rehearse),
        ]
    first = _training(BY_TIME, out, runs, rehearse, by_time=True)
    started = ["--method.nir-start", str(runs / _NIR)]
    started += ["--method.gray-start", str(runs / _GRAY / "last.pt")]
    pretrained = ["--method.encoder-weights", str(encoder_weights)] if encoder_weights else []
    options = {_NIR: pretrained, _GRAY: pretrained, WHOLE[-1]: started}
    whole = (_training(name, out, runs, rehearse, options.get(name, [])) for name in WHOLE)
    return [first, *whole]


def _training(
    recipe: str,
    out: Path,
    runs: Path,
    rehearse: bool,
    options: Sequence[str] = (),
    by_time: bool = False,
) -> GpuStage:
    run = runs / recipe
    row = out / "runs" / f"{recipe}.json"

    def commands(limit_s: float) -> list[list[str]]:
        words = ["train", recipe, "--run-dir", str(run), "--overwrite", *options]
        if rehearse:
            words += ["--hardware.accelerator", "cpu", "--hardware.workers", "0"]
            words += ["--training.validate-every", "0", "--training.batch-size", "2"]
            words += ["--training.minutes", "0.02"] if by_time else ["--training.steps", "2"]
        else:
            words += ["--hardware.workers", "12", "--hardware.cache", str(runs / "cache")]
            words += ["--training.checkpoint-every", "0"]
            minutes = max(limit_s - _AROUND_S, _LEAST_TRAINING_S / 2) / 60
            words += ["--training.minutes", f"{minutes:.2f}"] if by_time else []
        device = "cpu" if rehearse else "cuda"
        metrics = ["--metrics", "PSNR", "AE"] if rehearse else []
        scored = ["evaluate", str(run), "--json", str(row), "--device", device, *metrics]
        return [_crosschroma(*words), _crosschroma(*scored)]

    return GpuStage(
        name=f"train_{recipe}",
        commands=commands,
        figures=lambda _: _of_row(json.loads(row.read_text())),
        share=0.55 if by_time else 1.0,
        enough_s=_ENOUGH_S if by_time else 0.0,
        least_s=5.0 if rehearse else _AROUND_S + _LEAST_TRAINING_S,
        last_s=_SCORES_S,
        run=run,
        missing=partial(_missing, recipe),
    )


def _missing(recipe: str) -> str:
    """What is wrong with a recipe's data, in words."""
    try:
        data = recipe_list.load_recipe(recipe).data
        for split in ("train", "test"):
            data.split(split)
    except UserError as error:
        return str(error)
    return ""


def _crosschroma(*words: str) -> list[str]:
    return [sys.executable, "-m", "crosschroma", *words]


def _of_tests(out: Path) -> str:
    """Pytest's own count; where it was ended before that, the lines of its tests."""
    text = (out / "tests.log").read_text()
    if ends := re.findall(r"\d+ (?:passed|failed|skipped|errors?)\b.* in [\d.]+s", text):
        return ends[-1]
    words = re.findall(r"(?m)^\S*(?:::|gw\d).* (PASSED|FAILED|ERROR|SKIPPED)\b", text)
    return ", ".join(f"{n} {word.lower()}" for word, n in Counter(words).items()) or "no count"


def _of_kernels(result: Any) -> str:
    kernels = result["kernels"]
    spilled = [kernel["name"] for kernel in kernels if kernel["spilled"]]
    return f"{len(kernels)} kernels; " + (
        f"spilling: {', '.join(spilled)}" if spilled else "no spill"
    )


def _of_scan(result: Any) -> str:
    parts = []
    for shape in result["results"]:
        for cell in shape["cells"]:
            if cell["backend"] == "triton":
                reference = shape["reference"][cell["work"]]
                ratio = cell["timing"]["ratio"]
                parts.append(f"{shape['shape']['name']} {cell['work']} {ratio:g} x {reference}")
    return "; ".join(parts) or f"{len(result['results'])} shapes, no triton"


def _of_network(result: Any) -> str:
    return ", ".join(f"{work} {cost:g} x scan left out" for work, cost in result["cost"].items())


def _of_train(result: Any) -> str:
    return "; ".join(
        f"{recipe} " + ", ".join(f"{name} {cost:g}" for name, cost in costs.items())
        for recipe, costs in result["cost"].items()
    )


def _of_step(result: Any) -> str:
    return (
        f"{result['recipe']} {result['step_ms']:g} ms, gaps {result['gap_share']:.0%}, "
        f"scan {result['scan_share']:.0%}"
    )


def _of_colorize(result: Any) -> str:
    return "; ".join(
        f"{run} " + ", ".join(f"{batch}: {max(s.values()):g}/s" for batch, s in speeds.items())
        for run, speeds in result["pictures_per_s"].items()
    )


def _of_row(row: Any) -> str:
    scores = ", ".join(
        f"{name} {value:.2f}"
        for name, value in row["summary"]["all"].items()
        if name in ("PSNR", "AE") and value is not None
    )
    return f"{row['steps']} steps in {row['wall_s']['train']:.0f} s: {scores}"
