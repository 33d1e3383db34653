"""The curve of hints as a picture."""

from __future__ import annotations

from pathlib import Path

from ..datasets.errors import UserError
from .hints_curve import PUBLISHED, PUBLISHED_LABEL, HintsCurve


def plot_hints(curve: HintsCurve, out: Path) -> None:
    """PSNR against revealed points, with a band of one standard error; the published one beside it.

    Args:
        curve: what ``hints_curve`` measured.
        out: the picture, of a suffix that matplotlib knows.

    Raises:
        UserError: matplotlib is not installed, or does not know the suffix.
    """
    try:
        import matplotlib

        matplotlib.use("agg")
        matplotlib.rcParams["svg.hashsalt"] = "crosschroma"  # the same figures, the same file
        from matplotlib import pyplot
    except ImportError as error:
        raise UserError(
            "the plot needs matplotlib: pip install matplotlib (or crosschroma[dev]), "
            "or leave --plot out"
        ) from error
    figure, pane = pyplot.subplots(figsize=(8, 5), layout="constrained")
    about = curve.about
    where = [point["points"] for point in curve.points]
    psnr = [point["PSNR"] for point in curve.points]
    low, high = (
        [point["PSNR"] + sign * point["standard_error"] for point in curve.points]
        for sign in (-1, 1)
    )
    label = f"{about['recipe']} on {about['dataset']} ({len(curve.rows)} images)"
    pane.plot(where, psnr, color="#4477aa", marker="o", markersize=3, label=label)
    pane.fill_between(where, low, high, color="#4477aa", alpha=0.2, linewidth=0)
    published = list(PUBLISHED.items())
    label = f"published: {PUBLISHED_LABEL}"
    pane.plot(*zip(*published, strict=True), color="#888888", linestyle="--", label=label)
    pane.set_xscale("symlog", linthresh=1)
    pane.set_xlim(left=0)
    ticks = [0, 1, 2, 5, 10, 20, 50, 100, 200, 500]
    pane.set_xticks(ticks, map(str, ticks))
    pane.minorticks_off()
    pane.set_xlabel(f"revealed points ({curve.square} x {curve.square} pixels each)")
    pane.set_ylabel("PSNR (dB), mean over images")
    pane.grid(alpha=0.3)
    pane.legend(loc="upper left", fontsize=8)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(out, metadata={"Date": None} if out.suffix == ".svg" else None)
    except (ValueError, OSError) as error:
        raise UserError(f"cannot write the plot {out}: {error}") from error
    finally:
        pyplot.close(figure)
