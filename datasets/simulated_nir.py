"""Near infrared made up from colour: more scenes for a NIR method than pairs were ever taken of."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from .errors import DataError, UserError
from .joined import Joined
from .source import Planes, Source, SplitName

# NIR = w . (R, G, B, 1) in levels of [0,1], fitted to each of the 336 pairs of vcip-clean (64x64
# pixels, ridge of 2 towards (0, 1, 0, 0.3)): mean of w, its deviation, and its correlations. A pair
# is explained to 81% (median); the deviation of what is left is 0.05.
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
_VERSION = 2  # of all this, for caches


def simulate_nir(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A NIR plane that a colour picture might have.

    How a surface reflects beyond red cannot be told from its colour, so the response to R, G and B
    is drawn anew, as those of true pairs are distributed: mostly plants are bright, what is blue is
    dark, and what is gray keeps half of its contrast; now and then all is otherwise. The pairs
    know no red things: dyes and pigments that reflect red mostly reflect NIR, so these are made
    brighter. A smooth field joins it for what no colour explains. A method that is to work on all
    of these learns what to make of an unknown NIR camera rather than of one formula.

    Args:
        rgb: H x W x 3 uint8, sRGB.
        rng: everything random comes from it.

    Returns:
        H x W uint8.
    """
    height, width = rgb.shape[:2]
    response = (_MEAN + _RESPONSE @ rng.standard_normal(4)).astype(np.float32)
    field = _UNEXPLAINED * rng.standard_normal((_PATCHES, _PATCHES)).astype(np.float32)
    colors = rgb.astype(np.float32) / 255
    nir = colors @ response[:3] + response[3]
    nir += rng.uniform(*_RED) * np.clip(colors[..., 0] - colors[..., 1:].max(-1), 0, None)
    nir += cv2.resize(field, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.rint(255 * np.clip(nir, 0, 1)).astype(np.uint8)


class MixedSource:
    """Photographs, each with several simulated NIR planes, and as many pairs as the share asks for.

    A photograph's NIR is drawn from its key and the number of the draw, and is the same at every
    time.
    """

    def __init__(self, pairs: Source, photos: Source, share: float, draws: int) -> None:
        self.pairs, self.photos, self.drawn = pairs, photos, draws * len(photos)
        count = round(self.drawn * (1 - share) / share)
        self.keys: Sequence[str] = [
            *(f"{pairs.keys[i % len(pairs)]} #{i // len(pairs)}" for i in range(count)),
            *(f"{key} simulated {draw}" for draw in range(draws) for key in photos.keys),
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
        return {"rgb": planes["rgb"], "nir": simulate_nir(planes["rgb"], rng)}

    def stamp(self, index: int) -> str:
        """That of the pair or of the photograph."""
        photo = index - (len(self) - self.drawn)
        if photo < 0:
            return self.pairs.stamp(index % len(self.pairs))
        return f"{self.photos.stamp(photo % len(self.photos))} simulated {_VERSION}"


@dataclass(frozen=True, kw_only=True)
class PairsAndSimulated(Joined):
    """Pairs for everything, and in training photographs with simulated NIR among them.

    Name, protocol, validation and test are those of the pairs; ``root`` is the pairs' folder.

    Attributes:
        share: of photographs among the training images.
        draws: NIR planes that a photograph has, in turn.
    """

    share: float = 0.5
    draws: int = 4

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not 0 < self.share < 1:
            raise UserError(f"share {self.share}: must be more than 0 and less than 1")
        if self.draws < 1:
            raise UserError(f"draws {self.draws}: a photograph needs at least 1")

    @property
    def train_data(self) -> str:
        """Names both."""
        return f"{super().train_data} with simulated NIR"

    def split(self, name: SplitName) -> Source:
        """The pairs of a split, for ``train`` with photographs; ``DataError`` without either."""
        pairs = self._pairs().split(name)
        if name != "train":
            return pairs
        return MixedSource(pairs, self.photos.split("train"), self.share, self.draws)
