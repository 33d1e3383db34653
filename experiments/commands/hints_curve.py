"""``crosschroma hints-curve``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from rich.console import Console
from rich.table import Table

from ...datasets.base.outputs import JsonOutput, PlotOutput

if TYPE_CHECKING:
    from ..evaluation.hints_curve import HintsCurve

from ...datasets.base.bounds import Checked, Count, Natural, Seed
from ...datasets.base.typed_values import Bound


@dataclass(frozen=True, kw_only=True)
class HintsCurveOptions(Checked):
    """PSNR of a trained run on its test images against the number of revealed points.

    Attributes:
        run: a run's folder, a checkpoint, a file of ``ship``, or the name of shipped weights.
        out: JSON file to write, with per-image rows.
        plot: picture to write (svg, png, pdf), the published curve beside ours.
        weights: the run's best by validation, its last, or that of the two its recipe names.
        dataset: test on another dataset than the run's own.
        protocol: of ``dataset``; see ``crosschroma evaluate``.
        root: the dataset's folder.
        points: how many of them; by default the 26 of the published curve, 0 to 501.
        square: side of a point in pixels, 1 to 9.
        count: the first so many test images; 0 takes all.
        seed: of the points' places.
        batch_size: hints that are tried at a time.
        device: ``auto`` (a GPU where there is one), ``cpu``, ``cuda``, ...
    """

    run: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    out: Annotated[JsonOutput, tyro.conf.arg(metavar="FILE")] = Path("hints-curve.json")
    plot: Annotated[PlotOutput | None, tyro.conf.arg(metavar="FILE")] = None
    weights: Literal["result", "best", "last"] = "result"
    dataset: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    protocol: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    root: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    points: Annotated[tuple[Natural, ...], tyro.conf.arg(metavar="N...")] = ()
    square: Annotated[int, Bound(least=1, most=9)] = 6
    count: Natural = 0
    seed: Seed = 0
    batch_size: Count = 8
    device: str = "auto"


def hints_curve(argv: list[str]) -> int:
    """``crosschroma hints-curve RUN``."""
    options = tyro.cli(HintsCurveOptions, prog="crosschroma hints-curve", args=argv)
    from ..artifacts.weights_file import load_any
    from ..evaluation import hints_curve as measured
    from ..plots.hints import plot_hints
    from ..training.devices import usable_device
    from .shared.dataset_options import scored_adapter

    trained = load_any(options.run, options.weights)
    own = trained.experiment.data
    adapter = scored_adapter(own, options.dataset, options.root, options.protocol)
    curve = measured.hints_curve(
        trained,
        adapter,
        counts=options.points or measured.COUNTS,
        square=options.square,
        images=options.count,
        seed=options.seed,
        batch_size=options.batch_size,
        device=usable_device(options.device),
    )
    _print(curve, measured.PUBLISHED, measured.PUBLISHED_LABEL)
    curve.save(options.out)
    print(options.out)
    if options.plot is not None:
        plot_hints(curve, options.plot)
        print(options.plot)
    return 0


def _print(curve: HintsCurve, published: dict[int, float], label: str) -> None:
    about = curve.about
    print(f"{about['recipe']} on {about['dataset']}, {len(curve.rows)} images: PSNR in dB")
    print(f"published: {label}")
    shown = Table("revealed", "PSNR", "standard error", "published")
    for point in curve.points:
        theirs = published.get(int(point["points"]))
        cells = f"{point['PSNR']:.2f}", f"{point['standard_error']:.2f}"
        shown.add_row(str(point["points"]), *cells, f"{theirs:.2f}" if theirs else "")
    for row in curve.whole:
        shown.add_row(row["given"], f"{row['PSNR']:.2f}", f"{row['standard_error']:.2f}", "")
    Console(width=None if Console().is_terminal else 120).print(shown)
