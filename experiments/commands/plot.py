"""``crosschroma plot``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ...datasets.base.bounds import Checked
from ...datasets.base.outputs import FOLDER, check_output


@dataclass(frozen=True, kw_only=True)
class PlotOptions(Checked):
    """Draw results/plots: the leak in VCIP, PSNR against angle, validation curves of runs.

    Attributes:
        runs: folders of runs whose validation scores are first copied from their TensorBoard
            events into results/curves; the plots need no logs after that.
        check: write nothing; exit with 1 and say which plots are stale.
        results: folder with runs/*.json.
    """

    runs: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="[RUN...]")] = ()
    check: tyro.conf.FlagCreatePairsOff[bool] = False
    results: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("results")


def plot(argv: list[str]) -> int:
    """``crosschroma plot [RUN...]``."""
    options = tyro.cli(PlotOptions, prog="crosschroma plot", args=argv)
    from ..plots import results as result_plots
    from ..plots.curves import read_curve

    if options.check:
        stale = result_plots.check_plots(options.results)
        print("\n".join(stale) or "the plots show what the results hold")
        return 1 if stale else 0
    check_output(options.results, FOLDER, "--results")
    for curve in [read_curve(run) for run in options.runs]:
        print(curve.save(options.results / result_plots.CURVES))
    written = result_plots.write_plots(options.results)
    print("\n".join(map(str, written)) or "the plots are up to date")
    return 0
