"""Near infrared made up from colour: more scenes for a NIR method than pairs were ever taken of."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .errors import DataError, UserError
from .joined import Joined
from .source import Planes, Source, SplitName

# of R, G and B on average: what is no plant is mostly as bright in NIR as in red
_WEIGHTS = (4.0, 2.0, 2.0)
_PLANTS = (0.6, 1.6)  # levels of NIR that a level of excess green adds
_SKY = (0.1, 0.7)  # levels of NIR that a level of blue over red takes away
_GAMMA = 0.3  # largest logarithm of the exponent


def simulate_nir(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A NIR plane that a colour picture might have: plants are bright in it, blue skies dark.

    How a surface reflects beyond red cannot be told from its colour, so the mixture of R, G and B,
    both effects and the exponent are drawn anew: a method that is to work on all of them learns
    what to make of an unknown NIR camera rather than of one formula.

    Args:
        rgb: H x W x 3 uint8, sRGB.
        rng: everything random comes from it.

    Returns:
        H x W uint8.
    """
    red, green, blue = np.moveaxis(rgb.astype(np.float32) / 255, -1, 0)
    share = rng.dirichlet(_WEIGHTS).astype(np.float32)
    nir = share[0] * red + share[1] * green + share[2] * blue
    nir += rng.uniform(*_PLANTS) * np.clip(2 * green - red - blue, 0, None)
    nir -= rng.uniform(*_SKY) * np.clip(blue - red, 0, None)
    nir = np.clip(nir, 0, 1) ** np.exp(rng.uniform(-_GAMMA, _GAMMA))
    return np.rint(255 * nir).astype(np.uint8)


class MixedSource:
    """Every photograph once, with simulated NIR, and as many pairs as the share asks for.

    A photograph's NIR is drawn from its key, and is the same at every time.
    """

    def __init__(self, pairs: Source, photos: Source, share: float) -> None:
        self.pairs, self.photos = pairs, photos
        count = round(len(photos) * (1 - share) / share)
        self.keys: Sequence[str] = [
            *(f"{pairs.keys[i % len(pairs)]} #{i // len(pairs)}" for i in range(count)),
            *photos.keys,
        ]

    def __len__(self) -> int:
        return len(self.keys)

    def load(self, index: int) -> Planes:
        """Decode a pair, or a photograph and its simulated NIR.

        Raises:
            DataError: a file cannot be decoded, or the photograph has no colour plane.
        """
        photo = index - (len(self) - len(self.photos))
        if photo < 0:
            return self.pairs.load(index % len(self.pairs))
        planes, key = self.photos.load(photo), self.keys[index]
        if "rgb" not in planes:
            raise DataError(
                f"{key}: the photograph has no rgb; take another dataset of photographs"
            )
        rng = np.random.default_rng(zlib.crc32(key.encode()))
        return {"rgb": planes["rgb"], "nir": simulate_nir(planes["rgb"], rng)}

    def stamp(self, index: int) -> str:
        """That of the pair or of the photograph."""
        photo = index - (len(self) - len(self.photos))
        if photo < 0:
            return self.pairs.stamp(index % len(self.pairs))
        return f"{self.photos.stamp(photo)} simulated"


@dataclass(frozen=True, kw_only=True)
class PairsAndSimulated(Joined):
    """Pairs for everything, and in training photographs with simulated NIR among them.

    Name, protocol, validation and test are those of the pairs; ``root`` is the pairs' folder.

    Attributes:
        share: of photographs among the training images.
    """

    share: float = 0.5

    def __post_init__(self) -> None:
        """Check the share."""
        if not 0 < self.share < 1:
            raise UserError(f"share {self.share}: must be more than 0 and less than 1")

    @property
    def train_data(self) -> str:
        """Names both."""
        return f"{super().train_data} with simulated NIR"

    def split(self, name: SplitName) -> Source:
        """The pairs of a split, for ``train`` with photographs; ``DataError`` without either."""
        pairs = self._pairs().split(name)
        if name != "train":
            return pairs
        return MixedSource(pairs, self.photos.split("train"), self.share)
