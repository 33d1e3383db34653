"""Reading, colouring and writing at the same time: same colours, same order, each error its own."""

from __future__ import annotations

import threading
from typing import Any, cast

import pytest
import torch
from crosschroma.experiments.commands.files.overlap import OpenedPicture, overlapped
from crosschroma.experiments.inference.colorizer import Colorizer
from crosschroma.experiments.inference.picture_file import Picture
from crosschroma.models.unet import UNet
from pictures import smooth_picture

SIZES = [(40, 48), (40, 48), (40, 48), (33, 48), (40, 48)]


@pytest.fixture
def colorizer() -> Colorizer:
    torch.manual_seed(0)
    return Colorizer(UNet.Config(domain="gray", width=4, levels=2).build(), 32)


class Work:
    """Reads made pictures and keeps their colours; a test puts functions of its own in place."""

    def __init__(self, colorizer: Colorizer, **functions: Any) -> None:
        self.colorizer, self.colors = colorizer, {}
        for name, function in functions.items():
            setattr(self, name, function)

    def read(self, job: int) -> OpenedPicture:
        picture = Picture(levels=smooth_picture(*SIZES[job], seed=job))
        return OpenedPicture(cast(Any, None), picture, self.colorizer.prepare(picture.levels))

    def predict(self, job: int, opened: OpenedPicture) -> torch.Tensor:
        return self.colorizer.predict(opened.prepared)

    def write(self, job: int, opened: OpenedPicture, colors: Any) -> None:
        assert colors.shape[-2:] == opened.prepared.small.shape[-2:]
        self.colors[job] = colors


def run(colorizer: Colorizer, batch: int | None = None, **functions: Any):
    work = Work(colorizer, **functions)
    outcomes = list(overlapped(colorizer, range(5), work, batch))
    assert [job for job, _ in outcomes] == [0, 1, 2, 3, 4]
    return work.colors, {job: str(error) for job, error in outcomes if error}


def test_batches_of_one_size_make_the_same_colours(
    colorizer: Colorizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone, errors = run(colorizer)
    assert not errors
    sizes, together = [], colorizer.predict_together

    def counted(prepared):
        sizes.append(len(prepared))
        return together(prepared)

    monkeypatch.setattr(colorizer, "predict_together", counted)
    batched, errors = run(colorizer, batch=2)
    assert not errors
    assert sizes == [2]  # then one, one of another size, one
    for job, ab in alone.items():
        assert (batched[job] - ab).abs().max() < 1e-3


def test_a_batch_without_memory_is_done_one_by_one(
    colorizer: Colorizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(prepared):
        raise MemoryError

    monkeypatch.setattr(colorizer, "predict_together", full)
    colors, errors = run(colorizer, batch=8)
    assert sorted(colors) == [0, 1, 2, 3, 4]
    assert not errors


@pytest.mark.parametrize("batch", [1, 8])
def test_every_error_belongs_to_its_picture(colorizer: Colorizer, batch: int) -> None:
    plain = Work(colorizer)

    def read(job: int):
        if job == 1:
            raise ValueError("unreadable")
        return plain.read(job)

    def predict(job: int, opened: OpenedPicture):
        if job == 3:
            raise ValueError("no colours")
        return plain.predict(job, opened)

    def write(job: int, *_) -> None:
        if job == 4:
            raise ValueError("disk full")

    _, errors = run(colorizer, batch, read=read, predict=predict, write=write)
    assert errors == {1: "unreadable", 3: "no colours", 4: "disk full"}


def test_the_next_is_read_and_the_last_written_beside_the_network(colorizer: Colorizer) -> None:
    plain = Work(colorizer)
    read_next, coloured_next = threading.Event(), threading.Event()

    def read(job: int):
        if job == 1:
            read_next.set()
        return plain.read(job)

    def predict(job: int, opened: OpenedPicture):
        assert read_next.wait(30)
        if job == 1:
            coloured_next.set()
        return plain.predict(job, opened)

    def write(job: int, *_) -> None:
        assert job or coloured_next.wait(30)

    assert run(colorizer, read=read, predict=predict, write=write)[1] == {}


def test_no_more_is_read_when_the_loop_ends_early(colorizer: Colorizer) -> None:
    plain = Work(colorizer)
    jobs = []

    def read(job: int):
        jobs.append(job)
        return plain.read(0)

    outcomes = overlapped(colorizer, range(100), Work(colorizer, read=read))
    next(outcomes)
    outcomes.close()  # type: ignore[attr-defined]
    assert len(jobs) < 10
