"""The guess between a photograph and near infrared."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from crosschroma.experiments.inference import choice
from crosschroma.experiments.inference.colorizer import Colorizer
from crosschroma.experiments.inference.input_kind import (
    SIDE,
    WEIGHTS,
    Guess,
    InputKindNetwork,
    guess_kind,
    kind_views,
)
from crosschroma.models.unet import UNet
from PIL import Image

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("guess", "domain", "sure", "text"),
    [
        (Guess(5.0), "nir", True, "It looks like a near-infrared picture."),
        (Guess(-5.0), "gray", True, "It looks like a photograph."),
        (
            Guess(1.0),
            "gray",
            False,
            "Photograph or near infrared? Unclear, taken for a photograph.",
        ),
        (Guess(5.0, colored=True), "gray", True, "It has colours: a photograph."),
    ],
)
def test_what_is_not_clear_is_a_photograph(
    guess: Guess, domain: str, sure: bool, text: str
) -> None:
    assert (guess.domain, guess.sure, guess.text) == (domain, sure, text)


def test_depth_exposure_and_shape_do_not_matter() -> None:
    plane = np.random.default_rng(0).integers(50, 150, (90, 300), np.uint8)
    plane = np.sort(plane, axis=0)
    expected = guess_kind([plane]).log_odds
    deep = plane.astype(np.uint16) * 257
    for levels in (deep, plane / 255, np.repeat(plane[..., None], 3, 2), deep // 16):
        assert guess_kind([levels]).log_odds == pytest.approx(expected, abs=1)
    assert kind_views(plane).shape == (2, 1, SIDE, SIDE)
    assert guess_kind([plane.T]).log_odds != pytest.approx(expected, abs=1)


def test_several_pictures_make_the_odds_clearer() -> None:
    plane = np.sort(np.random.default_rng(0).integers(50, 150, (90, 90), np.uint8), axis=0)
    one = guess_kind([plane]).log_odds
    assert guess_kind([plane] * 4).log_odds == pytest.approx(2 * one, rel=1e-4)


def test_a_picture_in_colour_is_a_photograph() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    assert guess_kind([rgb]) == Guess(-float("inf"), colored=True)


def test_the_stored_network_is_small_and_whole() -> None:
    assert WEIGHTS.stat().st_size < 2e6
    planes = torch.rand(2, 1, SIDE, SIDE)
    assert InputKindNetwork().eval()(planes).shape == (2,)


def test_the_committed_rates_are_those_of_the_stored_sets() -> None:
    from crosschroma.experiments.input_kind.fit import error_rates

    report = json.loads((REPOSITORY / "results" / "input_kind.json").read_text())
    sets = report.pop("sets")
    assert report == error_rates(sets)
    assert {name for name in sets if name.endswith(" nir")} == {"vcip nir", "rgb-nir-scene nir"}
    # photographs are what most people have: hardly one may be painted as near infrared
    assert report["gray"]["taken_wrongly"] < 0.03


def test_the_guess_on_real_pictures(shared_data: Path) -> None:
    """The committed rates, on a few of VCIP's test images and of BSDS500's."""
    from crosschroma.datasets.bsds500 import Bsds500
    from crosschroma.datasets.vcip import Vcip

    pairs = Vcip(root=shared_data / "vcip2020").split("test")
    photos = Bsds500(root=shared_data / "bsds500").split("test")
    nir = [pairs.load(index)["nir"] for index in range(8)]
    gray = [photos.load(index)["rgb"][..., 1] for index in range(0, 160, 20)]
    assert guess_kind(nir).domain == "nir"
    assert guess_kind(gray).domain == "gray"
    assert guess_kind(gray).sure


def test_weights_are_called_by_their_titles() -> None:
    method = UNet.Config(domain="gray", width=4, levels=2).build()
    assert choice.title(Colorizer(method, None)) == "unet"
    assert choice.input_of(Colorizer(method, None)) == "gray photographs"
    colorizer, guess = choice.colorizer_for(Image.new("RGB", (40, 30), "red"))
    assert (guess.colored, colorizer.domain) == (True, "gray")
    assert choice.title(colorizer) == "Photographs, colour classes"
    assert choice.first_with_hints([colorizer]) == 0
