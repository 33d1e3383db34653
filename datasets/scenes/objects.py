"""Things of a generated scene: what people made, dyed and painted, and what lies about."""

from __future__ import annotations

import itertools

import cv2
import numpy as np

from .buildings import draw_wall_colour
from .canvas import Canvas, Mask, Points
from .materials import (
    BOARDS,
    DRY_GRASS,
    GLASS,
    HAIR,
    ROCK,
    RUBBER,
    SKIN,
    Label,
    Spectrum,
    dyed,
    f32,
    fractal,
    step,
)


def paint_car(canvas: Canvas, x: float, foot: float, length: float) -> None:
    """A car from the side: paint of any hue, dark glass and tyres."""
    rng = canvas.rng
    direction, h = rng.choice([-1, 1]), length * rng.uniform(0.32, 0.4)
    paint = dyed(rng, (0.2, 0.65))

    def at(points: Points) -> list[tuple[float, float]]:
        return [(x + direction * u * length / 2, foot - v * h) for u, v in points]

    body = [(-1, 0.2), (-1, 0.52), (-0.86, 0.6), (-0.45, 0.62), (0.5, 0.62), (0.94, 0.5), (1, 0.2)]
    cabin = [(-0.8, 0.58), (-0.58, 0.97), (0.1, 1.0), (0.52, 0.58)]
    panes = [(-0.68, 0.62), (-0.52, 0.9), (0.06, 0.92), (0.38, 0.62)]
    post = [(-0.2, 0.6), (-0.2, 0.95), (-0.14, 0.95), (-0.14, 0.6)]
    side = max(0.8 * canvas.light.direction[2], 0.05)
    with canvas.thing(foot):
        shade = canvas.polygon(at([(-0.95, 0.0), (-0.95, 0.25), (0.95, 0.25), (0.95, 0.0)]))
        canvas.paint(shade, RUBBER.draw(rng), Label.RUBBER, 0.05, openness=0.3)
        mask = canvas.polygon(at(body))
        curve = np.linspace(1, 0.45, max(mask.alpha.shape[0], 1), dtype=np.float32)[:, None]
        facing = np.clip(side + 0.5 * (curve - 0.6), 0.02, 1)
        canvas.paint(mask, paint, Label.PAINT, facing, openness=0.7)
        canvas.paint(canvas.polygon(at(cabin)), paint, Label.PAINT, canvas.light.direction[1])
        canvas.paint(canvas.polygon(at(panes)), GLASS.draw(rng), Label.GLASS, 0.9, openness=1.5)
        canvas.paint(canvas.polygon(at(post)), paint, Label.PAINT, side)
        for u in (-0.62, 0.62):
            wheel = x + direction * u * length / 2
            tyre = canvas.ellipse(wheel, foot - 0.17 * h, 0.18 * h, 0.18 * h)
            canvas.paint(tyre, RUBBER.draw(rng), Label.RUBBER, side)
            rim = canvas.ellipse(wheel, foot - 0.17 * h, 0.09 * h, 0.09 * h)
            canvas.paint(rim, f32([0.4, 0.4, 0.4, 0.4]), Label.PAINT, side)


def _folds(canvas: Canvas, mask: Mask, waves: float) -> np.ndarray:
    """Factor of the upright folds of hanging cloth."""
    rows, columns = mask.alpha.shape
    phase = canvas.rng.uniform(0, 6) + np.linspace(0, 2 * np.pi * waves, columns, dtype=np.float32)
    lean = np.linspace(0, canvas.rng.uniform(-2, 2), rows, dtype=np.float32)
    return (1 + 0.22 * np.sin(phase[None] + lean[:, None])).astype(np.float32)


def paint_person(canvas: Canvas, x: float, foot: float, height: float) -> None:
    """A standing figure: skin, hair, and clothes of any colour."""
    rng, h = canvas.rng, height
    front = max(0.35 + 0.4 * canvas.light.direction[2], 0.05)
    skin, wide = SKIN.draw(rng), h * rng.uniform(0.1, 0.13)
    dress = rng.random() < 0.3
    shirt, legs = dyed(rng), dyed(rng)
    with canvas.thing(foot):
        for side in (-1, 1):
            leg = [(0.1, 0.5), (0.95, 0.5), (0.8, 0.0), (0.25, 0.0)]
            points = [(x + side * u * wide, foot - v * h) for u, v in leg]
            canvas.paint(canvas.polygon(points), skin if dress else legs, Label.CLOTH, front)
            arm = [(0.9, 0.8), (1.3, 0.76), (1.4, 0.44), (1.15, 0.44)]
            points = [(x + side * u * wide, foot - v * h) for u, v in arm]
            canvas.paint(canvas.polygon(points), shirt, Label.CLOTH, front * 0.8)
        flare = 1.5 if dress else 1.0
        hem = 0.3 if dress else 0.46
        torso = [(-0.95, 0.81), (0.95, 0.81), (flare, hem), (-flare, hem)]
        mask = canvas.polygon([(x + u * wide, foot - v * h) for u, v in torso])
        folds = _folds(canvas, mask, 2)
        canvas.paint(mask, shirt, Label.CLOTH, front, texture=folds)
        head = foot - 0.91 * h
        canvas.paint(
            canvas.ellipse(x, head - 0.02 * h, 0.065 * h, 0.075 * h),
            HAIR.draw(rng),
            Label.SKIN,
            front,
        )
        canvas.paint(
            canvas.ellipse(x, head + 0.012 * h, 0.052 * h, 0.065 * h), skin, Label.SKIN, front
        )


def paint_umbrella(canvas: Canvas, x: float, foot: float, height: float) -> None:
    """A parasol of alternating gores on a pole."""
    rng = canvas.rng
    wide, top = height * rng.uniform(0.5, 0.75), foot - height
    colours = [dyed(rng), dyed(rng)] if rng.random() < 0.7 else [dyed(rng)] * 2
    rim, gores = top + height * 0.32, 8
    pole = height * 0.015
    with canvas.thing(foot):
        stick = [(x - pole, top), (x + pole, top), (x + pole, foot), (x - pole, foot)]
        canvas.paint(canvas.polygon(stick), f32([0.5, 0.5, 0.5, 0.5]), Label.PAINT, 0.5)
        turns = np.linspace(np.pi, 0, gores + 1)
        for gore, (a, b) in enumerate(itertools.pairwise(turns)):
            x0, x1 = x + wide * np.cos(a), x + wide * np.cos(b)
            sag = height * 0.03
            bow = [(x + 0.72 * wide * np.cos(t), top + 0.10 * height) for t in (a, b)]
            points = [(x, top), bow[1], (x1, rim), ((x0 + x1) / 2, rim - sag), (x0, rim), bow[0]]
            side = np.cos((a + b) / 2) * canvas.light.direction[0]
            facing = float(np.clip(0.7 * canvas.light.direction[1] + 0.7 * side, 0.03, 1))
            canvas.paint(canvas.polygon(points), colours[gore % 2], Label.CLOTH, facing)


def paint_tent(canvas: Canvas, x: float, foot: float, height: float) -> None:
    """A ridge tent: a dark entrance in front and one long cloth side."""
    rng, h = canvas.rng, height
    direction, colour = rng.choice([-1, 1]), dyed(rng)
    wide, long = h * rng.uniform(0.55, 0.8), h * rng.uniform(0.9, 1.6)
    right, up, forward = canvas.light.direction
    top = (x, foot - h)
    with canvas.thing(foot):
        side = [
            top,
            (x + direction * long, foot - h * 0.95),
            (x + direction * (long + wide), foot - 0.1 * h),
            (x + direction * wide, foot),
        ]
        lit = max(0.5 * up + 0.5 * direction * right + 0.3 * forward, 0.03)
        mask = canvas.polygon(side)
        canvas.paint(mask, colour, Label.CLOTH, lit, texture=_folds(canvas, mask, 3))
        front = canvas.polygon(
            [top, (x + direction * wide, foot), (x - direction * wide, foot - 0.02 * h)]
        )
        canvas.paint(front, colour, Label.CLOTH, max(0.6 * forward - 0.3 * direction * right, 0.03))
        door = [top, (x + 0.35 * wide, foot), (x - 0.35 * wide, foot)]
        canvas.paint(canvas.polygon(door), colour, Label.CLOTH, 0.02, openness=0.15)


def paint_ball(
    canvas: Canvas, x: float, foot: float, radius: float, *, spectrum: Spectrum, label: Label
) -> None:
    """A ball, a fruit or a round stone, with a highlight."""
    r = radius
    mask = canvas.ellipse(x, foot - r, r, r)
    rows, columns = mask.alpha.shape
    if not rows or not columns:
        return
    u = ((np.arange(columns, dtype=np.float32) + mask.left + 0.5) / canvas.size - x) / r
    v = ((np.arange(rows, dtype=np.float32) + mask.top + 0.5) / canvas.size - foot + r) / r
    depth = np.sqrt(np.clip(1 - u[None] ** 2 - v[:, None] ** 2, 0, 1))
    right, up, forward = canvas.light.direction
    facing = u[None] * right - v[:, None] * up + depth * max(forward, -0.2)
    texture = 1 + (0.3 if label == Label.ROCK else 0.06) * fractal(
        canvas.grain, (rows, columns), max(rows / 6, 2), 0.6
    )
    texture *= 0.7 + 0.3 * depth
    gloss = 0.0 if label in (Label.ROCK, Label.DRY) else 0.5
    shine = gloss * np.clip(facing, 0, 1) ** 24
    with canvas.thing(foot, boxed=label != Label.ROCK):
        canvas.paint(
            mask,
            spectrum + shine[..., None],
            label,
            np.clip(facing, 0, 1),
            texture=texture,
            openness=0.6,
        )


def paint_rock(canvas: Canvas, x: float, foot: float, height: float) -> None:
    """A boulder."""
    paint_ball(canvas, x, foot, height / 2, spectrum=ROCK.draw(canvas.rng), label=Label.ROCK)


def paint_bale(canvas: Canvas, x: float, foot: float, height: float) -> None:
    """A round bale of hay."""
    spectrum = DRY_GRASS.draw(canvas.rng)
    paint_ball(canvas, x, foot, height / 2, spectrum=spectrum, label=Label.DRY)


def paint_balloon(canvas: Canvas, x: float, foot: float, height: float) -> None:
    """A hot air balloon in the sky, striped."""
    rng, r = canvas.rng, height * 0.42
    colours, centre = [dyed(rng), dyed(rng), dyed(rng)], foot - height + r
    right, up, _ = canvas.light.direction
    turns = np.linspace(-np.pi / 2, np.pi / 2, 9)
    with canvas.thing():
        for gore, (a, b) in enumerate(itertools.pairwise(turns)):
            down = np.linspace(0, np.pi, 9)
            shape = np.where(down > np.pi / 2, np.sin(down) ** 0.8, np.sin(down))
            rows = centre - r * np.cos(down) * np.where(down > np.pi / 2, 1.25, 1)
            points = [(x + r * np.sin(a) * s, y) for s, y in zip(shape, rows, strict=True)]
            points += [
                (x + r * np.sin(b) * s, y) for s, y in zip(shape[::-1], rows[::-1], strict=True)
            ]
            facing = float(np.clip(0.35 + 0.4 * up + 0.7 * right * np.sin((a + b) / 2), 0.05, 1))
            canvas.paint(canvas.polygon(points), colours[gore % 3], Label.CLOTH, facing)
        w = 0.08 * height
        basket = [(x - w, foot - w), (x + w, foot - w), (x + w * 0.8, foot), (x - w * 0.8, foot)]
        canvas.paint(canvas.polygon(basket), BOARDS.draw(rng), Label.WOOD, 0.5)


def paint_boat(canvas: Canvas, x: float, foot: float, height: float) -> None:
    """A sailing boat: painted hull, cloth sails."""
    rng, h = canvas.rng, height
    hull, sail = dyed(rng, (0.3, 0.7)), dyed(rng)
    if rng.random() < 0.5:
        sail = f32([0.75, 0.74, 0.7, 0.7])
    front = max(0.4 + 0.4 * canvas.light.direction[2], 0.08)
    with canvas.thing():
        for points, spectrum, label in (
            ([(-0.36, 0.12), (0.4, 0.12), (0.28, 0), (-0.26, 0)], hull, Label.PAINT),
            ([(0.02, 1), (0.02, 0.17), (0.34, 0.17)], sail, Label.CLOTH),
            ([(-0.01, 0.9), (-0.01, 0.17), (-0.3, 0.17)], sail, Label.CLOTH),
        ):
            mask = canvas.polygon([(x + u * h, foot - v * h) for u, v in points])
            canvas.paint(mask, spectrum, label, front)


def paint_laundry(canvas: Canvas, x: float, foot: float, height: float) -> None:
    """Pieces of cloth on a line between two posts."""
    rng, h = canvas.rng, height
    long, count = h * rng.uniform(1.6, 2.6), int(rng.integers(3, 6))
    with canvas.thing(foot):
        for end in (x, x + long):
            post = [
                (end - 0.02 * h, foot - h),
                (end + 0.02 * h, foot - h),
                (end + 0.02 * h, foot),
                (end - 0.02 * h, foot),
            ]
            canvas.paint(canvas.polygon(post), BOARDS.draw(rng), Label.WOOD, 0.4)
        step_ = long / count
        for piece in range(count):
            left, drop = x + (piece + 0.06) * step_, h * rng.uniform(0.3, 0.65)
            top = foot - h * 0.95
            mask = canvas.polygon(
                [
                    (left, top),
                    (left + 0.86 * step_, top),
                    (left + 0.86 * step_, top + drop),
                    (left, top + drop),
                ]
            )
            if mask.alpha.size:
                canvas.paint(mask, dyed(rng), Label.CLOTH, 0.45, texture=_folds(canvas, mask, 2))


def paint_table(canvas: Canvas) -> None:
    """A table top of boards, from the horizon down, with grain that runs away or across."""
    rng, size = canvas.rng, canvas.size
    top = int(canvas.horizon * size)
    shape = (size - top, size)
    streak = fractal(canvas.grain, (max(shape[0] // 2, 2), max(size // 12, 2)), size / 20, 0.7)
    grain = cv2.resize(streak, (size, shape[0]), interpolation=cv2.INTER_CUBIC)
    rows = (np.arange(shape[0], dtype=np.float32) / shape[0])[:, None]
    joints = np.abs(((rows + 0.3) ** 1.5 * rng.uniform(2, 5)) % 1 - 0.5) < 0.012
    texture = (1 + 0.16 * grain) * np.where(joints, np.float32(0.5), np.float32(1))
    up = canvas.light.direction[1]
    canvas.paint(canvas.window(top, size), BOARDS.draw(rng), Label.WOOD, up, texture=texture)


def paint_fruit(canvas: Canvas, x: float, foot: float, height: float) -> None:
    """An orange, a lemon, an apple, a plum or a toy ball: all bright in NIR."""
    rng = canvas.rng
    kinds = f32(
        [
            [0.80, 0.30, 0.03],
            [0.75, 0.58, 0.06],
            [0.45, 0.04, 0.03],
            [0.28, 0.42, 0.06],
            [0.10, 0.03, 0.09],
        ]
    )
    if rng.random() < 0.25:
        spectrum, label = dyed(rng, (0.4, 0.7)), Label.PAINT
    else:
        spectrum = f32([*kinds[rng.integers(0, len(kinds))], rng.uniform(0.5, 0.75)])
        label = Label.FRUIT
    paint_ball(canvas, x, foot, height / 2, spectrum=spectrum, label=label)


def paint_curtain(canvas: Canvas) -> None:
    """Behind a table: a wall of one colour, and perhaps a hanging cloth."""
    rng, size = canvas.rng, canvas.size
    rows = int(canvas.horizon * size) + 1
    stains = fractal(canvas.grain, (rows, size), size / 2, 0.5)
    glow = np.linspace(1.15, 0.75, size, dtype=np.float32)[None][:, :: int(rng.choice([-1, 1]))]
    mask = canvas.window(0, rows)
    facing = np.clip(0.5 * glow * (1 + 0.06 * stains), 0, 1)
    canvas.paint(mask, draw_wall_colour(rng), Label.WALL, facing)
    if rng.random() < 0.6:
        left, wide = rng.uniform(-0.1, 0.8), rng.uniform(0.2, 0.6)
        cloth = canvas.polygon(
            [
                (left, -0.02),
                (left + wide, -0.02),
                (left + wide, canvas.horizon),
                (left, canvas.horizon),
            ]
        )
        if cloth.alpha.size:
            folds = _folds(canvas, cloth, rng.uniform(3, 8))
            noise = step(fractal(canvas.grain, cloth.alpha.shape, 12), 6)
            canvas.paint(cloth, dyed(rng), Label.CLOTH, 0.45, texture=folds * (0.8 + 0.4 * noise))
