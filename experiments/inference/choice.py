"""Which weights colour a picture, and what they are called."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ...models.base.shipped_weights import ShippedWeights, default_weights, shipped_list
from .colorizer import Colorizer
from .input_kind import Guess, guess_kind
from .picture_file import from_pil, read_picture

_INPUTS = {"gray": "gray photographs", "nir": "near-infrared pictures"}


def colorizer_for(
    picture: Path | str | Image.Image | np.ndarray, device: str = "cpu"
) -> tuple[Colorizer, Guess]:
    """The shipped weights that fit a picture, and why.

    Args:
        picture: a file, an image of Pillow, or an array as ``Colorizer`` takes it.
        device: where to compute.

    Raises:
        DataError: no such picture.
        UserError: no weights come with this installation.
    """
    if isinstance(picture, np.ndarray):
        levels = picture
    elif isinstance(picture, Image.Image):
        levels = from_pil(picture).levels
    else:
        levels = read_picture(Path(picture)).levels
    guess = guess_kind([levels])
    return Colorizer.load(default_weights(guess.domain), device=device), guess


def title(colorizer: Colorizer) -> str:
    """What a method is called for people: the title of shipped weights, else the run's name."""
    if shipped := _shipped(colorizer):
        return shipped.title
    if colorizer.origin is None:
        return colorizer.name
    path = Path(colorizer.origin.run)
    run = path.parent.name if path.suffix == ".pt" else path.stem
    return f"{run}:{colorizer.origin.output}" if colorizer.origin.output else run


def input_of(colorizer: Colorizer) -> str:
    """Which pictures a method is for."""
    shipped = _shipped(colorizer)
    return shipped.input if shipped else _INPUTS[colorizer.domain]


def first_with_hints(methods: Sequence[Colorizer]) -> int:
    """The number of the first for gray photographs that takes hints, else of their default."""
    for number, method in enumerate(methods):
        if method.domain == "gray" and method.takes_hints:
            return number
    default = default_weights("gray")
    names = [method.origin.run if method.origin else "" for method in methods]
    return names.index(default) if default in names else 0


def _shipped(colorizer: Colorizer) -> ShippedWeights | None:
    if colorizer.origin is None or colorizer.origin.output:
        return None
    names = {entry.name: entry for entry in shipped_list()}
    return names.get(colorizer.origin.run)
