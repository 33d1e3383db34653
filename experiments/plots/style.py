"""What the plots share: matplotlib without a screen, and the same file for the same data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...datasets.base.errors import UserError

VERSION = 1  # of the drawings: raise it with a change that makes other pictures of the same data
# Paul Tol's bright scheme: told apart with any colour vision, and in gray by the order of lightness
COLORS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#888888")


def load_pyplot(way_out: str) -> Any:
    """``matplotlib.pyplot``, drawing into files.

    Args:
        way_out: what one may do without it, for the error.

    Raises:
        UserError: matplotlib is not installed.
    """
    try:
        import matplotlib

        matplotlib.use("agg")
        matplotlib.rcParams["svg.hashsalt"] = "crosschroma"  # the same figures, the same file
        from matplotlib import pyplot
    except ImportError as error:
        raise UserError(
            f"the plot needs matplotlib: pip install matplotlib (or crosschroma[dev]), {way_out}"
        ) from error
    return pyplot


def save_figure(figure: Any, out: Path, about: str = "") -> None:
    """Write a figure and close it.

    Args:
        figure: of ``load_pyplot``.
        out: the picture, of a suffix that matplotlib knows.
        about: kept in an SVG's description.

    Raises:
        UserError: the file cannot be written, or has a suffix that is not known.
    """
    from matplotlib import pyplot

    kept = {"Date": None, "Creator": None, "Description": about or None}
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(out, metadata=kept if out.suffix == ".svg" else None)
    except (ValueError, OSError) as error:
        raise UserError(f"cannot write the plot {out}: {error}") from error
    finally:
        pyplot.close(figure)
