"""Generated NIR/RGB scenes: the embedded default dataset, which needs no download.

The physical idea: materials have a reflectance in red, green, blue and near infrared, and light
falls on them. Leaves are dark green and bright in NIR, a clear sky and water are dark there, cloth
and paint have any hue but an NIR that does not tell it. So the colour of sky and trees can be
learnt from NIR or gray, that of an umbrella only guessed, as in real pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, ClassVar, NamedTuple

import cv2
import numpy as np
from numpy.random import Generator, SeedSequence, default_rng

from ..base.adapter import Adapter, Planes, Source, SplitName
from ..base.bounds import Count, Natural
from ..base.typed_values import Bound
from .canvas import Canvas
from .layouts import KINDS
from .materials import draw_light, spread

PROTOCOL = "scenes-v1"  # to be counted up whenever the pictures change
_SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")
_SMALLEST = 32


class Rendered(NamedTuple):
    """One generated scene."""

    rgb: np.ndarray  # size x size x 3 uint8, sRGB
    nir: np.ndarray  # size x size uint8, with the same tone curve
    boxes: np.ndarray  # K x 4 float32 xyxy, pixels
    labels: np.ndarray  # size x size uint8, a ``Label`` each


def render(size: int, seed: SeedSequence) -> Rendered:
    """Paint and photograph the scene of a seed.

    The composition is the same at every size, but for rounding; texture and noise are not.

    Args:
        size: rows and columns, at least 32.
        seed: decides everything; not changed.
    """
    rng, grain, noise = (default_rng([*seed.generate_state(4), part]) for part in range(3))
    canvas = Canvas(size, rng, grain, draw_light(rng))
    kinds = list(KINDS)
    weights = np.array([KINDS[kind] for kind in kinds])
    kinds[rng.choice(len(kinds), p=weights / weights.sum())](canvas)
    rgb, nir = _photograph(canvas.radiance, rng, noise)
    return Rendered(rgb, nir, canvas.boxes(), canvas.labels)


def _photograph(
    radiance: np.ndarray, rng: Generator, noise: Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Expose, white-balance and develop both cameras: sRGB and NIR, uint8."""
    size = len(radiance)
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    vignette = 1 - np.float32(rng.uniform(0, 0.45)) * (axis[:, None] ** 2 + axis[None] ** 2)
    seen = cv2.transform(radiance, _camera_matrix(radiance[::4, ::4], rng))
    # lens and sensor: NIR focuses a little behind the visible image
    seen[..., 3] = cv2.GaussianBlur(seen[..., 3], (0, 0), 0.55 * max(size / 256, 0.6))
    seen *= spread(vignette)
    shot, read = rng.uniform(0.0001, 0.0009), rng.uniform(0.001, 0.004)
    sigma = np.sqrt(np.maximum(seen, 0) * np.float32(shot) + np.float32(read**2))
    # two bytes summed are near enough to a normal variable, at a tenth of its time
    dice = noise.integers(0, 256, (2, *seen.shape), np.uint8)
    seen += sigma * ((np.add(*dice, dtype=np.uint16) - np.float32(255)) * np.float32(1 / 104.5))
    levels = np.clip(seen * np.float32(_LEVELS), 0, 2 * _LEVELS - 1).astype(np.uint16)
    out = _tone_curve().take(levels)
    return cv2.cvtColor(out, cv2.COLOR_RGBA2RGB), np.ascontiguousarray(out[..., 3])


def _camera_matrix(radiance: np.ndarray, rng: Generator) -> np.ndarray:
    """4 x 4: exposure of both cameras, white balance and saturation of the visible one."""
    means = radiance[..., :3].mean((0, 1))
    balance = (means.mean() / means) ** np.float32(rng.uniform(0.1, 0.45))
    balance = np.clip(balance, 0.8, 1.3) * rng.uniform(0.97, 1.03, 3)
    luma = np.array([0.2126, 0.7152, 0.0722])
    saturation = rng.uniform(0.8, 1.2)
    colour = saturation * np.eye(3) + (1 - saturation) * luma[None]
    out = np.zeros((4, 4), np.float32)
    out[:3, :3] = colour @ np.diag(balance) * _exposure(radiance[..., :3] @ luma, rng)
    out[3, 3] = _exposure(radiance[..., 3], rng) * 1.1
    return out


def _exposure(plane: np.ndarray, rng: Generator) -> float:
    """Factor that brings middle tones near 0.13 and highlights near 0.8, half of each."""
    middle, high = np.percentile(plane, [50, 97])
    best = np.sqrt((0.13 / max(middle, 1e-3)) * (0.8 / max(high, 1e-3)))
    return float(best * 2 ** rng.uniform(-0.9, 0.5))


_LEVELS = 4096  # table entries for a linear value of 1; 0.8 of an 8-bit level at black


@lru_cache(maxsize=1)
def _tone_curve() -> np.ndarray:
    """8-bit sRGB for linear values from 0 to 2, with a soft shoulder above 0.7."""
    linear = np.arange(2 * _LEVELS) / _LEVELS
    soft = linear / (1 + linear**4) ** 0.25
    encoded = np.where(soft <= 0.0031308, 12.92 * soft, 1.055 * soft ** (1 / 2.4) - 0.055)
    return np.round(encoded * 255).astype(np.uint8)


class SceneSource:
    """The scenes of one split, each painted when it is asked for."""

    def __init__(self, name: SplitName, count: int, size: int, scene_seed: int) -> None:
        self._size, self._seed, self._split = size, scene_seed, _SPLITS.index(name)
        self.keys: Sequence[str] = [f"{name}/{index:05d}" for index in range(count)]

    def __len__(self) -> int:
        return len(self.keys)

    def load(self, index: int) -> Planes:
        """Scene ``index``: rgb, nir and boxes; the same bytes whenever and wherever asked."""
        index = range(len(self))[index]
        seed = SeedSequence([self._seed, self._split, index])
        scene = render(self._size, seed)
        return Planes(rgb=scene.rgb, nir=scene.nir, boxes=scene.boxes)

    def stamp(self, index: int) -> str:
        """The protocol and the settings: all that decides the picture besides its key."""
        return f"{PROTOCOL} {self._size} {self._seed} {self.keys[index]}"


@dataclass(frozen=True, kw_only=True)
class Scenes(Adapter):
    """Generated scenes of fields, mountains, lakes, streets, forests, parks and tables.

    Scenes are drawn by NumPy's PCG64 from (scene_seed, split, index), so that no split shares a
    scene with another and neither order, process nor machine matters; where OpenCV or NumPy use
    other vector instructions a pixel may differ by one level. Numbers on them say nothing about
    real images: results carry the protocol's name.

    Attributes:
        size: rows and columns, at least 32.
        count_train: scenes in the training split.
        count_validation: scenes in the validation split.
        count_test: scenes in the test split.
        scene_seed: another seed, other scenes; at least 0.
    """

    size: Annotated[int, Bound(least=_SMALLEST, most=2**14)] = 256
    count_train: Count = 2000
    count_validation: Count = 64
    count_test: Count = 64
    scene_seed: Natural = 0

    name: ClassVar[str] = "scenes"
    folder: ClassVar[str] = "scenes"
    planes: ClassVar[frozenset[str]] = frozenset({"rgb", "nir", "boxes"})
    layout: ClassVar[str] = "nothing: scenes are generated"

    @property
    def protocol(self) -> str:
        """The version of the pictures, then what of the test scenes is not the default.

        Scores at other sizes, seeds or counts are not comparable and must not share a name.
        """
        size = "" if self.size == Scenes.size else f"-{self.size}px"
        seed = "" if self.scene_seed == Scenes.scene_seed else f"-seed{self.scene_seed}"
        count = "" if self.count_test == Scenes.count_test else f"-n{self.count_test}"
        return PROTOCOL + size + seed + count

    def base(self) -> Path:
        """No folder is needed."""
        return self.root or Path()

    def split(self, name: SplitName) -> Source:
        """The scenes of one split."""
        return SceneSource(name, getattr(self, f"count_{name}"), self.size, self.scene_seed)
