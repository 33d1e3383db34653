"""How the plots of results look: plain data in, a matplotlib figure out."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Mapping
from typing import Any

from ..metrics.printed import label, order
from .style import COLORS, load_pyplot

_WAY_OUT = "or look at results/tables"
_SMALL = 8
Box = tuple[float, float, float, float]  # left, low, right, high in pixels of the drawing
# what a method has seen is told by colour and by shape
_STYLES = {
    "clean": ("ours, trained without the test scenes (vcip-clean)", COLORS[0], "o"),
    "official": ("ours, trained on the official list", COLORS[2], "^"),
    "peer": ("peers, under the official protocol", COLORS[1], "s"),
    "baseline": ("no network", COLORS[-1], "D"),
}


def _style(row: Mapping[str, Any]) -> tuple[str, str, str]:
    if row["kind"] == "ours":
        return _STYLES["clean" if row["protocol"] == "vcip-clean" else "official"]
    return _STYLES[row["kind"]]


def leak(data: Mapping[str, Any]) -> Any:
    """A dot an image, a line a method, a pane for each thing the training list has of the image.

    Args:
        data: of ``results_plots.leak_data``.
    """
    rows = data["rows"]
    pyplot = load_pyplot(_WAY_OUT)
    figure, panes = pyplot.subplots(
        1, 3, sharex=True, sharey=True, figsize=(10, 1.5 + 0.27 * len(rows)), layout="constrained"
    )
    for index, (pane, title) in enumerate(zip(panes, data["panels"], strict=True)):
        for place, row in enumerate(rows):
            _strip(pane, place, row["psnr"][index], _style(row))
        pane.set_title(title, fontsize=9)
        pane.set_xlabel("PSNR (dB)", fontsize=9)
        pane.grid(axis="x", alpha=0.3)
        pane.tick_params(labelsize=_SMALL)
        pane.text(1.01, 1.0, "mean", transform=pane.transAxes, fontsize=7, va="bottom")
    panes[0].set_yticks(range(len(rows)), [row["label"] for row in rows])
    panes[0].set_ylim(len(rows) - 0.5, -0.5)
    _legend(figure, rows, columns=4)
    return figure


def _strip(pane: Any, place: int, values: list[float], style: tuple[str, str, str]) -> None:
    """A row of dots, spread a little so that none hides another, and a line at their mean."""
    if not values:
        return
    _, color, marker = style
    heights = [place + 0.4 * ((k * 0.618) % 1 - 0.5) for k in range(len(values))]
    mean = statistics.fmean(values)
    pane.scatter(values, heights, s=13, color=color, marker=marker, alpha=0.6, linewidth=0)
    pane.plot([mean, mean], [place - 0.4, place + 0.4], color="black", linewidth=1.4)
    where = pane.get_yaxis_transform()
    pane.text(1.01, place, f"{mean:.1f}", transform=where, fontsize=7, va="center")


def _legend(figure: Any, rows: list[Mapping[str, Any]], columns: int) -> None:
    from matplotlib.lines import Line2D

    used = {_style(row) for row in rows}
    handles = [
        Line2D([], [], linestyle="", color=color, marker=marker, markersize=5, label=label)
        for label, color, marker in _STYLES.values()
        if (label, color, marker) in used
    ]
    place = {"loc": "outside lower center", "fontsize": _SMALL, "frameon": False}
    figure.legend(handles=handles, ncols=columns, **place)


def scatter(data: Mapping[str, Any]) -> Any:
    """PSNR against the angle, the better the further up and right.

    Args:
        data: of ``results_plots.scatter_data``.
    """
    points = data["points"]
    pyplot = load_pyplot(_WAY_OUT)
    figure, pane = pyplot.subplots(figsize=(8, 5.5), layout="constrained")
    for point in points:
        _, color, marker = _style(point)
        pane.scatter(point["psnr"], point["ae"], s=36, color=color, marker=marker, zorder=3)
    pane.margins(0.12)
    pane.invert_yaxis()
    pane.set_xlabel("PSNR (dB), higher is better")
    pane.set_ylabel("AE (°), lower is better: the axis points down")
    pane.set_title("VCIP, mean over the 14 scene-disjoint test images", fontsize=10)
    pane.grid(alpha=0.3)
    _legend(figure, points, columns=2)
    figure.canvas.draw()  # the layout is known now, and with it what a label would cover
    _label(pane, points)
    return figure


def _label(pane: Any, points: list[Mapping[str, Any]]) -> None:
    """A name beside each point, where it covers no point and no other name."""
    spots = [pane.transData.transform((point["psnr"], point["ae"])) for point in points]
    occupied: list[Box] = [(x - 6, y - 6, x + 6, y + 6) for x, y in spots]
    frame = pane.get_window_extent()
    renderer = pane.figure.canvas.get_renderer()
    for point, (x, y) in zip(points, spots, strict=True):
        name = pane.text(0, 0, point["label"], fontsize=_SMALL)
        extent = name.get_window_extent(renderer)
        name.remove()
        box = _free(x, y, extent.width, extent.height, occupied, (*frame.min, *frame.max))
        occupied.append(box)
        left, low = ((a - b) * 72 / pane.figure.dpi for a, b in zip(box, (x, y), strict=False))
        gap = math.dist((x, y), (_within(x, box[0], box[2]), _within(y, box[1], box[3])))
        line = {
            "arrowstyle": "-",
            "color": COLORS[-1],
            "linewidth": 0.6,
            "shrinkA": 0,
            "shrinkB": 3,
        }
        pane.annotate(
            point["label"],
            (point["psnr"], point["ae"]),
            xytext=(left, low),
            textcoords="offset points",
            fontsize=_SMALL,
            va="bottom",
            arrowprops=line if gap > 12 else None,
        )


def _free(x: float, y: float, width: float, height: float, occupied: list[Box], frame: Box) -> Box:
    """The nearest box around (x, y) that touches no other and stays within ``frame``."""
    best, least = (x, y, x + width, y + height), math.inf
    for radius, turn in itertools.product((9, 16, 26, 38, 52, 70, 90), range(16)):
        across, up = math.cos(turn * math.pi / 8), math.sin(turn * math.pi / 8)
        left = x + radius * across - width * (1 - across) / 2
        low = y + radius * up - height * (1 - up) / 2
        box = (left, low, left + width, low + height)
        outside = box[0] < frame[0] or box[1] < frame[1] or box[2] > frame[2] or box[3] > frame[3]
        cost = 1000 * (sum(_touch(box, other) for other in occupied) + 10 * outside) + radius
        if cost < least:
            best, least = box, cost
    return best


def _within(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


def _touch(a: Box, b: Box) -> bool:
    """Whether two boxes overlap or are less than three pixels apart."""
    return a[0] < b[2] + 3 and b[0] < a[2] + 3 and a[1] < b[3] + 3 and b[1] < a[3] + 3


def curves(data: Mapping[str, Any]) -> Any:
    """Validation metrics against the optimisation step, a pane a metric, a line a run.

    Args:
        data: of ``results_plots.curves_data``.
    """
    runs = data["curves"]
    names = sorted({name for run in runs for name in run["metrics"]}, key=order)
    pyplot = load_pyplot(_WAY_OUT)
    figure, panes = pyplot.subplots(
        1, len(names), squeeze=False, figsize=(1 + 3.2 * len(names), 3.9), layout="constrained"
    )
    styles = itertools.product(("-", "--", ":"), zip(COLORS, "os^Dv*P", strict=True))
    for run, (line, (color, marker)) in zip(runs, styles, strict=False):
        look = {"color": color, "linestyle": line, "marker": marker, "markersize": 3.5}
        for pane, name in zip(panes[0], names, strict=True):
            if name in run["metrics"]:
                pane.plot(*zip(*run["metrics"][name], strict=True), label=_run_label(run), **look)
    for pane, name in zip(panes[0], names, strict=True):
        pane.set_title(label(name), fontsize=10)
        pane.set_xlabel("optimisation step", fontsize=9)
        pane.set_xlim(left=0)
        pane.grid(alpha=0.3)
        pane.tick_params(labelsize=_SMALL)
    shown: dict[str, Any] = {}
    for pane in panes[0]:
        shown |= dict(zip(*reversed(pane.get_legend_handles_labels()), strict=True))
    place = {"loc": "outside lower center", "ncols": 3, "fontsize": _SMALL, "frameon": False}
    figure.legend(list(shown.values()), list(shown), **place)
    figure.suptitle(f"Validation images: {data['images']}", fontsize=10)
    return figure


def _run_label(run: Mapping[str, Any]) -> str:
    """The run's folder and what a step of it sees."""
    return f"{run['run']} (batch {run['batch_size']})"
