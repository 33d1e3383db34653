"""Size, work, time and quality of networks that do the same."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import cast

import torch
from torch import Tensor, nn

from ...datasets.base.adapter import Source
from ...datasets.base.batch import Batch
from ...datasets.base.color import AB_SCALE
from ...datasets.base.errors import UserError
from ...datasets.loading.loader import Images
from ...datasets.loading.views import EvalView
from ...losses.perceptual import PerceptualLoss
from ...models.base.domain import DomainName, output_to_rgb
from ..artifacts.checkpoint import Trained
from ..evaluation.cost import macs
from ..evaluation.evaluate import evaluate
from ..evaluation.timing import Timing, race, torch_threads
from ..inference.exported_file import load_exported
from ..inference.fold_batchnorm import folded
from ..metrics.scorer import eight_bits
from .compress_table import CompressedRow
from .export import inference_colors

METRICS = ("PSNR", "SSIM", "LPIPS-alex")
PERCEPTUAL = "perceptual"
_BACKBONE = "squeezenet1_0"


@dataclass(frozen=True, kw_only=True)
class Form:
    """A network to measure.

    Attributes:
        name: of its row.
        how: what was done to it, in words.
        runtime: ``torch`` or ``onnxruntime``.
        file: its weights.
        network: B1HW in [0,1] to ab in CIE units or RGB in [0,1], of the same size; on the CPU.
        counted: the float network whose parameters and operations are counted.
        domain: ``gray`` or ``nir``.
    """

    name: str
    how: str
    runtime: str
    file: Path
    network: Callable[[Tensor], Tensor]
    counted: nn.Module
    domain: str


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """Rows in the order of the forms, metrics that are n/a with reasons, shape that was timed."""

    rows: list[CompressedRow]
    unavailable: dict[str, str]
    shape: str


def torch_form(name: str, how: str, trained: Trained, file: Path) -> Form:
    """A trained network in eager mode, BatchNorm folded; ``file`` holds its weights."""
    colors = inference_colors(trained.method)
    example = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    network = folded(colors, example)
    domain = colors.domain
    return Form(
        name=name,
        how=how,
        runtime="torch",
        file=file,
        network=network,
        counted=colors,
        domain=domain,
    )


def exported_form(name: str, how: str, trained: Trained, file: Path) -> Form:
    """An ONNX file of a trained network."""
    colors = inference_colors(trained.method)
    return Form(
        name=name,
        how=how,
        runtime="onnxruntime",
        file=file,
        network=load_exported(file),
        counted=colors,
        domain=colors.domain,
    )


@torch.no_grad()
def measure(
    forms: Sequence[Form], source: Source, view: EvalView, size: int, count: int, repeats: int
) -> Measurement:
    """Measure every form; the first is the reference for time and PSNR.

    Args:
        forms: networks for one domain.
        source: test images.
        view: their geometry.
        size: side of the picture that is timed, one at a time.
        count: threads of torch; ONNX Runtime has those that torch had when its file was loaded.
        repeats: rounds that are timed, in which the forms take turns.
    """
    picture = _picture(Images(source, view)[0][cast(DomainName, forms[0].domain)][None], size)
    with torch_threads(count):
        calls = {form.name: partial(form.network, picture) for form in forms}
        raced = race(calls, repeats, reference=forms[0].name, clock=time.perf_counter)
    timings = {timing.name: timing for timing in raced}
    perceptual, missing = _perceptual()
    rows: list[CompressedRow] = []
    unavailable = {PERCEPTUAL: missing} if missing else {}
    for form in forms:
        scores, reasons = _quality(form, source, view, perceptual)
        unavailable |= reasons
        reference = rows[0].psnr if rows else scores["PSNR"]
        rows.append(_row(form, picture, timings[form.name], scores, reference))
    return Measurement(rows=rows, unavailable=unavailable, shape=f"1x1x{size}x{size}")


def _picture(plane: Tensor, size: int) -> Tensor:
    return torch.nn.functional.interpolate(plane, size=(size, size), mode="bilinear")


def _row(
    form: Form, picture: Tensor, timing: Timing, scores: dict[str, float | None], psnr: float | None
) -> CompressedRow:
    data = form.file.read_bytes()
    parameters = [p for p in form.counted.parameters()]
    score = scores["PSNR"]
    return CompressedRow(
        name=form.name,
        how=form.how,
        runtime=form.runtime,
        file=form.file.name,
        file_bytes=len(data),
        zipped_bytes=len(zlib.compress(data, 6)),
        parameters=sum(p.numel() for p in parameters),
        nonzero=sum(int(p.count_nonzero()) for p in parameters),
        macs=macs(form.counted, picture),
        ms=1000 * timing.median,
        ms_p10=1000 * timing.p10,
        ms_p90=1000 * timing.p90,
        times_as_fast=timing.ratio,
        psnr=score,
        psnr_change=None if score is None or psnr is None else round(score - psnr, 4),
        ssim=scores["SSIM"],
        lpips=scores["LPIPS-alex"],
        perceptual=scores[PERCEPTUAL],
    )


def _quality(
    form: Form, source: Source, view: EvalView, perceptual: PerceptualLoss | None
) -> tuple[dict[str, float | None], dict[str, str]]:
    distances: list[float] = []

    def colorize(batch: Batch) -> Tensor:
        domain = cast(DomainName, form.domain)
        output = form.network(batch[domain])
        # as the network puts it out: output_to_rgb keeps the luminance and fits colours into sRGB
        output = output / AB_SCALE if domain == "gray" else 2 * output - 1
        rgb_hat = output_to_rgb(domain, output, batch)
        if perceptual is not None:
            pair = (eight_bits(rgb).float() for rgb in (rgb_hat, batch["rgb"]))
            by_layer = perceptual.distances(*pair)
            distances.append(fmean(float(value) for value in by_layer.values()))
        return rgb_hat

    evaluation = evaluate(colorize, source, view, metrics=METRICS, batch_size=1, title=form.name)
    scores = {name: evaluation.summary["all"].get(name) for name in METRICS}
    scores[PERCEPTUAL] = fmean(distances) if distances else None
    return scores, dict(evaluation.unavailable)


def _perceptual() -> tuple[PerceptualLoss | None, str]:
    """The mean over layers of the squared length of the features' difference, or why not."""
    loss = PerceptualLoss(_BACKBONE, distance="squared_l2")
    try:
        loss.load()
    except UserError as error:
        return None, str(error)
    return loss, ""
