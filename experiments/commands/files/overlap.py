"""Pictures read, coloured and written at the same time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import cv2
import torch
from torch import Tensor

from ....datasets.loading.decode import PictureFile
from ...inference.colorizer import Colorizer
from ...inference.picture_file import Picture, PictureFormat, left_out
from ...inference.prepared_picture import PreparedPicture

_NO_MEMORY = ("can't allocate memory", "not enough memory", "Insufficient memory")
_AHEAD = 2  # pictures that are being read, or of those behind that are being written
_PIXELS = 16_000_000  # read and not yet written, beyond which no further picture is read
_GPU_BATCH = 8

Job = TypeVar("Job")
OneJob = TypeVar("OneJob", contravariant=True)


@dataclass
class OpenedPicture:
    """A picture that is read.

    Attributes:
        file: it, opened.
        first: its first frame or page.
        prepared: what the method sees of that.
        more: the other frames or pages, where the result holds them.
        notes: what is not in the result, in order, each once.
    """

    file: PictureFile
    first: Picture
    prepared: PreparedPicture
    more: Iterator[Picture] | None = None
    notes: dict[str | None, None] = field(default_factory=dict)

    def note(self, picture: Picture, format: PictureFormat) -> None:
        """Add what a frame or page loses in a format."""
        self.notes.update(dict.fromkeys(picture.notes))
        self.notes.update((f"{what} not kept", None) for what in left_out(picture, format))


class Work(Protocol[OneJob]):
    """What is done with each picture."""

    def read(self, job: OneJob) -> OpenedPicture:
        """In a thread of its own."""
        ...

    def predict(self, job: OneJob, opened: OpenedPicture) -> Tensor | bytes:
        """The network's part, in the calling thread; see ``Colorizer.predict``."""
        ...

    def write(self, job: OneJob, opened: OpenedPicture, colors: Tensor | bytes) -> None:
        """In a thread of its own."""
        ...


@dataclass
class _Task(Generic[Job]):
    job: Job
    reading: Future[OpenedPicture]
    writing: Future[None] | None = None
    error: Exception | None = None  # of the network

    @property
    def readable(self) -> bool:
        """Waits until it is read."""
        return self.reading.exception() is None

    @property
    def pixels(self) -> int:
        """Held in memory, as far as is known."""
        if not self.reading.done() or not self.readable:
            return 0
        height, width = self.reading.result().prepared.size
        return height * width

    def fault(self) -> Exception | None:
        """Waits until it is written: what kept it from that, if anything did."""
        error = self.error or (self.writing or self.reading).exception()
        assert error is None or isinstance(error, Exception)
        return error


def overlapped(
    colorizer: Colorizer,
    jobs: Sequence[Job],
    work: Work[Job],
    batch: int | None = None,
) -> Iterator[tuple[Job, Exception | None]]:
    """Colour pictures, while the next ones are read and the last ones written by two threads.

    On a GPU, neighbours of one size (of ``small``) go through the network together. On a CPU each
    goes alone: DDColor at 256x384 takes 166 ms of processor time a picture alone, and 269 in
    batches of four, whose maps do not fit into the cache.

    Args:
        colorizer: the method.
        jobs: what is read and written.
        work: what is done with each.
        batch: pictures at once; by default 8 on a GPU and 1 on a CPU.

    Yields:
        In order, each job that is written, or that has failed, with the error.
    """
    batch = batch or (1 if colorizer.device.type == "cpu" else _GPU_BATCH)
    waiting, ahead, behind = deque(jobs), deque[_Task[Job]](), deque[_Task[Job]]()
    reader, writer = ThreadPoolExecutor(1), ThreadPoolExecutor(1)

    def read_on() -> None:
        held = sum(task.pixels for task in (*ahead, *behind))
        unread = sum(not task.reading.done() for task in ahead)
        while waiting and unread < _AHEAD and (held < _PIXELS or not ahead):
            job, unread = waiting.popleft(), unread + 1
            ahead.append(_Task(job, reader.submit(work.read, job)))

    try:
        while waiting or ahead or behind:
            read_on()
            group = [ahead.popleft()] if ahead else []
            while ahead and len(group) < batch and _alike(group[0], ahead[0]):
                group.append(ahead.popleft())
                read_on()
            for task, colors in zip(group, _colors(group, colorizer, work), strict=True):
                if colors is not None:
                    task.writing = writer.submit(
                        work.write, task.job, task.reading.result(), colors
                    )
                behind.append(task)
            while behind and (len(behind) > _AHEAD or not (waiting or ahead)):
                task = behind.popleft()
                yield task.job, task.fault()
    finally:
        reader.shutdown(cancel_futures=True)
        writer.shutdown(cancel_futures=True)


def _alike(first: _Task[Job], second: _Task[Job]) -> bool:
    """Whether the network can be given both together."""
    if not (first.readable and second.readable):
        return False
    pair = [task.reading.result() for task in (first, second)]
    one, other = (opened.prepared.small.shape for opened in pair)
    return one == other and not any(
        opened.more or opened.prepared.boxes is not None for opened in pair
    )


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error is about memory: on the CPU torch and OpenCV have no class for that."""
    known = isinstance(error, (MemoryError, torch.OutOfMemoryError))
    return known or any(text in str(error) for text in _NO_MEMORY)


def _colors(
    group: list[_Task[Job]], colorizer: Colorizer, work: Work[Job]
) -> list[Tensor | bytes | None]:
    """Of each picture, or ``None`` where it cannot be read or coloured."""
    if len(group) > 1:
        try:
            together = colorizer.predict_together(
                [task.reading.result().prepared for task in group]
            )
            return list(together.split(1))
        except (MemoryError, RuntimeError, cv2.error) as error:
            if not is_out_of_memory(error):
                raise
            # one by one, then
    outputs: list[Tensor | bytes | None] = []
    for task in group:
        colors = None
        if task.readable:
            try:
                colors = work.predict(task.job, task.reading.result())
            except Exception as error:
                task.error = error
        outputs.append(colors)
    return outputs
