"""Generated NIR/RGB scenes: the embedded default dataset, which needs no download.

The physical idea: materials have a reflectance in red, green, blue and near infrared, and light
falls on them. Leaves are dark green and bright in NIR, a clear sky and water are dark there, cloth
and paint have any hue but an NIR that does not tell it. So the colour of sky and trees can be
learnt from NIR or gray, that of an umbrella only guessed, as in real pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, NamedTuple

import cv2
import numpy as np
from numpy.random import Generator, SeedSequence, default_rng

from .errors import UserError
from .scene_backdrop import paint_ground, paint_mountains, paint_road, paint_sky, paint_water
from .scene_canvas import Canvas
from .scene_materials import (
    CONCRETE,
    CONIFER,
    DRY_GRASS,
    GRASS,
    SAND,
    SNOW,
    SOIL,
    Light,
    draw_light,
    spread,
)
from .scene_objects import (
    paint_bale,
    paint_balloon,
    paint_boat,
    paint_car,
    paint_curtain,
    paint_fruit,
    paint_house,
    paint_laundry,
    paint_person,
    paint_rock,
    paint_street_side,
    paint_table,
    paint_tent,
    paint_umbrella,
)
from .scene_plants import (
    Shape,
    draw_crown,
    leaf_colour,
    paint_crown,
    paint_flowers,
    paint_tree,
    paint_tree_line,
    paint_trunk,
)
from .source import Adapter, Planes, Source, SplitName

PROTOCOL = "scenes-v1"  # to be counted up whenever the pictures change
_SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")
_SMALLEST = 32

Place = Callable[[Canvas], tuple[float, float]]


class Rendered(NamedTuple):
    """One generated scene."""

    rgb: np.ndarray  # size x size x 3 uint8, sRGB
    nir: np.ndarray  # size x size uint8, with the same tone curve
    boxes: np.ndarray  # K x 4 float32 xyxy, pixels
    labels: np.ndarray  # size x size uint8, a ``Label`` each


def render(size: int, seed: SeedSequence) -> Rendered:
    """Paint and photograph the scene of a seed.

    The composition is the same at every size; texture and noise are not.

    Args:
        size: rows and columns, at least 32.
        seed: decides everything; not changed.
    """
    rng, grain, noise = (default_rng([*seed.generate_state(4), part]) for part in range(3))
    canvas = Canvas(size, rng, grain, draw_light(rng))
    kinds = list(_KINDS)
    weights = np.array([_KINDS[kind] for kind in kinds])
    kinds[rng.choice(len(kinds), p=weights / weights.sum())](canvas)
    rgb, nir = _photograph(canvas.radiance, rng, noise)
    return Rendered(rgb, nir, canvas.boxes(), canvas.labels)


def _on_ground(canvas: Canvas, low: float = 0.04, high: float = 0.5) -> tuple[float, float]:
    """A place to stand, as (column, row), ``low`` to ``high`` of the way to the bottom row."""
    share = canvas.rng.uniform(low**0.5, high**0.5) ** 2
    return canvas.rng.uniform(0.05, 0.95), canvas.horizon + share * (1 - canvas.horizon)


def _backdrop(canvas: Canvas) -> None:
    """Sky, and sometimes hills and a line of trees at the horizon."""
    rng = canvas.rng
    paint_sky(canvas)
    if rng.random() < 0.7:
        paint_mountains(canvas, int(rng.integers(1, 4)), alpine=rng.random() < 0.35)
    if rng.random() < 0.7:
        height = rng.uniform(0.03, 0.13)
        paint_tree_line(canvas, canvas.horizon + 0.01, height, conifers=rng.random() < 0.3)


def _meadow(canvas: Canvas) -> Sequence:
    choices = ([GRASS], [GRASS, DRY_GRASS], [DRY_GRASS, GRASS], [GRASS, SOIL], [DRY_GRASS, SOIL])
    return choices[canvas.rng.integers(0, len(choices))]


def _country(canvas: Canvas) -> None:
    """Fields and meadows with trees, houses, a road, and what stands about on them."""
    rng = canvas.rng
    canvas.horizon, canvas.eye = rng.uniform(0.3, 0.6), rng.uniform(2.5, 7)
    _backdrop(canvas)
    field = rng.random() < 0.3
    materials = [[SOIL], [GRASS, SOIL], [SOIL, GRASS]][rng.integers(0, 3)]
    plane = paint_ground(canvas, materials if field else _meadow(canvas), rows=field)
    if rng.random() < 0.4:
        paint_road(canvas, plane, paved=rng.random() < 0.6)
    things: list[Callable] = [_house] * int(rng.integers(0, 4)) + [_tree] * int(rng.integers(1, 6))
    extras = (_bale, _car, _person, _bush, _rock, _laundry, _tent)
    things += [extras[rng.integers(0, len(extras))] for _ in range(rng.integers(1, 5))]
    _stand(canvas, things, 0.03, 0.45)
    if not field and rng.random() < 0.3:
        paint_flowers(canvas, rng.uniform(canvas.horizon + 0.15, 0.85), rng.uniform(0.08, 0.2))
    if rng.random() < 0.12:
        paint_balloon(canvas, rng.uniform(0.1, 0.9), rng.uniform(0.2, canvas.horizon - 0.05), 0.2)


def _mountain(canvas: Canvas) -> None:
    """High ridges above a slope of grass, scree or snow with conifers and boulders."""
    rng = canvas.rng
    canvas.horizon, canvas.eye = rng.uniform(0.5, 0.72), rng.uniform(4, 12)
    paint_sky(canvas)
    paint_mountains(canvas, int(rng.integers(2, 5)), alpine=True)
    if rng.random() < 0.6:
        paint_tree_line(canvas, canvas.horizon + 0.01, rng.uniform(0.03, 0.08), conifers=True)
    ground = ([GRASS, DRY_GRASS], [DRY_GRASS, SOIL], [SNOW, DRY_GRASS], [SNOW])[rng.integers(0, 4)]
    paint_ground(canvas, ground, bumps=0.05)
    things: list[Callable] = [_conifer] * int(rng.integers(0, 6))
    things += [_rock] * int(rng.integers(0, 4))
    things += [_tent] * int(rng.integers(0, 3)) + [_person] * int(rng.integers(0, 3))
    _stand(canvas, things, 0.05, 0.5)


def _lake(canvas: Canvas) -> None:
    """Water that mirrors hills and trees, with sails, or a beach with parasols."""
    rng = canvas.rng
    canvas.horizon, canvas.eye = rng.uniform(0.32, 0.58), rng.uniform(2, 5)
    _backdrop(canvas)
    beach = rng.random() < 0.55
    if beach:
        paint_ground(canvas, [[SAND], [GRASS], [SAND, GRASS]][rng.integers(0, 3)], bumps=0.0)
    shore = rng.uniform(0.25, 0.6) if beach else None
    paint_water(canvas, shore=shore)
    for _ in range(rng.integers(0, 4)):
        x, y = _on_ground(canvas, 0.03, 0.2)
        paint_boat(canvas, x, y, min(7 * canvas.metre(y), 0.4))
    if shore is not None:
        extras = (_umbrella, _person, _tent, _umbrella, _laundry)
        things = [extras[rng.integers(0, len(extras))] for _ in range(rng.integers(1, 6))]
        _stand(canvas, things, min(shore + 0.15, 0.75), 0.95)


def _street(canvas: Canvas) -> None:
    """House fronts along a paved street, with cars and people."""
    rng = canvas.rng
    canvas.horizon, canvas.eye = rng.uniform(0.4, 0.6), rng.uniform(1.6, 3)
    paint_sky(canvas)
    if rng.random() < 0.5:
        paint_tree_line(canvas, canvas.horizon + 0.01, rng.uniform(0.05, 0.14), conifers=False)
    plane = paint_ground(canvas, [CONCRETE], bumps=0.0)
    paint_road(canvas, plane, paved=True)
    vanish = rng.uniform(0.3, 0.7)
    for side in (-1, 1):
        if rng.random() < 0.8:
            paint_street_side(canvas, side, rng.uniform(0.4, 0.75), vanish)
    things: list[Callable] = [_car] * int(rng.integers(0, 4)) + [_person] * int(rng.integers(0, 5))
    things += [_tree] * int(rng.integers(0, 3)) + [_umbrella] * int(rng.integers(0, 2))
    _stand(canvas, things, 0.06, 0.5)


def _forest(canvas: Canvas) -> None:
    """Undergrowth and crowns close by, with trunks that leave the picture."""
    rng = canvas.rng
    canvas.horizon, canvas.eye = rng.uniform(0.45, 0.7), 1.7
    paint_sky(canvas)
    conifers = rng.random() < 0.35
    for depth in range(2):
        height = rng.uniform(0.4, 0.7) * (1 - 0.3 * depth)
        paint_tree_line(canvas, canvas.horizon + 0.02 * depth, height, conifers=conifers)
    ground = ([GRASS], [SOIL, GRASS], [GRASS, SOIL], [DRY_GRASS, GRASS])[rng.integers(0, 4)]
    plane = paint_ground(canvas, ground, bumps=0.03)
    if rng.random() < 0.4:
        paint_road(canvas, plane, paved=rng.random() < 0.3)
    _stand(canvas, [_bush] * int(rng.integers(0, 4)) + [_person] * int(rng.integers(0, 2)), 0.1, 0.5)
    for _ in range(rng.integers(1, 5)):
        x, foot = _on_ground(canvas, 0.1, 0.8)
        paint_trunk(canvas, x, max(0.5 * canvas.metre(foot), 0.02), foot)


def _park(canvas: Canvas) -> None:
    """A lawn with trees where people, parasols, tents and balls are."""
    rng = canvas.rng
    canvas.horizon, canvas.eye = rng.uniform(0.25, 0.5), rng.uniform(1.8, 3.5)
    _backdrop(canvas)
    plane = paint_ground(canvas, [[GRASS], [GRASS, DRY_GRASS], [GRASS, SAND]][rng.integers(0, 3)])
    if rng.random() < 0.3:
        paint_road(canvas, plane, paved=rng.random() < 0.3)
    extras = (_person, _person, _umbrella, _tent, _ball, _laundry)
    things = [extras[rng.integers(0, len(extras))] for _ in range(rng.integers(3, 8))]
    _stand(canvas, things + [_tree] * int(rng.integers(1, 4)), 0.08, 0.65)
    if rng.random() < 0.35:
        paint_flowers(canvas, rng.uniform(0.6, 0.85), rng.uniform(0.08, 0.2))


def _still_life(canvas: Canvas) -> None:
    """Fruit and balls on a table before a wall and a cloth, near a window."""
    rng = canvas.rng
    canvas.horizon, canvas.eye = rng.uniform(0.35, 0.6), 0.35
    canvas.light = _indoors(canvas.light, rng)
    paint_curtain(canvas)
    paint_table(canvas)
    for x, y in sorted(
        (_on_ground(canvas, 0.15, 0.8) for _ in range(rng.integers(3, 8))), key=lambda at: at[1]
    ):
        paint_fruit(canvas, x, y, rng.uniform(0.7, 1.2) * 0.12 * (0.5 + y))


def _indoors(light: Light, rng: Generator) -> Light:
    """Window or lamp light: soft, from the front and one side."""
    direction = np.array([rng.uniform(-0.7, 0.7), rng.uniform(0.45, 0.8), rng.uniform(0.1, 0.6)])
    x, y, z = (float(part) for part in direction / np.linalg.norm(direction))
    warm = rng.uniform(0, 1)
    sun = np.float32([0.9, 0.86 - 0.16 * warm, 0.8 - 0.35 * warm, 0.7 + 0.3 * warm])
    return Light(sun, sun * np.float32(0.4), (x, y, z), light.zenith, light.horizon, 0.0, 0.0)


_KINDS: dict[Callable[[Canvas], None], float] = {
    _country: 0.28,
    _mountain: 0.14,
    _lake: 0.14,
    _street: 0.12,
    _forest: 0.11,
    _park: 0.14,
    _still_life: 0.07,
}


def _stand(canvas: Canvas, things: Sequence[Callable], low: float, high: float) -> None:
    """Put things on the ground, the farthest first."""
    places = [(*_on_ground(canvas, low, high), thing) for thing in things]
    for x, y, thing in sorted(places, key=lambda place: place[1]):
        thing(canvas, x, y)


def _house(canvas: Canvas, x: float, y: float) -> None:
    paint_house(canvas, x, y, min(canvas.rng.uniform(7, 11) * canvas.metre(y), 0.75))


def _tree(canvas: Canvas, x: float, y: float) -> None:
    rng = canvas.rng
    shapes: tuple[Shape, ...] = ("round", "round", "round", "poplar", "conifer")
    shape = shapes[rng.integers(0, len(shapes))]
    height = min(rng.uniform(6, 16) * canvas.metre(y), rng.uniform(0.6, 0.95))
    crown = draw_crown(canvas, shape, int(height * canvas.size))
    leaves = leaf_colour(rng, CONIFER if shape == "conifer" else None)
    paint_tree(canvas, crown, x, y, height, leaves)


def _conifer(canvas: Canvas, x: float, y: float) -> None:
    height = min(canvas.rng.uniform(8, 18) * canvas.metre(y), canvas.rng.uniform(0.4, 0.8))
    crown = draw_crown(canvas, "conifer", int(height * canvas.size))
    paint_tree(canvas, crown, x, y, height, CONIFER.draw(canvas.rng))


def _bush(canvas: Canvas, x: float, y: float) -> None:
    height = min(canvas.rng.uniform(0.8, 2.5) * canvas.metre(y), 0.4)
    crown = draw_crown(canvas, "bush", int(height * canvas.size))
    with canvas.thing(y, boxed=False):
        paint_crown(canvas, crown, x, y, height, leaf_colour(canvas.rng))


def _bale(canvas: Canvas, x: float, y: float) -> None:
    paint_bale(canvas, x, y, 1.5 * canvas.metre(y))


def _rock(canvas: Canvas, x: float, y: float) -> None:
    paint_rock(canvas, x, y, min(canvas.rng.uniform(0.4, 2) * canvas.metre(y), 0.3))


def _car(canvas: Canvas, x: float, y: float) -> None:
    paint_car(canvas, x, y, min(4.4 * canvas.metre(y), 0.7))


def _person(canvas: Canvas, x: float, y: float) -> None:
    paint_person(canvas, x, y, canvas.rng.uniform(1.5, 1.9) * canvas.metre(y))


def _umbrella(canvas: Canvas, x: float, y: float) -> None:
    paint_umbrella(canvas, x, y, min(2.4 * canvas.metre(y), 0.6))


def _tent(canvas: Canvas, x: float, y: float) -> None:
    paint_tent(canvas, x, y, min(1.5 * canvas.metre(y), 0.35))


def _laundry(canvas: Canvas, x: float, y: float) -> None:
    paint_laundry(canvas, x, y, min(1.9 * canvas.metre(y), 0.4))


def _ball(canvas: Canvas, x: float, y: float) -> None:
    paint_fruit(canvas, x, y, canvas.rng.uniform(0.25, 0.9) * canvas.metre(y))


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
    # three bytes summed are near enough to a normal variable, at a tenth of its time
    dice = noise.integers(0, 256, (3, *seen.shape), np.uint8).sum(0, dtype=np.uint16)
    seen += sigma * ((dice - np.float32(382.5)) * np.float32(1 / 128))
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

    size: int = 256
    count_train: int = 2000
    count_validation: int = 64
    count_test: int = 64
    scene_seed: int = 0

    name: ClassVar[str] = "scenes"
    folder: ClassVar[str] = "scenes"
    planes: ClassVar[frozenset[str]] = frozenset({"rgb", "nir", "boxes"})
    layout: ClassVar[str] = "nothing: scenes are generated"

    @property
    def protocol(self) -> str:
        """The version of the pictures."""
        return PROTOCOL

    def __post_init__(self) -> None:
        if self.size < _SMALLEST:
            raise UserError(f"scenes: size {self.size} is below {_SMALLEST}; set a larger one")
        if self.scene_seed < 0:
            raise UserError(f"scenes: scene_seed {self.scene_seed} is negative; use 0 or more")
        for name in _SPLITS:
            if getattr(self, f"count_{name}") < 1:
                raise UserError(f"scenes: count_{name} must be at least 1")

    def base(self) -> Path:
        """No folder is needed."""
        return self.root or Path()

    def split(self, name: SplitName) -> Source:
        """The scenes of one split."""
        return SceneSource(name, getattr(self, f"count_{name}"), self.size, self.scene_seed)
