"""The table of ``crosschroma compress``: what each smaller form costs and is worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..metrics.printed import printed_reason
from ..tables.render import Cell, Column, Document, Grid, markdown

FASTER, LOSS_DB = 16.0, 0.5  # the aim: times as fast as the teacher, dB of PSNR below it
_MEGA, _GIGA = 1e6, 1e9


@dataclass(frozen=True, kw_only=True)
class CompressedRow:
    """One network.

    Attributes:
        name: ``teacher``, a student's recipe, or what was done to the teacher.
        how: the same in words.
        runtime: ``torch`` (eager, BatchNorm folded) or ``onnxruntime``.
        file: name of the file of weights; ``zipped_bytes`` is its size after zlib.
        parameters: all; ``nonzero`` of them are not 0.
        macs: multiply-accumulates for the picture that is timed, zeros included.
        ms: milliseconds for it, median.
        times_as_fast: median over the rounds of the first row's time over this one's.
        psnr_change: dB against the first row.
        lpips: LPIPS-alex.
        perceptual: mean over three layers of SqueezeNet of the squared length of the difference
            of the features, neither normalised nor weighted.
    """

    name: str
    how: str
    runtime: str
    file: str
    file_bytes: int
    zipped_bytes: int
    parameters: int
    nonzero: int
    macs: int
    ms: float
    ms_p10: float
    ms_p90: float
    times_as_fast: float
    psnr: float | None
    psnr_change: float | None
    ssim: float | None
    lpips: float | None
    perceptual: float | None

    @property
    def reaches_the_aim(self) -> bool:
        """Whether it is fast enough at a small enough loss."""
        change = self.psnr_change
        return self.times_as_fast >= FASTER and change is not None and change > -LOSS_DB


@dataclass(frozen=True, kw_only=True)
class Compression:
    """What ``compress`` measured, and on what; the first of ``rows`` is the teacher."""

    rows: list[CompressedRow]
    unavailable: Mapping[str, str]
    method: str
    recipe: str
    weights_sha256: str
    dataset: str
    protocol: str
    images: int
    view: str
    shape: str
    threads: int
    repeats: int
    finetune: int
    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    provenance: Mapping[str, Any]


def table(result: Compression) -> str:
    """The rows as Markdown, with what they were measured on."""
    heads = ("file (MB)", "zipped (MB)", "parameters (M)", "not 0 (M)", "GMAC", "ms", "times")
    scores = ("PSNR ↑ (dB)", "change (dB)", "SSIM ↑", "LPIPS ↓", "perceptual ↓")
    words = ("network", "what it is", "runtime")
    columns = [*map(Column, words), *(Column(head, numeric=True) for head in (*heads, *scores))]
    grid = Grid(
        heading=f"{result.method} and smaller forms of it",
        columns=columns,
        rows=[_cells(row) for row in result.rows],
        lines=[verdict(result)],
        notes=[f"{n}: n/a, {printed_reason(r)}" for n, r in result.unavailable.items()],
    )
    document = Document(
        name="compress",
        title=f"{result.recipe}, compressed",
        lines=[
            f"{result.images} test images of {result.dataset} ({result.protocol}), {result.view}. "
            f"Time: {result.shape}, {result.threads} thread(s), median of {result.repeats} rounds "
            f"in which the networks take turns, on {result.machine['cpu']}.",
        ],
        grids=[grid],
    )
    return markdown(document, runs_at=".", level=2)


def verdict(result: Compression) -> str:
    """Which rows reach the aim, in words."""
    reached = [row.name for row in result.rows if row.reaches_the_aim]
    aim = f"{FASTER:g} times as fast as the teacher at a loss below {LOSS_DB:g} dB"
    return f"{aim}: {', '.join(reached) if reached else 'none'}"


def _cells(row: CompressedRow) -> list[Cell]:
    sizes = [row.file_bytes / _MEGA, row.zipped_bytes / _MEGA]
    sizes += [row.parameters / _MEGA, row.nonzero / _MEGA, row.macs / _GIGA, row.ms]
    texts = [row.name, row.how, row.runtime, *(f"{value:.3g}" for value in sizes)]
    texts += [f"{row.times_as_fast:.2f}", _number(row.psnr, "{:.2f}")]
    texts += [_number(row.psnr_change, "{:+.2f}"), _number(row.ssim, "{:.3f}")]
    texts += [_number(row.lpips, "{:.4f}"), _number(row.perceptual, "{:.4g}")]
    return [Cell(text, bold=row.reaches_the_aim and index == 0) for index, text in enumerate(texts)]


def _number(value: float | None, form: str) -> str:
    return "n/a" if value is None else form.format(value)
