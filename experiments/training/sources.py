"""The images that a training sees: those it learns from, and those it validates on."""

from __future__ import annotations

from pathlib import Path

from ...datasets.base.adapter import Adapter, Source
from ...datasets.loading.broken import skipping_broken
from ...datasets.loading.cache import cached


def training_sources(
    data: Adapter, cache: Path | None = None, skip_broken: bool = False
) -> tuple[Source, Source | None]:
    """Training images and, where a split is kept for it, those of validation.

    Args:
        data: the dataset.
        cache: a folder for their decoded planes; see ``cached``.
        skip_broken: looking through the training images passes over those that cannot be read.
            Validation images must all be sound: scores are of one list.

    Raises:
        DataError: images are missing, or cannot be decoded where all are looked through.
    """
    with skipping_broken(skip_broken):
        train: Source = data.split("train")
        if cache is not None:
            train = cached(train, cache, f"{data.protocol}-train")
    validation: Source | None = data.split("validation") if data.has_validation else None
    if validation is not None and cache is not None:
        validation = cached(validation, cache, f"{data.protocol}-validation")
    return train, validation
