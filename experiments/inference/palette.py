"""The colours of a whole picture, and how another picture is made to take after them."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...datasets.base.color import AB_SCALE, rgb_to_lab
from ...datasets.base.errors import DataError, unknown
from ...models.color.ab_bins import BINS
from ...models.color.global_hints import GLOBAL_HINTS, HISTOGRAM, global_hints
from ...models.layers.guided_upsample import resized
from .picture_file import quantised

_SIDE = 256  # short side at which a reference is measured, as methods see pictures in training
_LEAST_SPREAD = 0.5  # ab units, and
_MOST_GAIN = 4.0  # beyond them, noise would become colour


@dataclass(frozen=True, kw_only=True)
class Palette:
    """What is kept of a reference picture's colours.

    Attributes:
        histogram: shares of the 313 ab bins, as ``global_hints`` counts them.
        saturation: mean saturation (HSV) in [0,1].
        ab_mean: mean a and b, CIE units.
        ab_std: their standard deviations.
        source: what the reference was called, for display.
        lightness: mean L* in [0,100]; ``None`` where it was not kept, as in older hints files.

    Raises:
        DataError: a value out of range.
    """

    histogram: tuple[float, ...]
    saturation: float
    ab_mean: tuple[float, float]
    ab_std: tuple[float, float]
    source: str = ""
    lightness: float | None = None

    def __post_init__(self) -> None:
        """Check lengths and ranges."""
        _check("histogram", self.histogram, BINS, 0, 1)
        _check("saturation", (self.saturation,), 1, 0, 1)
        _check("ab_mean", self.ab_mean, 2, -AB_SCALE, AB_SCALE)
        _check("ab_std", self.ab_std, 2, 0, AB_SCALE)
        if self.lightness is not None:
            _check("lightness", (self.lightness,), 1, 0, 100)

    @classmethod
    def of(cls, levels: np.ndarray, source: str = "") -> Palette:
        """The palette of a picture.

        Args:
            levels: H x W x 3 sRGB or H x W gray levels; uint8, uint16 or float32 in [0,1].
            source: its name.
        """
        unit = quantised(levels, np.dtype(np.float32))
        planes = np.repeat(unit[None], 3, 0) if unit.ndim == 2 else unit.transpose(2, 0, 1)
        rgb = torch.from_numpy(np.ascontiguousarray(planes))[None]
        scale = min(1.0, _SIDE / min(rgb.shape[-2:]))
        rgb = resized(rgb, tuple(max(4, round(scale * side)) for side in rgb.shape[-2:]))
        numbers = global_hints(rgb.clamp(0, 1))[0].tolist()
        lightness, a, b = rgb_to_lab(rgb.clamp(0, 1))[0].double()
        return cls(
            histogram=tuple(numbers[:BINS]),
            saturation=numbers[HISTOGRAM],
            ab_mean=(a.mean().item(), b.mean().item()),
            ab_std=(a.std(correction=0).item(), b.std(correction=0).item()),
            source=source,
            lightness=min(max(lightness.mean().item(), 0.0), 100.0),
        )

    @classmethod
    def from_plain(cls, data: Any) -> Palette:
        """A palette from decoded JSON.

        Raises:
            DataError: it is none.
        """
        names = [field.name for field in fields(cls)]
        if not isinstance(data, dict):
            raise DataError(f"the palette is no object with {', '.join(names)}")
        if surplus := sorted(map(str, data.keys() - set(names))):
            raise DataError(unknown("key of the palette", surplus[0], names))
        needed = [field.name for field in fields(cls) if field.default is MISSING]
        if missing := [name for name in needed if name not in data]:
            raise DataError(f"the palette has no {', '.join(missing)}")
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in data.items()
        }
        return cls(**{**values, "source": str(data.get("source", ""))})

    def global_hints(self) -> Tensor:
        """1 x 316 as ``Batch["global_hints"]``, histogram and saturation given."""
        hints = torch.ones(1, GLOBAL_HINTS)
        hints[0, :BINS] = torch.tensor(self.histogram)
        hints[0, HISTOGRAM] = self.saturation
        return hints


@dataclass(frozen=True)
class Recolor:
    """a and b, each stretched and moved so that they have a palette's mean and spread.

    Paper: Reinhard, Ashikhmin, Gooch and Shirley 2001, "Color Transfer between Images", section 3.
    Differs: in CIE Lab, with a bound on the stretching; L* is left as it is where it is known, and
    moved to the palette's mean where it is predicted, from NIR.

    Attributes:
        gain: factors of a and b.
        offset: added afterwards, CIE units.
        lift: added to L*.
    """

    gain: tuple[float, ...]
    offset: tuple[float, ...]
    lift: float = 0.0

    @classmethod
    def between(cls, colors: Tensor, palette: Palette) -> Recolor:
        """From the colours of a picture to a palette.

        Args:
            colors: 1 x 2 x H x W ab in CIE units, or, predicted from NIR, 1 x 3 x H x W sRGB in
                [0,1].
            palette: which to take after.
        """
        lift, ab = 0.0, colors
        if colors.shape[1] == 3:
            lab = rgb_to_lab(colors)
            ab = lab[:, 1:]
            if palette.lightness is not None:
                lift = palette.lightness - lab[:, 0].double().mean().item()
        planes = ab[0].double()
        means = planes.mean((1, 2)).tolist()
        spreads = planes.std((1, 2), correction=0).tolist()
        gain = tuple(
            min(target / max(spread, _LEAST_SPREAD), _MOST_GAIN)
            for target, spread in zip(palette.ab_std, spreads, strict=True)
        )
        moved = zip(palette.ab_mean, gain, means, strict=True)
        offset = tuple(target - factor * spread for target, factor, spread in moved)
        return cls(gain, offset, lift)

    def towards(self, other: Recolor, share: float) -> Recolor:
        """This one, changed by a share of the difference to another."""
        pairs = ((self.gain, other.gain), (self.offset, other.offset))
        gain, offset = (
            tuple(one + share * (two - one) for one, two in zip(*pair, strict=True))
            for pair in pairs
        )
        return Recolor(gain, offset, self.lift + share * (other.lift - self.lift))

    def __call__(self, ab: Tensor) -> Tensor:
        """B2HW in CIE units to the same."""
        gain, offset = (
            ab.new_tensor(values).view(1, 2, 1, 1) for values in (self.gain, self.offset)
        )
        return gain * ab + offset


def _check(name: str, values: Any, count: int, low: float, high: float) -> None:
    numbers = isinstance(values, tuple) and all(
        isinstance(value, (int, float)) and not isinstance(value, bool) for value in values
    )
    if not numbers or len(values) != count:
        raise DataError(f"{name} of the palette must be {count} number{'s' * (count > 1)}")
    if not all(low <= value <= high for value in values):
        raise DataError(f"{name} of the palette: must be {low:g} to {high:g}")
