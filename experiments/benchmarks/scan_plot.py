"""The scan benchmark as a picture."""

from __future__ import annotations

from pathlib import Path

from ..plots.style import COLORS, load_pyplot, save
from .scan import FORWARD, LOOP, STEP, STYLE, ScanBenchmark

_COLORS: dict[str, str] = dict(zip(("torch", "numba", "triton", "mamba_ssm"), COLORS, strict=False))


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
    save(figure, out)


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
    found = [c.timing.ratio for c in result.cells if (c.backend, c.work) == (name, work)]
    return found[0] if found and name not in (LOOP, STYLE) else None
