"""``crosschroma data prior``: how often each ab bin occurs in a dataset."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ....datasets.base.adapter import Adapter, Source, SplitName
from ....datasets.base.atomic_write import write_text_atomic
from ....datasets.base.color import lab_from_uint8
from ....datasets.base.outputs import JsonOutput
from ....datasets.base.tracked import tracked
from ....models.color.ab_bins import BINS, ab_bins, nearest_bins
from ....models.color.ab_prior import AbPrior
from ..shared.dataset_options import Option, colour_dataset_options

_SPLIT = Option("split", SplitName, "train", "Whose images are counted.")


def prior(adapter: type[Adapter], argv: list[str]) -> int:
    """``crosschroma data prior NAME [--split SPLIT] [--out FILE]``; the exit code."""
    default = Path(f"{adapter.name}-prior.json")
    options = colour_dataset_options(
        "prior",
        adapter,
        argv,
        [_SPLIT, Option("out", JsonOutput, default, "The file to write.")],
        "Count the 313 ab bins over a dataset's images, for --method.prior of zhang16.",
    )
    data: Adapter = options.data
    name = data.train_data if options.split == "train" else f"{data.protocol} {options.split}"
    counts = count_bins(data.split(options.split), name)
    out: Path = options.out
    write_text_atomic(out, counts.to_json())
    print(
        f"{_summary(counts)}\nwritten: {out}\nnext: crosschroma train RECIPE --method.prior {out}"
    )
    return 0


def count_bins(source: Source, name: str) -> AbPrior:
    """Count the pixels of every image of ``source`` by their nearest ab bin.

    Args:
        source: images with colour, at the size in which they are stored.
        name: what the prior says it was counted from.
    """
    counts = np.zeros(BINS, np.int64)
    for index in tracked(range(len(source)), "counting colours"):
        ab = lab_from_uint8(source.load(index)["rgb"])[..., 1:]
        counts += np.bincount(nearest_bins(ab).ravel(), minlength=BINS)
    return AbPrior(data=name, images=len(source), counts=tuple(counts.tolist()))


def _summary(ab_prior: AbPrior) -> str:
    counts = np.array(ab_prior.counts)
    gray = (ab_bins().abs().amax(1) <= 10).numpy()
    return (
        f"{ab_prior.data}: {ab_prior.images} images, {counts.sum():,} pixels in "
        f"{np.count_nonzero(counts)} of {BINS} bins, "
        f"{counts[gray].sum() / counts.sum():.0%} in the nine about gray"
    )
