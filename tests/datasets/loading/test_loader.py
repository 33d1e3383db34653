"""The training stream and the evaluation pass: reproducible, resumable, split over processes."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from crosschroma.datasets.base.adapter import Planes, Source
from crosschroma.datasets.base.batch import Batch
from crosschroma.datasets.base.errors import DataError, UserError
from crosschroma.datasets.loading.loader import (
    Draw,
    DrawSampler,
    Images,
    Viewed,
    eval_loader,
    train_loader,
)
from crosschroma.datasets.loading.views import EvalView, TrainView


class Noise:
    """``count`` noise pictures; those in ``broken`` raise."""

    def __init__(self, count: int, broken: Sequence[int] = ()) -> None:
        self.keys = [f"image {index}" for index in range(count)]
        self.broken = broken

    def __len__(self) -> int:
        return len(self.keys)

    def load(self, index: int) -> Planes:
        if index in self.broken:
            raise DataError(f"{self.keys[index]}: broken; mend it")
        return {"rgb": np.random.default_rng(index).integers(0, 256, (20, 24, 3), dtype=np.uint8)}

    def stamp(self, index: int) -> str:
        return str(index)


VIEW = TrainView(size=12, crop_scale=(0.5, 1.0), rotate90=True)


def _take(sampler: DrawSampler, count: int) -> list[list[Draw]]:
    return list(itertools.islice(sampler, count))


def _same(one: Batch, other: Batch) -> bool:
    return one["key"] == other["key"] and torch.equal(one["rgb"], other["rgb"])


def test_each_epoch_holds_every_image_once_in_an_order_of_its_own() -> None:
    draws = [draw for batch in _take(DrawSampler(10, 4, seed=3), 10) for draw in batch]
    orders = [[d.image for d in draws if d.epoch == epoch] for epoch in range(4)]
    for order in orders:
        assert sorted(order) == list(range(10))
    assert len({tuple(order) for order in orders}) == 4
    assert draws[8:12] == [*draws[8:10], Draw(1, orders[1][0]), Draw(1, orders[1][1])]
    assert _take(DrawSampler(10, 4, seed=4), 1) != _take(DrawSampler(10, 4, seed=3), 1)


@pytest.mark.parametrize("start", [0, 1, 2, 7, 1000])
def test_the_stream_goes_on_anywhere(start: int) -> None:
    whole = _take(DrawSampler(7, 4, seed=1), start + 3)
    assert _take(DrawSampler(7, 4, seed=1, start_batch=start), 3) == whole[start:]


def test_processes_share_each_batch() -> None:
    whole = _take(DrawSampler(7, 6, seed=1), 5)
    parts = [_take(DrawSampler(7, 6, seed=1, rank=rank, world=3), 5) for rank in range(3)]
    assert [list(itertools.chain(*batch)) for batch in zip(*parts, strict=True)] == whole
    with pytest.raises(UserError, match="multiple of the 4"):
        DrawSampler(7, 6, world=4)
    with pytest.raises(UserError, match="no images"):
        DrawSampler(0, 6)


def test_a_batch_may_be_larger_than_the_dataset() -> None:
    batch = _take(DrawSampler(3, 8), 1)[0]
    assert Counter(draw.image for draw in batch[:6]) == {0: 2, 1: 2, 2: 2}


def test_a_sample_depends_on_seed_epoch_and_image_alone() -> None:
    images = Images(Noise(5), VIEW, seed=2)
    first = images[Draw(3, 1)]["rgb"]
    _ = images[Draw(0, 4)], images[0]
    assert torch.equal(images[Draw(3, 1)]["rgb"], first)
    assert not torch.equal(images[Draw(4, 1)]["rgb"], first)
    assert not torch.equal(Images(Noise(5), VIEW, seed=3)[Draw(3, 1)]["rgb"], first)
    assert torch.equal(images[2]["rgb"], images[Draw(0, 2)]["rgb"])


def test_workers_and_resumption_change_nothing() -> None:
    plain = list(itertools.islice(train_loader(Noise(7), VIEW, 4, seed=5), 5))
    forked = list(itertools.islice(train_loader(Noise(7), VIEW, 4, workers=2, seed=5), 5))
    resumed = list(itertools.islice(train_loader(Noise(7), VIEW, 4, seed=5, start_batch=2), 3))
    assert all(_same(a, b) for a, b in zip(plain, forked, strict=True))
    assert all(_same(a, b) for a, b in zip(plain[2:], resumed, strict=True))


def test_loading_leaves_the_global_random_state_alone() -> None:
    torch.manual_seed(0)
    state = torch.get_rng_state()
    next(iter(train_loader(Noise(7), VIEW, 4)))
    list(eval_loader(Noise(3), EvalView(size=8), 2))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("workers", [0, 2])
def test_errors_stay_one_line(workers: int) -> None:
    with pytest.raises(DataError) as caught:
        list(eval_loader(Noise(5, broken=[3]), EvalView(size=8), 2, workers=workers))
    assert str(caught.value) == "image 3: broken; mend it"


@pytest.mark.parametrize("world", [1, 2, 3, 8])
def test_evaluation_sees_every_image_once_in_order(world: int) -> None:
    keys = []
    for rank in range(world):
        loader = eval_loader(Noise(5), EvalView(size=8), 2, rank=rank, world=world)
        batches = list(loader)
        assert len(batches) == len(loader)
        keys += [key for batch in batches for key in batch["key"]]
    assert keys == Noise(5).keys


def test_viewed_shows_the_view_and_stamps_it() -> None:
    source = Noise(2)
    small, large = Viewed(source, EvalView(size=8)), Viewed(source, EvalView(size=10))
    assert isinstance(small, Source)
    assert small.load(1)["rgb"].shape == (8, 8, 3)
    assert small.stamp(0) != large.stamp(0)
    assert np.array_equal(small.load(1)["rgb"], EvalView(size=8)(source.load(1))["rgb"])
