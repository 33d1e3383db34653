"""Accuracy in the ab plane and CIEDE2000, against values by hand and published ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from crosschroma.datasets.base.color import lab_to_rgb
from crosschroma.datasets.imagenet import ImageNetSample
from crosschroma.experiments.evaluation.baselines import score_baseline
from crosschroma.experiments.metrics.ab import (
    _weights,
    auc,
    ciede2000,
    delta_e_2000,
    rarity_and_auc,
)
from crosschroma.experiments.metrics.scorer import Scorer, summarize
from crosschroma.models.color.ab_bins import nearest_bins
from crosschroma.models.color.ab_prior import load_prior
from skimage.color import deltaE_ciede2000, rgb2lab
from torch import Tensor


def painted(*colors: tuple[float, float], lightness: float = 60.0) -> Tensor:
    """1 x 3 x 1 x N sRGB: a pixel for each (a, b)."""
    lab = torch.tensor([(lightness, a, b) for a, b in colors]).double()
    return lab_to_rgb(lab.T.reshape(1, 3, 1, -1), "none")


def weight_of(a: float, b: float) -> float:
    """One over the frequency of its bin, over the number of bins that occur."""
    prior = load_prior("imagenet-sample", 5, 5.0).double()
    return (1 / prior[int(nearest_bins(np.array([a, b])))] / (prior > 0).sum()).item()


# AuC


def test_auc_is_one_less_the_mean_distance_over_150() -> None:
    """Distances 5 (3-4-5), 0 and 30."""
    found = auc(painted((3, 4), (20, 20), (30, 0)), painted((0, 0), (20, 20), (0, 0)))
    assert found.item() == pytest.approx(100 * (1 - 35 / 3 / 150), abs=1e-2)


def test_auc_is_the_area_under_the_accuracy_of_every_threshold() -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.rand(2, 3, 20, 20, generator=generator).double() for _ in range(2))
    a, b = (rgb2lab(image.movedim(1, -1).numpy())[..., 1:] for image in (x, y))
    distance = np.linalg.norm(a - b, axis=-1)
    thresholds = np.linspace(0, 150, 3001)
    accuracy = (distance[..., None] <= thresholds).mean((1, 2))
    expected = 100 * np.trapezoid(accuracy, thresholds) / 150
    np.testing.assert_allclose(auc(x, y), expected, atol=0.05)


def test_auc_does_not_see_lightness_and_ends_at_150() -> None:
    dark, light = (painted((10, 10), lightness=level) for level in (30.0, 70.0))
    assert auc(dark, light).item() == pytest.approx(100, abs=1e-2)
    blue, green = (torch.tensor(rgb).view(1, 3, 1, 1).double() for rgb in ([0, 0, 1], [0, 1, 0]))
    assert auc(blue, green).item() == 0


def test_a_pixel_weighs_by_the_rarity_of_its_true_colour() -> None:
    """Not by that of the prediction; means over the pixels."""
    truth, prediction = painted((0, 0), (60, 50)), painted((30, 0), (60, 50))
    rarity, weighted = rarity_and_auc(prediction, truth)[0].tolist()
    common, rare = weight_of(0, 0), weight_of(60, 50)
    assert rare > 50 * common
    assert rarity == pytest.approx((common + rare) / 2, rel=1e-3)
    assert weighted == pytest.approx(100 * (0.8 * common + rare) / 2, rel=1e-3)


def test_weights_average_to_one_on_the_prior_itself() -> None:
    prior = load_prior("imagenet-sample", 5, 5.0).double()
    occurring = prior > 0
    weights = _weights()
    assert (prior * weights).sum().item() == pytest.approx(1)
    assert (weights[~occurring] == weights[occurring].max()).all()


def test_balanced_auc_is_that_of_all_pixels_of_the_set() -> None:
    """Not the mean of the images' figures: a picture of rare colours weighs more."""
    scorer = Scorer(["AuC balanced", "AuC"])
    scorer.update(["common"], painted((30, 0), (30, 0)), painted((0, 0), (0, 0)))
    scorer.update(["rare"], painted((60, 50), (60, 50)), painted((60, 50), (60, 50)))
    summary = summarize(scorer.rows(), {"one": ["common"]})
    common, rare = weight_of(0, 0), weight_of(60, 50)
    expected = 100 * (0.8 * common + rare) / (common + rare)
    assert summary["all"]["AuC balanced"] == pytest.approx(expected, abs=0.05)
    assert summary["all"]["AuC"] == pytest.approx(90, abs=0.2)
    assert summary["one"]["AuC balanced"] == pytest.approx(80, abs=0.4)


@pytest.mark.slow
def test_gray_scores_as_published_on_photographs_of_imagenet(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """89.1 and 58.0 on ctest10k; these are 100 other photographs of ImageNet (README)."""
    monkeypatch.setenv("CROSSCHROMA_DATA", str(shared_data))
    run = score_baseline("gray", ImageNetSample(), metrics=["AuC", "AuC balanced"])
    assert run.summary["all"]["AuC"] == pytest.approx(89.1, abs=0.05)
    assert run.summary["all"]["AuC balanced"] == pytest.approx(58.1, abs=0.05)


# CIEDE2000

# L, a, b of both, and the difference: from the test data of Sharma, Wu and Dalal 2005, table 1
PAIRS = [
    ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
    ((50, 3.1571, -77.2803), (50, 0, -82.7485), 2.8615),
    ((50, 2.8361, -74.0200), (50, 0, -82.7485), 3.4412),
    ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0000),
    ((50, 0, 0), (50, -1, 2), 2.3669),
    ((50, 2.4900, -0.0010), (50, -2.4900, 0.0009), 7.1792),
    ((50, 2.4900, -0.0010), (50, -2.4900, 0.0011), 7.2195),
    ((50, 2.5, 0), (50, 0, -2.5), 4.3065),
    ((50, 2.5, 0), (73, 25, -18), 27.1492),
    ((50, 2.5, 0), (61, -5, 29), 22.8977),
    ((50, 2.5, 0), (56, -27, -3), 31.9030),
    ((50, 2.5, 0), (58, 24, 15), 19.4535),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
]


@pytest.mark.parametrize(("lab", "other", "expected"), PAIRS)
def test_ciede2000_of_the_published_pairs(lab: tuple, other: tuple, expected: float) -> None:
    first, second = (torch.tensor(each).double().view(1, 3, 1, 1) for each in (lab, other))
    assert delta_e_2000(first, second).item() == pytest.approx(expected, abs=5e-5)
    assert delta_e_2000(second, first).item() == pytest.approx(expected, abs=5e-5)


def test_ciede2000_is_scikit_images_for_grays_and_all_hues() -> None:
    generator = torch.Generator().manual_seed(0)
    span = torch.tensor([100.0, 180, 180]).double().view(1, 3, 1, 1)
    middle = torch.tensor([0.0, 90, 90]).double().view(1, 3, 1, 1)
    pair = [span * torch.rand(2, 3, 40, 40, generator=generator).double() - middle for _ in "ab"]
    pair[0][:, 1:, :5] = 0
    pair[1][:, 1:, 3:8] = 0
    expected = deltaE_ciede2000(*(each.movedim(1, -1).numpy() for each in pair))
    np.testing.assert_allclose(delta_e_2000(*pair), expected, atol=1e-10)


def test_ciede2000_of_pictures_is_the_mean_over_their_pixels() -> None:
    x, y = painted((0, 0), (20, 20)), painted((0, 0), (25, 15))
    alone = ciede2000(x[..., 1:], y[..., 1:])
    assert ciede2000(x, y).item() == pytest.approx(alone.item() / 2, abs=1e-3)
    assert ciede2000(x, x).item() == 0
