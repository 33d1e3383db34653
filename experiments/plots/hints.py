"""The curve of hints as a picture."""

from __future__ import annotations

from pathlib import Path

from ..evaluation.hints_curve import PUBLISHED, PUBLISHED_LABEL, HintsCurve
from .style import COLORS, load_pyplot, save_figure


def plot_hints(curve: HintsCurve, out: Path) -> None:
    """PSNR against revealed points, with a band of one standard error; the published one beside it.

    Args:
        curve: what ``hints_curve`` measured.
        out: the picture, of a suffix that matplotlib knows.

    Raises:
        UserError: matplotlib is not installed, or does not know the suffix.
    """
    pyplot = load_pyplot("or leave --plot out")
    figure, pane = pyplot.subplots(figsize=(8, 5), layout="constrained")
    about = curve.about
    where = [point["points"] for point in curve.points]
    psnr = [point["PSNR"] for point in curve.points]
    low, high = (
        [point["PSNR"] + sign * point["standard_error"] for point in curve.points]
        for sign in (-1, 1)
    )
    label = f"{about['recipe']} on {about['dataset']} ({len(curve.rows)} images)"
    pane.plot(where, psnr, color=COLORS[0], marker="o", markersize=3, label=label)
    pane.fill_between(where, low, high, color=COLORS[0], alpha=0.2, linewidth=0)
    published = list(PUBLISHED.items())
    label = f"published: {PUBLISHED_LABEL}"
    pane.plot(*zip(*published, strict=True), color=COLORS[-1], linestyle="--", label=label)
    pane.set_xscale("symlog", linthresh=1)
    pane.set_xlim(left=0)
    ticks = [0, 1, 2, 5, 10, 20, 50, 100, 200, 500]
    pane.set_xticks(ticks, map(str, ticks))
    pane.minorticks_off()
    pane.set_xlabel(f"revealed points ({curve.square} x {curve.square} pixels each)")
    pane.set_ylabel("PSNR (dB), mean over images")
    pane.grid(alpha=0.3)
    pane.legend(loc="upper left", fontsize=8)
    save_figure(figure, out)
