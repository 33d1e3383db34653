"""``crosschroma gallery``: test images of a dataset, side by side in one picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ...datasets.base.bounds import Checked, Count
from ...datasets.base.outputs import Output


@dataclass(frozen=True, kw_only=True)
class GalleryOptions(Checked):
    """Show test images of one dataset: input, every run's prediction, target, error maps.

    Attributes:
        runs: run folders or files of weights; the first one's view is used.
        out: PNG or JPEG file to write.
        count: test images, spread evenly over the split.
        outputs: of runs that have several, show these, a column each; cocolor has its four paths,
            and what it makes of them (fused_nir, fused_gray, fused_both).
        dataset: whose test images; default the first run's.
        root: the dataset's folder.
        plain: leave the error maps out, where there are many runs.
    """

    runs: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="RUN...")]
    out: Annotated[Path, Output((".png", ".jpg", ".jpeg"))] = Path("gallery.png")
    count: Count = 4
    outputs: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME...")] = ()
    dataset: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    root: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    plain: tyro.conf.FlagCreatePairsOff[bool] = False


def gallery(argv: list[str]) -> int:
    """``crosschroma gallery RUN...``."""
    options = tyro.cli(GalleryOptions, prog="crosschroma gallery", args=argv)
    from ..compare.load_runs import write_gallery
    from .shared.dataset_options import adapter_at

    adapter = adapter_at(options.dataset, options.root) if options.dataset else None
    write_gallery(
        options.runs,
        options.out,
        options.count,
        options.root,
        options.outputs,
        adapter,
        errors=not options.plain,
    )
    print(options.out)
    return 0
