"""What the scan benchmark measured, as a table and as a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from ...models.scan.selective_scan import DIRECTIONS, Direction
from ..evaluation.timing import Timing
from ..plots.style import COLORS, load_pyplot, save_figure

LOOP, STYLE = "reference", "loop, mamba-ssm's style"
YARDSTICK = "C++"
FORWARD, STEP = "forward", "forward+backward"
_COLORS: dict[str, str] = dict(zip(("torch", "numba", "triton", "mamba_ssm"), COLORS, strict=False))


@dataclass(frozen=True, kw_only=True)
class ScanShape:
    """One problem: ``batch`` images of ``height`` x ``width`` pixels and ``channels`` channels."""

    name: str
    batch: int = 1
    height: int = 1
    width: int
    channels: int
    states: int = 16
    directions: tuple[Direction, ...] = DIRECTIONS

    @property
    def text(self) -> str:
        """For heads of tables."""
        return (
            f"{self.name}: {self.batch} x {self.height} x {self.width}, {self.channels} channels, "
            f"{self.states} states, {len(self.directions)} directions"
        )

    @property
    def loop_bytes(self) -> int:
        """About what autograd of the loop keeps: five float32 tensors of every state."""
        steps = self.batch * self.height * self.width * len(self.directions)
        return 5 * 4 * steps * self.channels * self.states


@dataclass(frozen=True, kw_only=True)
class ScanTiming:
    """One backend on one shape, one pass.

    Attributes:
        timing: seconds; ratio to the shape's reference.
        peak_mb: memory beyond the inputs at its highest, result and gradients included; None
            where the system does not tell.
        error: largest error of the result (forward) or of any gradient (forward+backward),
            relative to the largest value of that tensor, against the loop in float64; None where
            the loop would not fit.
    """

    backend: str
    work: str
    timing: Timing
    peak_mb: float | None
    error: float | None


@dataclass(frozen=True, kw_only=True)
class ShapeResult:
    """All backends on a shape; ``skipped`` says what was not run, and why."""

    shape: ScanShape
    reference: dict[str, str]
    cells: list[ScanTiming]
    skipped: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class ScanBenchmark:
    """What ``bench_scan`` measured, and on what."""

    results: list[ShapeResult]
    targets: dict[str, dict[str, tuple[float, float]]]
    unavailable: dict[str, str]
    device: str
    unit: str
    dtype: str
    repeats: int
    machine: dict[str, Any]
    versions: dict[str, str]

    def __rich__(self) -> Table:
        """The figures as a table, for ``rich.print``."""
        heads = ("shape", "pass", "backend", "ms", "ratio", "of C++ forward", "peak MB", "error")
        table = Table(*heads, title=self.unit, caption=f"{self.device}; {self.machine['cpu']}")
        for result in self.results:
            yardstick = next((c.timing for c in result.cells if c.backend == YARDSTICK), None)
            for cell in result.cells:
                times = cell.timing.median / yardstick.median if yardstick else None
                table.add_row(
                    result.shape.name,
                    cell.work,
                    cell.backend,
                    f"{1e3 * cell.timing.median:.2f}",
                    f"{cell.timing.ratio:.1f}",
                    "" if times is None else f"{times:.2f}",
                    "" if cell.peak_mb is None else f"{cell.peak_mb:.0f}",
                    "" if cell.error is None else f"{cell.error:.0e}",
                )
            for name, reason in result.skipped.items():
                table.add_row(result.shape.name, "", name, reason)
            table.add_section()
        return table


def plot_scan(result: ScanBenchmark, out: Path) -> None:
    """Bars of how many times faster than the reference, by shape; a bar chart for each pass.

    Args:
        result: what ``bench_scan`` measured.
        out: the picture, of a suffix that matplotlib knows.

    Raises:
        UserError: matplotlib is not installed, or does not know the suffix.
    """
    pyplot = load_pyplot("or give --plot None")
    figure, panes = pyplot.subplots(2, 1, figsize=(10, 7), layout="constrained")
    for pane, work in zip(panes, (FORWARD, STEP), strict=True):
        _bars(pane, result, work)
    figure.suptitle(f"Selective scan, {result.device}, one thread: times faster than the reference")
    save_figure(figure, out)


def _bars(pane, result: ScanBenchmark, work: str) -> None:
    names = [name for name in _COLORS if any(_ratio(r, name, work) for r in result.results)]
    width = 0.8 / max(len(names), 1)
    for offset, name in enumerate(names):
        places = [place + offset * width for place in range(len(result.results))]
        heights = [_ratio(shape, name, work) or 0 for shape in result.results]
        bars = pane.bar(places, heights, width, label=name, color=_COLORS[name])
        pane.bar_label(bars, [f"{h:.0f}" if h else "" for h in heights], fontsize=8)
    middle = (len(names) - 1) * width / 2
    labels = [
        r.shape.name + ("" if r.reference[work] == LOOP else f"\n(over {r.reference[work]})")
        for r in result.results
    ]
    pane.set_xticks([place + middle for place in range(len(labels))], labels, fontsize=8)
    pane.set_yscale("log")
    pane.set_ylabel(work)
    pane.axhline(1, color="black", linewidth=0.8)
    pane.legend(loc="upper right", fontsize=8)


def _ratio(result, name: str, work: str) -> float | None:
    ratios = [c.timing.ratio for c in result.cells if (c.backend, c.work) == (name, work)]
    return ratios[0] if ratios and name not in (LOOP, STYLE, YARDSTICK) else None
