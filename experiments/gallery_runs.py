"""Test images of a dataset as a gallery: what is given, what each run makes of it, the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from ..datasets.batch import collate
from ..datasets.errors import UserError
from ..datasets.loading import Images
from .checkpoint import Trained
from .gallery import GalleryRow, gallery
from .shipped import load_any

TARGET = "target"
GIVEN = {"nir": "NIR", "gray": "gray"}


@torch.no_grad()
def write_gallery(
    runs: Sequence[Path],
    out: Path,
    images: int = 4,
    root: Path | None = None,
    outputs: Sequence[str] = (),
) -> None:
    """Colour test images with every run and draw them side by side into a PNG file.

    Args:
        runs: run folders or checkpoint files; the dataset and view are those of the first.
        out: the file.
        images: test images, spread evenly over the split.
        root: the dataset's folder; default the first run's.
        outputs: what to show of methods that have several outputs; default what they return.

    Raises:
        UserError: no run, a run that cannot be loaded, or one for a plane the dataset lacks;
            an output that a method with outputs does not have, or outputs that none has.
    """
    if not runs:
        raise UserError("gallery: name at least one run")
    methods = [method for run in runs for method in _uses(load_any(run), outputs)]
    if outputs and not any(method.output for method in methods):
        raise UserError("gallery: no run has outputs to choose from; leave --outputs out")
    experiment = methods[0].experiment
    data = replace(experiment.data, root=root or experiment.data.root)
    test = Images(data.split("test"), experiment.eval_view)
    count = min(images, len(test))
    rows = [_row(test, index * len(test) // count, methods) for index in range(count)]
    gallery(rows, out)


def _uses(trained: Trained, outputs: Sequence[str]) -> list[Trained]:
    if not outputs or not trained.experiment.method.outputs:
        return [trained]
    return [trained.with_output(output) for output in outputs]


def _row(test: Images, index: int, methods: Sequence[Trained]) -> GalleryRow:
    batch = collate([test[index]])
    given: dict[str, Tensor] = {}
    made: dict[str, Tensor] = {}
    for method in methods:
        domain = method.system.domain
        for plane in GIVEN if domain == "both" else (domain,):
            if plane not in batch:
                raise UserError(f"{method.experiment.name} needs {plane}, which the data lacks")
            given[GIVEN[plane]] = batch[plane][0]
        made[_heading(method, methods)] = method.system.colorize(batch)[0]
    pictures = {**given, **made, TARGET: batch["rgb"][0]}
    return GalleryRow(key=batch["key"][0], images=pictures, target=TARGET)


def _heading(method: Trained, methods: Sequence[Trained]) -> str:
    """The shortest name no other has: method, method and output or input, or the run's folder."""
    for name_of in (
        lambda m: m.system.name,
        lambda m: f"{m.system.name} {m.output or GIVEN.get(m.system.domain, '')}".strip(),
    ):
        if [name_of(other) for other in methods].count(name_of(method)) == 1:
            return name_of(method)
    return f"{method.path.parent.name} {method.output}".strip()
