"""Trees, bushes and flowers of a generated scene."""

from __future__ import annotations

from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.random import Generator

from .canvas import Canvas, Mask
from .materials import (
    AUTUMN,
    BARK,
    BROADLEAF,
    CONIFER,
    Label,
    Material,
    Spectrum,
    f32,
    fractal,
    step,
)

Shape = Literal["round", "poplar", "conifer", "bush"]
_COARSE = 40  # rows and columns on which a crown's clumps are laid out


class Crown(NamedTuple):
    """A drawn crown that can be painted many times at any size."""

    alpha: np.ndarray  # N x N coverage
    facing: np.ndarray  # N x N cosine to the sun, self-shadowed
    texture: np.ndarray  # N x N factor on the reflectance
    aspect: float  # width over height


def draw_crown(canvas: Canvas, shape: Shape, pixels: int) -> Crown:
    """Clumps of leaves as overlapping balls with a ragged edge, lit by the scene's sun."""
    n = int(np.clip(pixels, 12, canvas.size))
    dome = cv2.resize(_dome(canvas.rng, shape), (n, n), interpolation=cv2.INTER_CUBIC)
    leaf = fractal(canvas.grain, (n, n), max(n / 20, 3), 0.85)
    bulk = dome + np.float32(0.09) * leaf * np.clip(dome * 6, 0, 1)
    alpha = step(bulk - np.float32(0.16), 0.06 if n > 40 else 0.14)
    right, up, forward = canvas.light.direction
    # rows and columns are in thirds of the crown: a slope of 1 over a third of it
    gx = cv2.Sobel(bulk, cv2.CV_32F, 1, 0, ksize=3) * np.float32(n / 24)
    gy = cv2.Sobel(bulk, cv2.CV_32F, 0, 1, ksize=3) * np.float32(n / 24)
    length = np.sqrt(gx * gx + gy * gy + 1)
    lambert = (-gx * right + gy * up + forward) / length
    # leaves let half of the light through: a crown against the sun is not black
    facing = np.clip(0.30 + 0.50 * lambert + 0.15 * leaf, 0.12, 1)
    texture = np.clip(0.78 + 0.40 * leaf + 0.5 * (dome - 0.4), 0.08, 2)
    aspect = {"round": 0.95, "poplar": 0.34, "conifer": 0.5, "bush": 1.5}[shape]
    return Crown(alpha, facing, texture, aspect * canvas.rng.uniform(0.85, 1.15))


def _dome(rng: Generator, shape: Shape) -> np.ndarray:
    """Height of a crown towards the camera, about 0 to 1, on a coarse grid."""
    axis = (np.arange(_COARSE, dtype=np.float32) + 0.5) / _COARSE
    x, y = axis[None, :], axis[:, None]
    if shape == "conifer":
        teeth = 0.82 + 0.18 * ((y * rng.uniform(6, 10)) % 1)
        half = (0.04 + 0.44 * y) * teeth
        wide = 1 - ((x - 0.5) / half) ** 2
        wide = np.sqrt(np.clip(wide, 0, 1)) * (0.35 + 0.3 * y)
        return (wide * (y < 0.97)).astype(np.float32)
    count = 26 if shape == "poplar" else 16
    turn, out = rng.uniform(0, 2 * np.pi, count), np.sqrt(rng.random(count))
    cx, cy = 0.5 + 0.29 * out * np.cos(turn), 0.5 + 0.29 * out * np.sin(turn)
    radius = rng.uniform(0.13, 0.24, count)
    if shape == "bush":
        cy = cy * 0.6 + 0.38
    distance = (x[..., None] - cx) ** 2 + (y[..., None] - cy) ** 2
    height = np.sqrt(np.clip(radius**2 - distance, 0, None)) * 2.2
    body = np.clip(0.42**2 - (x - 0.5) ** 2 - (y - 0.5) ** 2, 0, None)
    return (height.max(-1) + 0.6 * np.sqrt(body) * (height.max(-1) > 0)).astype(np.float32)


def leaf_colour(rng: Generator, material: Material | None = None) -> Spectrum:
    """One plant's leaves: mostly green, now and then autumn."""
    if material is None:
        material = AUTUMN if rng.random() < 0.08 else BROADLEAF
    return material.draw(rng)


def paint_crown(
    canvas: Canvas, crown: Crown, x: float, foot: float, height: float, leaves: Spectrum
) -> None:
    """Paint a crown ``height`` of the picture high whose lowest row is ``foot``."""
    rows = max(round(height * canvas.size), 2)
    columns = max(round(rows * crown.aspect), 2)
    planes = cv2.merge([crown.alpha, crown.facing, crown.texture])
    if canvas.rng.random() < 0.5 and abs(canvas.light.direction[0]) < 0.3:
        planes = planes[:, ::-1]
    sprite = cv2.resize(planes, (columns, rows), interpolation=cv2.INTER_AREA)
    top, left = round(foot * canvas.size) - rows, round(x * canvas.size - columns / 2)
    mask = Mask(top, left, np.ascontiguousarray(sprite[..., 0]))
    # leaves scatter NIR among each other: shade between them is half as deep there, and light
    # that went through several leaves adds about a fifth
    shade = sprite[..., 2]
    factor = np.stack([shade, shade, shade, 1.2 * np.sqrt(shade)], -1)
    kilometres = canvas.kilometres(foot)
    canvas.paint(
        mask, leaves * factor, Label.FOLIAGE, sprite[..., 1], openness=0.55, kilometres=kilometres
    )


def paint_tree(
    canvas: Canvas, crown: Crown, x: float, foot: float, height: float, leaves: Spectrum
) -> None:
    """A tree on the ground at row ``foot``: trunk, crown and shadow."""
    rng, conifer = canvas.rng, crown.aspect < 0.7
    width = height * rng.uniform(0.022, 0.04)
    stem = height * (0.16 if conifer else rng.uniform(0.2, 0.4))
    with canvas.thing(foot, boxed=False):
        trunk = canvas.polygon(
            [
                (x - width * 0.7, foot - stem * 1.6),
                (x + width * 0.7, foot - stem * 1.6),
                (x + width, foot),
                (x - width, foot),
            ]
        )
        bark = 1 + 0.25 * fractal(canvas.grain, trunk.alpha.shape, 4) if trunk.alpha.size else 1.0
        canvas.paint(trunk, BARK.draw(rng), Label.WOOD, 0.35, texture=bark, openness=0.6)
        paint_crown(canvas, crown, x, foot - stem * 0.8, height - stem * 0.8, leaves)


def paint_tree_line(canvas: Canvas, y: float, height: float, *, conifers: bool) -> None:
    """A row of trees across the picture, standing at row ``y``; gaps where there are any."""
    rng = canvas.rng
    pixels = int(height * canvas.size * 1.2)
    tall: Shape = "conifer" if conifers else "round"
    shapes: tuple[Shape, ...] = (tall, tall, "bush")
    crowns = [draw_crown(canvas, shape, pixels) for shape in shapes]
    base = leaf_colour(rng, CONIFER if conifers else None)
    start, end = sorted(rng.uniform(-0.3, 1.3, 2)) if rng.random() < 0.4 else (-0.1, 1.1)
    spacing = height * (0.3 if conifers else 0.45)
    for x in np.arange(start, end, spacing):
        crown = crowns[rng.integers(0, 2) if rng.random() < 0.8 else 2]
        rise = height * rng.uniform(0.6, 1.15) * (0.5 if crown is crowns[2] else 1)
        leaves = base * np.float32(rng.uniform(0.75, 1.25))
        if rng.random() < 0.15:
            leaves = leaf_colour(rng)
        x_at = x + rng.uniform(-0.5, 0.5) * spacing
        paint_crown(canvas, crown, x_at, y + rng.uniform(0, 0.012), rise, leaves)


def paint_trunk(canvas: Canvas, x: float, width: float, foot: float) -> None:
    """A near trunk that leaves the picture at the top: furrowed bark, lit from one side."""
    rng, lean = canvas.rng, canvas.rng.uniform(-0.06, 0.06)
    with canvas.thing(foot, boxed=False):
        mask = canvas.polygon(
            [
                (x - width * 0.42 + lean, -0.02),
                (x + width * 0.42 + lean, -0.02),
                (x + width * 0.5, foot - width * 0.4),
                (x + width * 0.75, foot),
                (x - width * 0.75, foot),
                (x - width * 0.5, foot - width * 0.4),
            ]
        )
        rows, columns = mask.alpha.shape
        if not rows or not columns:
            return
        furrows = fractal(canvas.grain, (max(rows // 5, 2), columns), max(columns / 5, 3), 0.7)
        furrows = cv2.resize(furrows, (columns, rows), interpolation=cv2.INTER_LINEAR)
        side = np.linspace(-1, 1, columns, dtype=np.float32)[None]
        right, _, forward = canvas.light.direction
        round_ = side * right + np.sqrt(np.clip(1 - side**2, 0, 1)) * forward
        facing = np.clip(round_ * 0.8 + 0.15 + 0.08 * furrows, 0.02, 1)
        texture = np.clip(1 + 0.28 * furrows, 0.3, 2)
        canvas.paint(mask, BARK.draw(rng), Label.WOOD, facing, texture=texture, openness=0.6)


# visible reflectance of poppies, buttercups, daisies, lavender and clover
_PETALS = (
    (0.50, 0.03, 0.02),
    (0.65, 0.48, 0.03),
    (0.65, 0.65, 0.60),
    (0.20, 0.13, 0.45),
    (0.50, 0.16, 0.30),
)


def paint_flowers(canvas: Canvas, y: float, depth: float) -> None:
    """A bed of flowers on a meadow, from row ``y`` on, all of one kind."""
    rng, size = canvas.rng, canvas.size
    x, wide = rng.uniform(0, 1), rng.uniform(0.15, 0.6)
    top, bottom = int(y * size), min(int((y + depth) * size), size)
    left, right = max(int((x - wide / 2) * size), 0), min(int((x + wide / 2) * size), size)
    if bottom - top < 2 or right - left < 2:
        return
    shape = (bottom - top, right - left)
    spots = fractal(canvas.grain, shape, max(size * depth * 0.14, 2), 0.6)
    rows = np.linspace(-1, 1, shape[0], dtype=np.float32)[:, None]
    columns = np.linspace(-1, 1, shape[1], dtype=np.float32)[None]
    spots += 1.2 * np.clip(1 - rows**2 - columns**2, -1, 1)
    alpha = step(spots - np.float32(1.45), 0.5)
    texture = 1 + 0.2 * fractal(canvas.grain, shape, 2)
    petals = f32([*_PETALS[rng.integers(0, len(_PETALS))], rng.uniform(0.5, 0.7)])
    canvas.paint(Mask(top, left, alpha), petals, Label.FOLIAGE, 0.6, texture=texture)
