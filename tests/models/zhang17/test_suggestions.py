"""Colours to choose from, of distributions whose groups are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from crosschroma.datasets.base.color import rgb_to_lab
from crosschroma.datasets.base.errors import UserError
from crosschroma.models.zhang17.network import class_centres, nearest_class
from crosschroma.models.zhang17.suggestions import suggest_colors, weighted_k_means


def peaks(**logits: float) -> torch.Tensor:
    """Logits of 529 classes; those named ``n40_m20`` (a 40, b -20) stand out."""
    found = torch.full((529,), -1e4)
    for name, value in logits.items():
        a, b = (int(word.replace("m", "-")) for word in name[1:].split("_"))
        found[nearest_class(torch.tensor([a, b]).view(1, 2, 1, 1)).item()] = value
    return found


def test_groups_become_suggestions_the_largest_first() -> None:
    logits = peaks(n0_0=0.0, n50_40=5 * np.log(2), n60_40=5 * np.log(1), nm40_30=5 * np.log(4))
    found = suggest_colors(logits, 0.6, count=3)
    shares = [suggestion.share for suggestion in found]
    assert shares == pytest.approx([4 / 8, 3 / 8, 1 / 8], abs=0.01)
    expected = [(-40, 30), (50 + 10 / 3, 40), (0, 0)]
    for suggestion, (a, b) in zip(found, expected, strict=True):
        assert (suggestion.a, suggestion.b) == pytest.approx((a, b), abs=0.7)


def test_the_colour_is_that_of_the_pixels_luminance() -> None:
    for suggestion in suggest_colors(torch.zeros(529), 0.45):
        rgb = torch.tensor(suggestion.rgb).view(1, 3, 1, 1) / 255
        lightness, a, b = rgb_to_lab(rgb).flatten().tolist()
        assert lightness == pytest.approx(45, abs=0.6)
        assert (suggestion.a, suggestion.b) == pytest.approx((a, b), abs=1e-3)


def test_colours_outside_srgb_lose_chroma_and_keep_their_hue() -> None:
    [suggestion] = suggest_colors(peaks(n0_90=0.0), 0.3, count=1)
    assert 10 < suggestion.b < 60
    assert abs(suggestion.a) < 2


def test_a_lower_temperature_leaves_the_likeliest() -> None:
    logits = peaks(n50_40=2.0, nm40_30=0.0)
    assert suggest_colors(logits, 0.6, temperature=0.1)[0].share == pytest.approx(1, abs=1e-3)
    even = suggest_colors(logits, 0.6, temperature=100)
    assert [s.share for s in even] == pytest.approx([0.5, 0.5], abs=0.02)


def test_classes_that_no_colour_has_are_not_drawn() -> None:
    impossible = int(nearest_class(torch.tensor([-110.0, -110.0]).view(1, 2, 1, 1)))
    logits = peaks(n0_0=0.0)
    logits[impossible] = 50
    assert len(suggest_colors(logits, 0.5)) == 1


def test_suggestions_repeat() -> None:
    logits = torch.randn(529, generator=torch.Generator().manual_seed(0))
    assert suggest_colors(logits, 0.5) == suggest_colors(logits, 0.5)
    assert suggest_colors(logits, 0.5) != suggest_colors(logits, 0.5, seed=1)
    assert len(suggest_colors(logits, 0.5)) == 5


def test_weights_count_as_repeated_points() -> None:
    """The result is a fixed point of k-means over the points written out."""
    rng = np.random.default_rng(0)
    points = rng.permutation(400).reshape(-1, 2)[:60].astype(float)
    repeats = rng.integers(1, 6, len(points))
    centres, totals = weighted_k_means(points, repeats.astype(float), 4, rng)
    written = np.repeat(points, repeats, axis=0)
    nearest = np.square(written[:, None] - centres).sum(-1).argmin(1)
    for number, centre in enumerate(centres):
        np.testing.assert_allclose(written[nearest == number].mean(0), centre)
        assert totals[number] == (nearest == number).sum()
    assert totals.sum() == repeats.sum()


@pytest.mark.parametrize(
    ("settings", "text"),
    [({"count": 0}, "count 0"), ({"temperature": 0.0}, "temperature 0"), ({"samples": 0}, "0")],
)
def test_settings_are_checked(settings: dict, text: str) -> None:
    with pytest.raises(UserError, match=f"suggestions: .*{text}"):
        suggest_colors(torch.zeros(529), 0.5, **settings)


def test_logits_are_those_of_one_pixel() -> None:
    with pytest.raises(UserError, match=r"\(313,\) logits; one pixel has 529"):
        suggest_colors(torch.zeros(313), 0.5)


def test_classes_are_the_grid_by_a_then_b() -> None:
    centres = class_centres()
    assert centres.shape == (529, 2)
    assert centres[[0, 1, 23, 528]].tolist() == [
        [-110, -110],
        [-110, -100],
        [-100, -110],
        [110] * 2,
    ]
    everything = centres.T[None, :, :, None]
    assert torch.equal(nearest_class(everything + 4.9).flatten()[:528], torch.arange(528))
    assert torch.equal(nearest_class(everything - 4.9).flatten(), torch.arange(529))
