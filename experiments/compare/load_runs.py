"""Test images of a dataset as a gallery: what is given, what each run makes of it, the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from ...datasets.base.adapter import Adapter
from ...datasets.base.batch import collate, to_device
from ...datasets.base.errors import UserError
from ...datasets.files.folder import evenly_spaced
from ...datasets.loading.loader import Images
from ..artifacts.checkpoint import Trained
from ..artifacts.weights_file import load_any
from .gallery import GalleryRow, gallery

TARGET = "target"
GIVEN = {"nir": "NIR", "gray": "gray"}


@torch.no_grad()
def write_gallery(
    runs: Sequence[Path],
    out: Path,
    images: int = 4,
    root: Path | None = None,
    outputs: Sequence[str] = (),
    adapter: Adapter | None = None,
    *,
    errors: bool = True,
) -> None:
    """Colour test images with every run and draw them side by side into a PNG file.

    Args:
        runs: run folders or files of weights; the view is that of the first.
        out: the file.
        images: test images, spread evenly over the split.
        root: the first run's dataset's folder, where it is taken.
        outputs: what to show of methods that have several outputs; default what they return.
        adapter: a dataset, for its test images; default the first run's.
        errors: draw each prediction's error map, too.

    Raises:
        UserError: no run, a run that cannot be loaded, or one for a plane the dataset lacks;
            an output that a method with outputs does not have, or outputs that none has.
    """
    methods = load_methods(runs, outputs)
    experiment = methods[0].experiment
    data = adapter or replace(experiment.data, root=root or experiment.data.root)
    test = Images(data.split("test"), experiment.eval_view)
    rows = [dataset_row(test, index, methods) for index in evenly_spaced(len(test), images)]
    gallery(rows, out, errors=errors)


def load_methods(
    runs: Sequence[Path], outputs: Sequence[str] = (), which: str = "result"
) -> list[Trained]:
    """The methods of some runs, those that have outputs once for each of ``outputs``.

    Raises:
        UserError: as ``write_gallery``.
    """
    if not runs:
        raise UserError("name at least one run")
    methods = [use for run in runs for use in _uses(load_any(run, which), outputs)]
    if outputs and not any(method.output for method in methods):
        raise UserError("no run has outputs to choose from; leave --outputs out")
    return methods


def dataset_row(
    test: Images, index: int, methods: Sequence[Trained], device: str = "cpu"
) -> GalleryRow:
    """One test image: what is given, what every method makes of it, the truth; on the CPU.

    Raises:
        UserError: a method needs a plane that the data lacks.
    """
    batch = to_device(collate([test[index]]), torch.device(device))
    inputs: dict[str, Tensor] = {}
    predictions: dict[str, Tensor] = {}
    for method in methods:
        domain = method.method.domain
        for plane in GIVEN if domain == "both" else (domain,):
            if plane not in batch:
                raise UserError(f"{method.experiment.name} needs {plane}, which the data lacks")
            inputs[GIVEN[plane]] = batch[plane][0].cpu()
        predictions[heading(method, methods)] = method.method.to(device).colorize(batch)[0].cpu()
    pictures = {**inputs, **predictions, TARGET: batch["rgb"][0].cpu()}
    return GalleryRow(key=batch["key"][0], images=pictures, target=TARGET)


def heading(method: Trained, methods: Sequence[Trained]) -> str:
    """The shortest name no other has: method, method and output or input, or run or file."""
    for name_of in (
        lambda m: m.method.name,
        lambda m: f"{m.method.name} {m.output or GIVEN.get(m.method.domain, '')}".strip(),
        lambda m: f"{m.path.parent.name} {m.output}".strip(),
    ):
        if [name_of(other) for other in methods].count(name_of(method)) == 1:
            return name_of(method)
    return f"{method.path.parent.name}/{method.path.name} {method.output}".strip()


def _uses(trained: Trained, outputs: Sequence[str]) -> list[Trained]:
    if not outputs or not trained.experiment.method.outputs:
        return [trained]
    return [trained.with_output(output) for output in outputs]
