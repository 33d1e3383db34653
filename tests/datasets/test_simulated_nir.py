"""NIR made up from colour, and photographs with it among pairs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from crosschroma.datasets.errors import UserError
from crosschroma.datasets.scenes import Scenes
from crosschroma.datasets.simulated_nir import PairsAndSimulated, simulate_nir

PAIRS = Scenes(size=32, count_train=3, count_validation=2, count_test=2)
PHOTOS = replace(PAIRS, scene_seed=1, count_train=4)


def patch(*color: int) -> np.ndarray:
    return np.tile(np.array(color, np.uint8), (4, 4, 1))


def test_plants_are_bright_and_blue_skies_dark() -> None:
    levels = np.array(
        [
            [
                simulate_nir(patch(*color), np.random.default_rng(seed)).mean()
                for color in ((90, 130, 50), (100, 100, 100), (90, 130, 220))
            ]
            for seed in range(200)
        ]
    )
    plant, gray, sky = levels.mean(0)
    assert plant > 1.5 * gray
    assert sky < 1.25 * gray  # its luminance is that of the plant, half again the gray's
    assert abs(gray - 100) < 8
    assert levels[:, 1].std() > 5


def test_extremes_stay_extremes() -> None:
    for seed in range(20):
        assert (simulate_nir(patch(0, 0, 0), np.random.default_rng(seed)) == 0).all()
        assert (simulate_nir(patch(255, 255, 255), np.random.default_rng(seed)) == 255).all()


def test_the_share_is_kept_and_planes_are_those_of_their_images() -> None:
    data = PairsAndSimulated(pairs=PAIRS, photos=PHOTOS, share=0.4)
    train = data.split("train")
    assert len(train) == 6 + 4
    assert len(set(train.keys)) == 10
    pairs, photos = PAIRS.split("train"), PHOTOS.split("train")
    for index in range(6):
        assert np.array_equal(train.load(index)["nir"], pairs.load(index % 3)["nir"])
    for index in range(4):
        planes = train.load(6 + index)
        assert np.array_equal(planes["rgb"], photos.load(index)["rgb"])
        assert np.array_equal(planes["nir"], train.load(6 + index)["nir"])
        assert not np.array_equal(planes["nir"], photos.load(index)["nir"])
    assert len({train.stamp(index) for index in range(10)}) == 7


def test_only_training_sees_photographs() -> None:
    data = PairsAndSimulated(pairs=PAIRS, photos=PHOTOS)
    assert data.split("validation").keys == PAIRS.split("validation").keys
    assert data.split("test").keys == PAIRS.split("test").keys
    assert data.train_data.endswith("with simulated NIR")


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_share_of_nothing_is_refused(share: float) -> None:
    with pytest.raises(UserError, match="more than 0 and less than 1"):
        PairsAndSimulated(share=share)
