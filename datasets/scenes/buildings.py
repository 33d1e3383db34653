"""Houses and streets of a generated scene."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.random import Generator

from .canvas import Canvas
from .materials import (
    BRICK,
    CONCRETE,
    GLASS,
    OCHRE,
    PLASTER,
    ROOF_TILE,
    SLATE,
    Label,
    Spectrum,
    dyed,
    f32,
    fractal,
)


def draw_wall(
    canvas: Canvas, rows: int, columns: int, spectrum: Spectrum, storeys: int
) -> tuple[Spectrum, np.ndarray]:
    """A wall with windows, seen straight on: reflectance and labels, rows x columns."""
    rng = canvas.rng
    rows, columns = max(rows, 6), max(columns, 6)
    stains = fractal(canvas.grain, (rows, columns), max(rows / 3, 2), 0.6)
    wall = spectrum * (1 + 0.07 * stains)[..., None]
    if spectrum[0] > 1.9 * spectrum[2] and rows > 24:
        wall *= _courses(canvas.grain, rows, columns)[..., None]
    labels = np.full((rows, columns), Label.WALL, np.uint8)
    floor, wide = rows / storeys, rows / storeys * rng.uniform(0.7, 1.1)
    bays = max(1, int(columns / wide))
    shutters = dyed(rng, (0.3, 0.65)) if rng.random() < 0.6 else None
    frame = f32([0.6, 0.58, 0.55, 0.55])
    for storey in range(storeys):
        for bay in range(bays):
            x, y = (bay + 0.5) * columns / bays, (storey + 0.52) * floor
            w, h = 0.17 * wide, 0.27 * floor
            if shutters is not None:
                _patch(
                    wall, labels, (x - 1.9 * w, y - h, x + 1.9 * w, y + h), shutters, Label.PAINT
                )
            else:
                _patch(
                    wall,
                    labels,
                    (x - 1.3 * w, y - 1.15 * h, x + 1.3 * w, y + 1.15 * h),
                    frame,
                    Label.WALL,
                )
            _patch(
                wall, labels, (x - w, y - h, x + w, y + h), GLASS.draw(canvas.grain), Label.GLASS
            )
    if rng.random() < 0.7:
        x = (int(rng.random() * bays) + 0.5) * columns / bays
        door = (x - 0.22 * wide, rows - 0.72 * floor, x + 0.22 * wide, rows)
        _patch(wall, labels, door, dyed(rng, (0.3, 0.65)), Label.PAINT)
    return wall.astype(np.float32), labels


def _courses(rng: Generator, rows: int, columns: int) -> np.ndarray:
    """Factor of brickwork: joints between courses, each shifted by half a brick."""
    height = max(3, rows // 24)
    course = np.arange(rows)[:, None] // height
    along = np.arange(columns)[None] + (course % 2) * height
    joint = (np.arange(rows)[:, None] % height == 0) | (along % (2 * height) == 0)
    tones = rng.uniform(0.85, 1.12, (rows // height + 1, columns // (2 * height) + 2))
    tone = tones.astype(np.float32)[course, along // (2 * height)]
    return np.where(joint, np.float32(1.3), tone)


def _patch(
    wall: Spectrum,
    labels: np.ndarray,
    box: tuple[float, float, float, float],
    spectrum: Spectrum,
    label: Label,
) -> None:
    x0, y0, x1, y1 = (max(round(value), 0) for value in box)
    wall[y0:y1, x0:x1] = spectrum
    labels[y0:y1, x0:x1] = label


def draw_wall_colour(rng: Generator) -> Spectrum:
    """Plaster, ochre, brick, concrete or painted."""
    kind = rng.choice(5, p=[0.35, 0.2, 0.2, 0.1, 0.15])
    if kind == 4:
        return dyed(rng, (0.4, 0.7)) * np.float32(0.5) + PLASTER.draw(rng) * np.float32(0.5)
    return (PLASTER, OCHRE, BRICK, CONCRETE)[kind].draw(rng)


def paint_house(canvas: Canvas, x: float, foot: float, height: float) -> None:
    """A house seen across its corner: gable, long side and one slope of the roof."""
    rng = canvas.rng
    direction = -1 if x > 0.5 else 1  # the long side runs towards the middle of the picture
    gable, long = height * rng.uniform(0.5, 0.8), height * rng.uniform(0.7, 1.3)
    eaves, rise = foot - height * 0.6, foot - height * 0.04
    colour, storeys = draw_wall_colour(rng), int(rng.choice([1, 2, 2, 3]))
    roof = (ROOF_TILE if rng.random() < 0.7 else SLATE).draw(rng)
    right, up, forward = canvas.light.direction
    front = max(0.75 * forward - 0.5 * direction * right, 0.0)
    side = max(0.6 * forward + 0.75 * direction * right, 0.0)
    slope = max(0.55 * up + 0.35 * forward + 0.55 * direction * right, 0.0)
    corner, back, end = x, x - direction * gable, x + direction * long
    top = (x - direction * gable * 0.5, foot - height)
    far_top = (top[0] + direction * long * 0.95, foot - height * 0.97)
    pixels = int(height * canvas.size)
    with canvas.thing(foot):
        for points, facing in (
            ([(back, eaves), (corner, eaves), (corner, foot), (back, rise)], front),
            ([(corner, eaves), (end, eaves + 0.03 * height), (end, rise), (corner, foot)], side),
        ):
            width = int(abs(points[1][0] - points[0][0]) * canvas.size)
            wall, labels = draw_wall(canvas, int(pixels * 0.6), width, colour, storeys)
            canvas.quad(points, wall, labels, facing)
        canvas.paint(
            canvas.polygon([(back, eaves), top, (corner, eaves)]), colour, Label.WALL, front
        )
        over = height * 0.05
        tiles = _tiles(canvas, roof, pixels)
        corners = [
            top,
            far_top,
            (end + direction * over, eaves + 0.05 * height),
            (corner + direction * over * 0.4, eaves + over * 0.7),
        ]
        canvas.quad(corners, tiles, np.full(tiles.shape[:2], Label.ROOF, np.uint8), slope)


def _tiles(canvas: Canvas, roof: Spectrum, pixels: int) -> Spectrum:
    rows = max(pixels // 2, 4)
    texture = 1 + 0.12 * fractal(canvas.grain, (rows, rows), 4)
    texture *= np.float32(1) - 0.25 * (np.arange(rows) % max(rows // 10, 3) == 0)[:, None]
    return (roof * texture[..., None]).astype(np.float32)


def paint_street_side(canvas: Canvas, side: int, start: float, vanish: float) -> None:
    """A row of house fronts along a street, in perspective towards (vanish, horizon).

    Args:
        canvas: the scene.
        side: -1 for the left of the street, 1 for the right.
        start: where the near end meets the bottom row, as distance from the vanishing point.
        vanish: column of the vanishing point.
    """
    rng = canvas.rng
    right, _, forward = canvas.light.direction
    facing = max(0.9 * -side * right + 0.2 * forward, 0.0)
    depths = [0.55]
    while depths[-1] < 9:
        depths.append(depths[-1] * rng.uniform(1.35, 1.9))
    tall = rng.uniform(0.7, 1.6)
    for near, far in reversed(list(itertools.pairwise(depths))):
        high = tall * rng.uniform(0.7, 1.3)
        below = 1 - canvas.horizon

        def at(depth: float, level: float) -> tuple[float, float]:
            return vanish + side * start / depth, canvas.horizon + level / depth

        corners = [at(near, -high), at(far, -high), at(far, below), at(near, below)]
        pixels = int(min((high + below) / near, 1.2) * canvas.size)
        wall, labels = draw_wall(
            canvas,
            pixels,
            int(pixels * rng.uniform(0.8, 1.4)),
            draw_wall_colour(rng),
            int(rng.integers(2, 5)),
        )
        canvas.quad(corners, wall, labels, facing, openness=0.6)
