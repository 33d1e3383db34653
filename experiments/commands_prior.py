"""``crosschroma data prior``: how often each ab bin occurs in a dataset."""

from __future__ import annotations

from dataclasses import field, make_dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from rich.console import Console
from rich.progress import track

from ..datasets.atomic import write_text_atomic
from ..datasets.color import lab_from_uint8
from ..datasets.errors import UserError
from ..datasets.source import Adapter, Source, SplitName
from ..models.ab_bins import BINS, ab_bins, nearest_bins
from ..models.ab_prior import AbPrior


def prior(adapter: type[Adapter], argv: list[str]) -> int:
    """``crosschroma data prior NAME [--split SPLIT] [--out FILE]``; the exit code."""
    options: Any = tyro.cli(
        _options_of(adapter),
        prog=f"crosschroma data prior {adapter.name}",
        description="Count the 313 ab bins over a dataset's images, for --method.prior of zhang16.",
        args=argv,
        config=(tyro.conf.OmitArgPrefixes,),
    )
    data: Adapter = options.data
    if "rgb" not in data.planes:
        raise UserError(f"{data.name} has no colour images; take another dataset")
    data.base()
    name = data.train_data if options.split == "train" else f"{data.protocol} {options.split}"
    found = count_bins(data.split(options.split), name)
    out: Path = options.out or Path(f"{data.name}-prior.json")
    write_text_atomic(out, found.to_json())
    print(f"{_summary(found)}\nwritten: {out}\nnext: crosschroma train RECIPE --method.prior {out}")
    return 0


def count_bins(source: Source, name: str) -> AbPrior:
    """Count the pixels of every image of ``source`` by their nearest ab bin.

    Args:
        source: images with colour, at the size in which they are stored.
        name: what the prior says it was counted from.
    """
    counts = np.zeros(BINS, np.int64)
    console = Console(stderr=True)
    for index in track(range(len(source)), "counting colours", console=console):
        ab = lab_from_uint8(source.load(index)["rgb"])[..., 1:]
        counts += np.bincount(nearest_bins(ab).ravel(), minlength=BINS)
    return AbPrior(data=name, images=len(source), counts=tuple(counts.tolist()))


def _options_of(adapter: type[Adapter]) -> type:
    """The dataset's settings and those of the command, as one flat set of options."""
    split_help = tyro.conf.arg(help="Whose images are counted.")
    out_help = tyro.conf.arg(help="The file to write; default NAME-prior.json.")
    return make_dataclass(
        "PriorOptions",
        [
            ("data", adapter, field(default_factory=adapter)),
            ("split", Annotated[SplitName, split_help], field(default="train")),
            ("out", Annotated[Path | None, out_help], field(default=None)),
        ],
        kw_only=True,
    )


def _summary(found: AbPrior) -> str:
    counts = np.array(found.counts)
    gray = (ab_bins().abs().amax(1) <= 10).numpy()
    return (
        f"{found.data}: {found.images} images, {counts.sum():,} pixels in "
        f"{np.count_nonzero(counts)} of {BINS} bins, "
        f"{counts[gray].sum() / counts.sum():.0%} in the nine about gray"
    )
