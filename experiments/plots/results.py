"""The plots of ``results/README.md``: a pure function of run files and saved validation curves.

Each SVG tells in its description the hash of its data and of the drawing's version, so that
``check_plots`` finds a stale one without drawing, whatever matplotlib is installed.
"""

from __future__ import annotations

import re
import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...datasets.base import split_lists
from ..artifacts.run_file import RunFile, canonical_sha256
from ..tables.load import load_results
from ..tables.rows import Row, comparable_groups
from . import figures, style
from .curves import Curve, load_curves

PLOTS, CURVES = "plots", "curves"
_TABLE, _UNSEEN = "vcip", "scene_disjoint"
_OUTPUTS = ("", "nir", "fused_nir")  # of a method that has several; the table has all


@dataclass(frozen=True)
class Plot:
    """A file under results/plots, the plain data in it, and what draws them."""

    name: str
    data: Mapping[str, Any]
    draw: Callable[[Mapping[str, Any]], Any]

    @property
    def about(self) -> str:
        """The text in the file by which it is known to be up to date."""
        digest = canonical_sha256([self.data, style.VERSION])
        return f"Drawn by `crosschroma plot` from {digest}"


def plots(results: Path) -> list[Plot]:
    """All plots for which ``results`` has data.

    Raises:
        UserError: no such folder, or a broken file in it.
    """
    runs = load_results(results).runs.get(_TABLE, {})
    drawings = []
    rows = _rows({name: run for name, run in runs.items() if _shown(run)})
    if rows:
        drawings.append(Plot("vcip_leak.svg", leak_data(rows), figures.leak))
        drawings.append(Plot("vcip_psnr_ae.svg", scatter_data(rows), figures.scatter))
    by_images: dict[str, list[Curve]] = defaultdict(list)
    for curve in load_curves(results / CURVES):
        by_images[curve.validated_on].append(curve)
    for images, curves in sorted(by_images.items()):
        name = re.sub(r"[^a-z0-9]+", "_", images.lower())
        drawings.append(Plot(f"curves_{name}.svg", curves_data(images, curves), figures.curves))
    return drawings


def write_plots(results: Path) -> list[Path]:
    """Draw the plots that are stale or missing, delete those that have no data; what changed."""
    expected = {results / PLOTS / plot.name: plot for plot in plots(results)}
    changed = [path for path, plot in expected.items() if not _fresh(path, plot)]
    for path in changed:
        style.save_figure(expected[path].draw(expected[path].data), path, expected[path].about)
    surplus = _surplus(results, expected)
    for path in surplus:
        path.unlink()
    return [*changed, *surplus]


def check_plots(results: Path) -> list[str]:
    """What ``write_plots`` would change, one text a file; empty when all is in order."""
    expected = {results / PLOTS / plot.name: plot for plot in plots(results)}
    stale = [
        f"{path}: {'drawn from other data' if path.exists() else 'missing'}; run `crosschroma plot`"
        for path, plot in expected.items()
        if not _fresh(path, plot)
    ]
    return stale + [
        f"{path}: no data give it; run `crosschroma plot`" for path in _surplus(results, expected)
    ]


def _fresh(path: Path, plot: Plot) -> bool:
    return path.is_file() and plot.about in path.read_text()


def _surplus(results: Path, expected: Mapping[Path, Plot]) -> list[Path]:
    return sorted(path for path in (results / PLOTS).glob("*.svg") if path not in expected)


def _shown(run: RunFile) -> bool:
    """Of rows by input NIR; what is given the true luminance is on another scale."""
    output = run.recipe.partition(":")[2]
    return run.status == "ok" and bool(run.rows) and run.domain == "nir" and output in _OUTPUTS


def _rows(runs: Mapping[str, RunFile]) -> list[Row]:
    """Rows of the table's first grid, seeds together, the best on unseen scenes first by kind."""
    groups = comparable_groups(runs)
    return groups[0].rows if groups else []


def _named(row: Row) -> dict[str, Any]:
    run = row.first
    seeds = f" ({len(row.runs)} seeds)" if len(row.runs) > 1 else ""
    return {
        "label": f"{run.recipe or run.method}{seeds}",
        "kind": run.kind,
        "protocol": run.protocol,
    }


def leak_data(rows: Sequence[Row]) -> dict[str, Any]:
    """PSNR of every method on every test image, by what the official training list has of it."""
    leaked, rest, unseen = (
        set(split_lists.read_split_list(f"vcip-test-{part}"))
        for part in ("leaked", "not-leaked", "scene-disjoint")
    )
    parts = {
        f"{len(leaked)} leaked images\nthe pair itself is in the official list": leaked,
        f"{len(rest - unseen)} same-scene images\nanother crop is in the list": rest - unseen,
        f"{len(unseen)} scene-disjoint images\nnothing of the scene is in it": unseen,
    }
    return {
        "panels": list(parts),
        "rows": [
            {**_named(row), "psnr": [_of_images(row, keys) for keys in parts.values()]}
            for row in rows
        ],
    }


def _of_images(row: Row, keys: set[str]) -> list[float]:
    """PSNR of each image by key, mean over seeds."""
    by_key: dict[str, list[float]] = defaultdict(list)
    for run in row.runs.values():
        for image in run.rows:
            psnr = image.get("PSNR")
            if image["key"] in keys and isinstance(psnr, float | int):
                by_key[str(image["key"])].append(psnr)
    return [round(statistics.fmean(values), 4) for _, values in sorted(by_key.items())]


def scatter_data(rows: Sequence[Row]) -> dict[str, Any]:
    """PSNR and AE of every method on the scene-disjoint images."""
    points = []
    for row in rows:
        psnr, ae = row.value(_UNSEEN, "PSNR"), row.value(_UNSEEN, "AE")
        if psnr and ae:
            points.append({**_named(row), "psnr": round(psnr.mean, 4), "ae": round(ae.mean, 4)})
    return {"points": points}


def curves_data(images: str, curves: Sequence[Curve]) -> dict[str, Any]:
    """Validation scores on the same images against the step."""
    return {"images": images, "curves": [asdict(curve) for curve in curves]}
