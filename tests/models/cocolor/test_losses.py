from __future__ import annotations

import pytest
import torch
from crosschroma.datasets.base.errors import UserError
from crosschroma.losses.structural import chord_loss
from crosschroma.models.cocolor.losses import LossWeights
from crosschroma.models.cocolor.paths import PathResult


def test_consistency_is_the_distance_of_the_results_and_the_angle_of_the_features() -> None:
    feature = torch.rand(2, 5, 3, 3) + 0.1
    one = PathResult(torch.full((2, 3, 8, 8), 0.2), torch.zeros(2, 1, 8, 8), feature)
    two = PathResult(torch.full((2, 3, 8, 8), 0.7), torch.zeros(2, 1, 8, 8), 3 * feature)
    terms = LossWeights(weight_pixel_consistency=0.5).consistency_terms("nir", one, two)
    assert terms["pixel_nir"].value.item() == pytest.approx(0.5)
    assert terms["pixel_nir"].weight == 0.5
    assert terms["feature_nir"].value.item() == pytest.approx(0, abs=1e-5)  # size does not count
    other = LossWeights().consistency_terms("nir", one, two._replace(feature=-feature))
    assert other["feature_nir"].value.item() == pytest.approx(2, abs=1e-4)


def test_errors_are_zero_at_the_truth_and_weights_of_zero_leave_terms_out() -> None:
    rgb = 0.1 + 0.8 * torch.rand(2, 3, 16, 16)
    for name, term in LossWeights().error_terms("x", rgb, rgb).items():
        assert term.value.item() == pytest.approx(0, abs=1e-5), name
    half = LossWeights(weight_l1=0.0, weight_ssim=0.0)
    assert set(half.error_terms("x", rgb, rgb * 0.5)) == {"mse_x", "angle_x"}
    chord = LossWeights(weight_chord=1.5).error_terms("x", rgb, rgb.flip(1))["chord_x"]
    assert chord.weight == 1.5
    assert chord.value == chord_loss(rgb, rgb.flip(1)) > 0.1
    with pytest.raises(UserError, match="nothing is learnt from the true colours"):
        LossWeights(weight_l1=0, weight_mse=0, weight_ssim=0, weight_angle=0)
