"""The kinds of generated scene: which elements stand where, from back to front."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.random import Generator

from .backdrop import paint_ground, paint_mountains, paint_road, paint_sky, paint_water
from .buildings import paint_house, paint_street_side
from .canvas import Canvas
from .materials import CONCRETE, CONIFER, DRY_GRASS, GRASS, SAND, SNOW, SOIL, Light, f32
from .objects import (
    paint_bale,
    paint_balloon,
    paint_boat,
    paint_car,
    paint_curtain,
    paint_fruit,
    paint_laundry,
    paint_person,
    paint_rock,
    paint_table,
    paint_tent,
    paint_umbrella,
)
from .plants import (
    Shape,
    draw_crown,
    leaf_colour,
    paint_crown,
    paint_flowers,
    paint_tree,
    paint_tree_line,
    paint_trunk,
)


def _on_ground(canvas: Canvas, low: float = 0.04, high: float = 0.5) -> tuple[float, float]:
    """A place to stand, as (column, row), ``low`` to ``high`` of the way to the bottom row."""
    share = canvas.rng.uniform(low**0.5, high**0.5) ** 2
    return canvas.rng.uniform(0.05, 0.95), canvas.horizon + share * (1 - canvas.horizon)


def _backdrop(canvas: Canvas) -> None:
    """Sky, and hills or a line of trees at the horizon or both."""
    rng = canvas.rng
    paint_sky(canvas)
    hills = rng.random() < 0.7
    if hills:
        paint_mountains(canvas, int(rng.integers(1, 4)), alpine=rng.random() < 0.35)
    if not hills or rng.random() < 0.6:
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
    if rng.random() < 0.12:
        paint_balloon(canvas, rng.uniform(0.1, 0.9), rng.uniform(0.2, canvas.horizon - 0.05), 0.2)
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


_SLOPES = ([GRASS, DRY_GRASS], [DRY_GRASS, GRASS], [DRY_GRASS, SOIL], [SNOW, DRY_GRASS], [SNOW])


def _mountain(canvas: Canvas) -> None:
    """High ridges above a slope of grass, scree or snow with conifers and boulders."""
    rng = canvas.rng
    canvas.horizon, canvas.eye = rng.uniform(0.5, 0.72), rng.uniform(4, 12)
    paint_sky(canvas)
    paint_mountains(canvas, int(rng.integers(2, 5)), alpine=True)
    if rng.random() < 0.6:
        paint_tree_line(canvas, canvas.horizon + 0.01, rng.uniform(0.03, 0.08), conifers=True)
    ground = _SLOPES[rng.integers(0, len(_SLOPES))]
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
    _stand(
        canvas, [_bush] * int(rng.integers(0, 4)) + [_person] * int(rng.integers(0, 2)), 0.1, 0.5
    )
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
    sun = f32([0.9, 0.86 - 0.16 * warm, 0.8 - 0.35 * warm, 0.7 + 0.3 * warm])
    return Light(sun, sun * np.float32(0.4), (x, y, z), light.zenith, light.horizon, 0.0, 0.0)


KINDS: dict[Callable[[Canvas], None], float] = {
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
