"""NIR made up from colour, and photographs with it among pairs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from crosschroma.datasets.base.errors import UserError
from crosschroma.datasets.mixtures.simulated_nir import PairsAndSimulated, simulate_nir
from crosschroma.datasets.scenes.adapter import Scenes
from crosschroma.datasets.vcip import Vcip

PAIRS = Scenes(size=32, count_train=3, count_validation=2, count_test=2)
PHOTOS = replace(PAIRS, scene_seed=1, count_train=4)


def patch(*color: int) -> np.ndarray:
    return np.tile(np.array(color, np.uint8), (4, 4, 1))


def test_by_luminance_plants_are_bright_and_blue_skies_dark() -> None:
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


def test_by_luminance_extremes_stay_extremes() -> None:
    for seed in range(20):
        assert (simulate_nir(patch(0, 0, 0), np.random.default_rng(seed)) == 0).all()
        assert (simulate_nir(patch(255, 255, 255), np.random.default_rng(seed)) == 255).all()


def test_by_response_gray_loses_contrast_and_all_varies() -> None:
    levels = np.array(
        [
            [
                simulate_nir(patch(*color), np.random.default_rng(seed), "response").mean()
                for color in ((90, 130, 50), (100, 100, 100), (90, 130, 220), (200, 200, 200))
            ]
            for seed in range(400)
        ]
    )
    plant, gray, sky, light = levels.mean(0)
    assert plant > 1.4 * gray
    assert sky < 0.7 * gray
    assert 40 < light - gray < 65  # gray keeps half of its contrast
    assert (levels[:, 1] < levels[:, 2]).mean() > 0.02  # now and then, all is otherwise
    assert levels[:, 1].std() > 20
    seeds = [np.random.default_rng(seed) for seed in range(200)]
    assert np.mean([simulate_nir(patch(200, 40, 40), rng, "response") for rng in seeds]) > 90


def test_by_response_it_is_like_the_nir_of_true_pairs(shared_data: Path) -> None:
    """Quartiles of mean, contrast and correlation with luminance, over all clean training pairs."""
    source = Vcip(root=shared_data / "vcip2020", fold=None).split("train")
    rng = np.random.default_rng(0)
    kinds: dict[str, list[tuple[float, ...]]] = {"true": [], "simulated": []}
    for index in range(0, len(source), 3):
        planes = source.load(index)
        gray = planes["rgb"] @ (0.3, 0.59, 0.11)
        simulated = simulate_nir(planes["rgb"], rng, "response")
        for kind, nir in (("true", planes["nir"]), ("simulated", simulated)):
            level = nir / 255
            correlation = float(np.corrcoef(level.ravel(), gray.ravel())[0, 1])
            kinds[kind].append((level.mean(), level.std(), correlation))
    true, simulated = (np.percentile(kinds[kind], [25, 50, 75], axis=0) for kind in kinds)
    assert np.abs(true - simulated)[:, 0].max() < 0.08
    assert np.abs(true - simulated)[:, 1].max() < 0.05
    assert np.abs(true - simulated)[:, 2].max() < 0.25


def test_the_share_is_kept_and_planes_are_those_of_their_images() -> None:
    data = PairsAndSimulated(pairs=PAIRS, photos=PHOTOS, share=0.4, simulation="response", draws=2)
    train = data.split("train")
    assert len(train) == 12 + 8
    assert len(set(train.keys)) == 20
    pairs, photos = PAIRS.split("train"), PHOTOS.split("train")
    for index in range(12):
        assert np.array_equal(train.load(index)["nir"], pairs.load(index % 3)["nir"])
    for index in range(4):
        first, second = train.load(12 + index), train.load(16 + index)
        for planes in (first, second):
            assert np.array_equal(planes["rgb"], photos.load(index)["rgb"])
        assert np.array_equal(first["nir"], train.load(12 + index)["nir"])
        assert not np.array_equal(first["nir"], second["nir"])
    assert len({train.stamp(index) for index in range(20)}) == 7


def test_only_training_sees_photographs() -> None:
    data = PairsAndSimulated(pairs=PAIRS, photos=PHOTOS)
    assert data.split("validation").keys == PAIRS.split("validation").keys
    assert data.split("test").keys == PAIRS.split("test").keys
    assert data.train_data.endswith("with simulated NIR")


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_share_of_nothing_is_refused(share: float) -> None:
    with pytest.raises(UserError, match="above 0 and below 1"):
        PairsAndSimulated(share=share)


def test_no_draws_are_refused() -> None:
    with pytest.raises(UserError, match=r"--data\.draws 0: must be at least 1"):
        PairsAndSimulated(draws=0)


def test_an_unknown_simulation_is_refused() -> None:
    with pytest.raises(UserError, match="'responce'; did you mean response"):
        simulate_nir(np.zeros((2, 2, 3), np.uint8), np.random.default_rng(0), "responce")  # pyright: ignore[reportArgumentType]
