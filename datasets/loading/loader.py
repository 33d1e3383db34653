"""Sources -> batches: an endless, resumable stream for training, one pass for evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from ..base.adapter import Planes, Source
from ..base.batch import Batch, Sample, collate, to_device
from ..base.errors import DataError, UserError
from .views import EvalView, View, to_sample

# One image is too small for OpenCV's threads, and a worker that is forked while they exist hangs.
cv2.setNumThreads(0)


class Draw(NamedTuple):
    """One place in the training stream: image number ``image`` as it is seen in ``epoch``."""

    epoch: int
    image: int


class Images(Dataset[Sample]):
    """The samples of a source under a view.

    What is random about a sample depends on (seed, epoch, index) alone: not on the worker, the
    process, the batch or an interruption. A plain integer index is epoch 0.

    Args:
        source: the images.
        view: of each.
        seed: of what is random.
        skip_broken: the next image that can be read takes the place of one that cannot, which the
            sample names.
    """

    def __init__(
        self, source: Source, view: View, seed: int = 0, skip_broken: bool = False
    ) -> None:
        self.source = source
        self.view = view
        self.seed = seed
        self.skip_broken = skip_broken

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, draw: int | Draw) -> Sample:
        epoch, index = draw if isinstance(draw, tuple) else (0, draw)
        rng = np.random.default_rng((self.seed, epoch, index))
        index, planes, skipped = self._readable(index)
        sample = to_sample(self.view(planes, rng), self.source.keys[index])
        if skipped:
            sample["skipped"] = skipped
        return sample

    def _readable(self, index: int) -> tuple[int, Planes, list[tuple[str, str]]]:
        """An image, or the next that can be read; its index, and what was skipped."""
        if not self.skip_broken:
            return index, self.source.load(index), []
        skipped: list[tuple[str, str]] = []
        for later in range(index, index + len(self)):
            number = later % len(self)
            try:
                return number, self.source.load(number), skipped
            except DataError as error:
                skipped.append((self.source.keys[number], str(error)))
        raise DataError(f"none of the {len(self)} images can be read: {skipped[0][1]}")


class Viewed:
    """A source as a fixed view shows it; cached, it spares decoding and resizing."""

    def __init__(self, source: Source, view: EvalView) -> None:
        self.source = source
        self.view = view
        self.keys = source.keys

    def __len__(self) -> int:
        return len(self.source)

    def load(self, index: int) -> Planes:
        """Image ``index`` under the view."""
        return self.view(self.source.load(index))

    def stamp(self, index: int) -> str:
        """The underlying stamp and the view."""
        return f"{self.source.stamp(index)} {self.view.protocol}"


class DrawSampler(Sampler[list[Draw]]):
    """Batches of draws without end: shuffled epochs, one after the other without padding.

    Args:
        length: images in the source.
        batch_size: images of one batch over all processes.
        seed: the order of epoch e depends on (seed, e) alone.
        start_batch: the stream goes on as if that many batches had been taken.
        rank: this process takes part ``rank`` of ``world`` equal parts of each batch.
        world: number of processes.

    Raises:
        UserError: when there are no images, or ``world`` does not divide ``batch_size``.
    """

    def __init__(
        self,
        length: int,
        batch_size: int,
        seed: int = 0,
        start_batch: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if length < 1:
            raise UserError("no images to train on; the split is empty")
        if batch_size < 1 or batch_size % world:
            raise UserError(f"batch size {batch_size} is not a multiple of the {world} processes")
        self.length = length
        self.batch_size = batch_size
        self.seed = seed
        self.start_batch = start_batch
        self.rank = rank
        self.world = world

    def __iter__(self) -> Iterator[list[Draw]]:
        part = self.batch_size // self.world
        order_epoch, order = -1, np.empty(0, np.int64)
        batch = self.start_batch
        while True:
            first = batch * self.batch_size + self.rank * part
            draws = []
            for position in range(first, first + part):
                epoch, place = divmod(position, self.length)
                if epoch != order_epoch:
                    order_epoch, order = epoch, self._order(epoch)
                draws.append(Draw(epoch, int(order[place])))
            yield draws
            batch += 1

    def _order(self, epoch: int) -> np.ndarray:
        # the last 1 keeps this stream apart from that of image 0 in the same epoch
        return np.random.default_rng((self.seed, epoch, 0, 1)).permutation(self.length)


class Loader(DataLoader[Sample]):
    """A ``DataLoader`` of batches whose workers' errors keep their one-line text."""

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        try:
            yield from super().__iter__()  # type: ignore[misc]
        except UserError as error:
            # torch wraps the text in the worker's traceback
            text = str(error).rsplit(f"{type(error).__name__}: ", 1)[-1].strip()
            raise type(error)(text) from None


def train_loader(
    source: Source,
    view: View,
    batch_size: int,
    workers: int = 0,
    seed: int = 0,
    start_batch: int = 0,
    rank: int = 0,
    world: int = 1,
    skip_broken: bool = False,
) -> Loader:
    """The endless stream of training batches; for arguments see ``DrawSampler`` and ``Images``."""
    sampler = DrawSampler(len(source), batch_size, seed, start_batch, rank, world)
    return _loader(Images(source, view, seed, skip_broken), workers, batch_sampler=sampler)


def on_device(batches: Iterator[Batch], device: torch.device) -> Iterator[Batch]:
    """The batches on a device.

    To a GPU the next batch is copied, from memory that is pinned, while it works on the present
    one. Batches are taken from the loader one at a time, as they are asked for.
    """
    if device.type != "cuda":
        for batch in batches:
            yield to_device(batch, device)
        return
    side = torch.cuda.Stream(device)
    for batch in batches:
        with torch.cuda.stream(side):
            copied = to_device(batch, device)
        present = torch.cuda.current_stream(device)
        present.wait_stream(side)
        for value in copied.values():
            for plane in value if isinstance(value, list) else [value]:
                if isinstance(plane, torch.Tensor):
                    plane.record_stream(present)
        yield copied


def eval_loader(
    source: Source,
    view: View,
    batch_size: int = 1,
    workers: int = 0,
    rank: int = 0,
    world: int = 1,
) -> Loader:
    """Every image once, in order: rank r of ``world`` takes the r-th contiguous part."""
    count = len(source)
    part = range(count * rank // world, count * (rank + 1) // world)
    batches = [list(part[i : i + batch_size]) for i in range(0, len(part), batch_size)]
    return _loader(Images(source, view), workers, batch_sampler=batches)


def _loader(images: Images, workers: int, **options: Any) -> Loader:
    return Loader(
        images,
        num_workers=workers,
        collate_fn=collate,
        pin_memory=torch.cuda.is_available(),
        # its own: starting to iterate must not draw from the global one, or resuming would differ
        generator=torch.Generator(),
        **options,
    )
