"""Near infrared made up from colour: more scenes for a NIR method than pairs were ever taken of."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import cv2
import numpy as np

from ..base.adapter import Planes, Source, SplitName
from ..base.bounds import Count
from ..base.errors import DataError, UserError, unknown
from ..base.typed_values import Bound
from .pairs_and_photos import PairsAndPhotos

Simulation = Literal["luminance", "response"]

# luminance: of R, G and B on average; what is no plant is mostly as bright in NIR as in red
_WEIGHTS = (4.0, 2.0, 2.0)
_PLANTS = (0.6, 1.6)  # levels of NIR that a level of excess green adds
_SKY = (0.1, 0.7)  # levels of NIR that a level of blue over red takes away
_GAMMA = 0.3  # largest logarithm of the exponent

# response: NIR = w . (R, G, B, 1) in levels of [0,1], fitted to each of the 336 pairs of vcip-clean
# (64x64 pixels, ridge of 2 towards (0, 1, 0, 0.3)): mean of w, its deviation, its correlations. A
# pair is explained to 81% (median); the deviation of what is left is 0.05.
_MEAN = np.array([-0.01, 1.34, -0.79, 0.30])
_DEVIATION = np.array([0.43, 0.46, 0.43, 0.14])
_CORRELATION = np.array(
    [
        [1.00, -0.60, -0.30, -0.28],
        [-0.60, 1.00, -0.47, 0.22],
        [-0.30, -0.47, 1.00, -0.29],
        [-0.28, 0.22, -0.29, 1.00],
    ]
)
_RESPONSE = _DEVIATION[:, None] * np.linalg.cholesky(_CORRELATION)
_RED = (0.0, 1.5)  # levels of NIR that a level of red over green and blue adds
_UNEXPLAINED = 0.05
_PATCHES = 8  # along a side, of what colour does not explain


def simulate_nir(
    rgb: np.ndarray, rng: np.random.Generator, simulation: Simulation = "luminance"
) -> np.ndarray:
    """A NIR plane that a colour picture might have: plants are bright in it, blue skies dark.

    How a surface reflects beyond red cannot be told from its colour, so what R, G and B count is
    drawn anew: a method that is to work on all of it learns what to make of an unknown NIR camera
    rather than of one formula.

    Args:
        rgb: H x W x 3 uint8, sRGB.
        rng: everything random comes from it.
        simulation: ``luminance``: a mean of R, G and B, brighter for green, darker for blue, under
            a random exponent; it keeps nearly all of the luminance, as indoor and street pictures
            may. ``response``: a linear response, distributed as those of VCIP's landscapes, where
            gray keeps half of its contrast; brighter for red, which these hardly have, since dyes
            and pigments that reflect red mostly reflect NIR; and a smooth field for what no
            colour explains.

    Returns:
        H x W uint8.

    Raises:
        UserError: another simulation.
    """
    simulations = {"luminance": _by_luminance, "response": _by_response}
    if simulation not in simulations:
        raise UserError(unknown("simulation", simulation, simulations))
    nir = simulations[simulation](rgb.astype(np.float32) / 255, rng)
    return np.rint(255 * nir).astype(np.uint8)


def _by_luminance(colors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    red, green, blue = np.moveaxis(colors, -1, 0)
    share = rng.dirichlet(_WEIGHTS).astype(np.float32)
    nir = share[0] * red + share[1] * green + share[2] * blue
    nir += rng.uniform(*_PLANTS) * np.clip(2 * green - red - blue, 0, None)
    nir -= rng.uniform(*_SKY) * np.clip(blue - red, 0, None)
    return np.clip(nir, 0, 1) ** np.exp(rng.uniform(-_GAMMA, _GAMMA))


def _by_response(colors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    height, width = colors.shape[:2]
    response = (_MEAN + _RESPONSE @ rng.standard_normal(4)).astype(np.float32)
    field = _UNEXPLAINED * rng.standard_normal((_PATCHES, _PATCHES)).astype(np.float32)
    nir = colors @ response[:3] + response[3]
    nir += rng.uniform(*_RED) * np.clip(colors[..., 0] - colors[..., 1:].max(-1), 0, None)
    nir += cv2.resize(field, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(nir, 0, 1)


class MixedSource:
    """Photographs with simulated NIR, one or several each, and as many pairs as the share asks for.

    A photograph's NIR is drawn from its key and the number of the draw, and is the same at every
    time. For the arguments see ``PairsAndSimulated``.
    """

    def __init__(
        self, pairs: Source, photos: Source, share: float, simulation: Simulation, draws: int
    ) -> None:
        self.pairs, self.photos = pairs, photos
        self.simulation: Simulation = simulation
        self.drawn = draws * len(photos)
        count = round(self.drawn * (1 - share) / share)
        self.keys: Sequence[str] = [
            *(f"{pairs.keys[i % len(pairs)]} #{i // len(pairs)}" for i in range(count)),
            *photos.keys,
            *(f"{key} again {draw}" for draw in range(1, draws) for key in photos.keys),
        ]

    def __len__(self) -> int:
        return len(self.keys)

    def load(self, index: int) -> Planes:
        """Decode a pair, or a photograph and its simulated NIR.

        Raises:
            DataError: a file cannot be decoded, or the photograph has no colour plane.
        """
        photo = index - (len(self) - self.drawn)
        if photo < 0:
            return self.pairs.load(index % len(self.pairs))
        planes, key = self.photos.load(photo % len(self.photos)), self.keys[index]
        if "rgb" not in planes:
            raise DataError(
                f"{key}: the photograph has no rgb; take another dataset of photographs"
            )
        rng = np.random.default_rng(zlib.crc32(key.encode()))
        return {"rgb": planes["rgb"], "nir": simulate_nir(planes["rgb"], rng, self.simulation)}

    def stamp(self, index: int) -> str:
        """That of the pair or of the photograph."""
        photo = index - (len(self) - self.drawn)
        if photo < 0:
            return self.pairs.stamp(index % len(self.pairs))
        return f"{self.photos.stamp(photo % len(self.photos))} simulated {self.simulation}"


@dataclass(frozen=True, kw_only=True)
class PairsAndSimulated(PairsAndPhotos):
    """Pairs for everything, and in training photographs with simulated NIR among them.

    Name, protocol, validation and test are those of the pairs; ``root`` is the pairs' folder.

    Attributes:
        share: of photographs among the training images.
        simulation: of their NIR; see ``simulate_nir``.
        draws: NIR planes that a photograph has, in turn.
    """

    share: Annotated[float, Bound(above=0, below=1)] = 0.5
    simulation: Simulation = "luminance"
    draws: Count = 1

    @property
    def train_data(self) -> str:
        """Names both."""
        return f"{super().train_data} with simulated NIR"

    def split(self, name: SplitName) -> Source:
        """The pairs of a split, for ``train`` with photographs; ``DataError`` without either."""
        pairs = self._rooted().split(name)
        if name != "train":
            return pairs
        photos = self.photos.split("train")
        return MixedSource(pairs, photos, self.share, self.simulation, self.draws)
