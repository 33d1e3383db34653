"""What lies behind and below in a generated scene: sky, mountains, ground, water, road."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from .canvas import Canvas, Mask
from .materials import (
    ASPHALT,
    BROADLEAF,
    CONIFER,
    DRY_GRASS,
    ROCK,
    SNOW,
    SOIL,
    WATER,
    Label,
    Material,
    Spectrum,
    blend,
    f32,
    fractal,
    sample,
    step,
)


def paint_sky(canvas: Canvas) -> None:
    """Blue that pales towards the horizon, a glow at the sun, and clouds, bright in NIR too."""
    light, size = canvas.light, canvas.size
    rows = min(size, int(np.ceil((canvas.horizon + 0.08) * size)) + 1)
    height = np.clip(1 - (np.arange(rows, dtype=np.float32) + 0.5) / (canvas.horizon * size), 0, 1)
    depth = (height * np.float32(max(canvas.horizon, 0.2) * 1.6)) ** np.float32(0.55)
    sky = light.horizon + (light.zenith - light.horizon) * np.clip(depth, 0, 1)[:, None]
    canvas.radiance[:rows] = sky[:, None]
    columns = (np.arange(size, dtype=np.float32) + 0.5) / size
    if light.direction[2] < 0 and light.clouds < 1:
        across = np.exp(-(((columns - 0.5 - light.direction[0]) / 0.45) ** 2))
        down = np.exp(-height / 0.5) * 0.4
        canvas.radiance[:rows] += (down[:, None] * across)[..., None] * light.sun
    if light.clouds:
        _clouds(canvas, height, columns)


def _clouds(canvas: Canvas, height: np.ndarray, columns: np.ndarray) -> None:
    light, rng = canvas.light, canvas.rng
    flat = rng.uniform(0.12, 0.45)
    distance = 1 / (height[:, None] + np.float32(flat))
    tile = fractal(canvas.grain, (256, 256), 96, rng.uniform(0.5, 0.62))
    zoom = rng.uniform(28, 60)
    u = (columns[None] - np.float32(0.5)) * distance * np.float32(zoom) + np.float32(128)
    v = np.broadcast_to(distance * np.float32(zoom * 1.3), u.shape)
    density = sample(tile, u, v)
    if light.clouds >= 1:
        tone = 1 + 0.13 * density * rng.uniform(0.4, 1.2)
        canvas.radiance[: len(height)] *= tone[..., None]
        return
    cover = step(density + np.float32(3 * light.clouds - 1.7), rng.uniform(0.7, 1.6))
    # a cloud is lit from above: its upper edge is where density grows downwards
    shift = max(1, canvas.size // 40)
    edge = density - np.concatenate([density[:1].repeat(shift, 0), density[:-shift]])
    bright = np.clip(0.75 + 0.16 * edge - 0.12 * density, 0.4, 1.05)
    body = bright[..., None] * (light.sun * np.float32(0.75) + light.sky * np.float32(0.6))
    alpha = cover * np.clip(0.45 + height * 3, 0, 1)[:, None]
    canvas.lay(Mask(0, 0, alpha), light.through(body, 6 / (height[:, None] + 0.3)), Label.CLOUD)


def paint_mountains(canvas: Canvas, layers: int, *, alpine: bool) -> None:
    """Ridges from far to near, hazier with distance; snow and rock above, forest below."""
    rng = canvas.rng
    far = rng.uniform(6, 25)
    top = rng.uniform(0.14, 0.34) if alpine else rng.uniform(0.05, 0.16)
    for layer in range(layers):
        nearness = (layer + 1) / layers
        height = top * (1 - 0.62 * layer / max(layers, 2)) * rng.uniform(0.8, 1.1)
        rocky = alpine and layer < max(1, layers - 1)
        _ridge(canvas, min(height, canvas.horizon * 0.8), far * (1.25 - nearness) ** 2, rocky)


def _ridge(canvas: Canvas, height: float, kilometres: float, rocky: bool) -> None:
    size, rng = canvas.size, canvas.rng
    line = fractal(canvas.grain, (1, size), size * rng.uniform(0.3, 0.7), 0.5 if rocky else 0.38)
    peak = canvas.horizon - height * (0.62 + 0.38 * np.tanh(0.6 * line))
    top = max(int(peak.min() * size) - 2, 0)
    bottom = min(int((canvas.horizon + 0.09) * size) + 1, size)
    rows = (np.arange(top, bottom, dtype=np.float32) + 0.5)[:, None]
    alpha = step(rows - peak.astype(np.float32) * np.float32(size))
    shape = alpha.shape
    relief = fractal(canvas.grain, shape, size * rng.uniform(0.1, 0.25), 0.6)
    facing = _facing(canvas, relief, size * (0.010 if rocky else 0.005))
    altitude = (np.float32(canvas.horizon * size) - rows) / np.float32(height * size)
    spectrum, labels = _cover(canvas, altitude + 0.12 * relief, relief, rocky)
    fine = 1 + 0.16 * fractal(canvas.grain, shape, 4)
    mask = Mask(top, 0, alpha)
    canvas.paint(mask, spectrum, labels, facing, texture=fine, kilometres=kilometres)


def _facing(canvas: Canvas, relief: np.ndarray, steepness: float) -> np.ndarray:
    """Cosine to the sun of a slope that faces the camera and carries ``relief``."""
    right, up, forward = canvas.light.direction
    across = cv2.Sobel(relief, cv2.CV_32F, 1, 0, ksize=3) * np.float32(steepness * 0.12)
    upward = cv2.Sobel(relief, cv2.CV_32F, 0, 1, ksize=3) * np.float32(steepness * 0.12)
    plain = 0.75 * up + 0.45 * forward
    return np.clip(plain - across * right + upward * up, 0.02, 1)


def _cover(
    canvas: Canvas, altitude: np.ndarray, noise: np.ndarray, rocky: bool
) -> tuple[Spectrum, np.ndarray]:
    """Reflectance and label of a mountainside by altitude (0 foot, 1 peak)."""
    rng = canvas.rng
    low = (CONIFER if rng.random() < 0.5 else BROADLEAF).draw(rng)
    open_land = (DRY_GRASS if rng.random() < 0.5 else BROADLEAF).draw(rng)
    patches = step(noise[:, ::-1] - np.float32(rng.uniform(-0.5, 1.5)), 0.4)
    spectrum = blend(low, open_land, patches)
    labels = np.full(altitude.shape, Label.FOLIAGE, np.uint8)
    if not rocky:
        return spectrum, labels
    tree_line, snow_line = rng.uniform(0.15, 0.6), rng.choice([rng.uniform(0.5, 0.9), 9.0])
    for line, material in ((tree_line, ROCK), (snow_line, SNOW)):
        above = step(altitude - np.float32(line), 0.2)
        spectrum = blend(spectrum, material.draw(rng), above)
        labels[above > 0.5] = material.label
    return spectrum, labels


class Plane:
    """Level ground below the horizon in perspective: where each pixel lies on it.

    Attributes:
        top: first row.
        near: 0 at the horizon, 1 at the bottom row; H x W.
        ahead: distance along the view in units of the bottom row's; H x W.
        across: distance to the right in the same unit, in half picture widths; H x W.
    """

    def __init__(self, canvas: Canvas, bumps: float = 0.0) -> None:
        size = canvas.size
        edge = np.full((1, size), canvas.horizon * size, np.float32)
        if bumps:
            line = fractal(canvas.grain, (1, size), size * 0.5, 0.35)
            edge -= (1 + np.tanh(0.7 * line)) * np.float32(1.5 * bumps * size)
        self.top = max(int(edge.min()), 0)
        rows = (np.arange(self.top, size, dtype=np.float32) + 0.5)[:, None]
        self.alpha = step(rows - edge)
        # half a pixel below the horizon is as far as a pixel sees
        self.near = np.maximum((rows - edge) / (size - edge), np.float32(0.5 / size))
        self.ahead = 1 / self.near
        columns = (np.arange(size, dtype=np.float32) + 0.5) / size * 2 - 1
        self.across = columns[None] * self.ahead

    def noise(self, canvas: Canvas, zoom: float, cell: float, gain: float = 0.55) -> np.ndarray:
        """A pattern that lies on the ground; ``zoom`` texture pixels per half picture width."""
        tile = fractal(canvas.grain, (256, 256), cell, gain)
        # rows of the texture in a row of pixels: where there are many they average out
        footprint = np.float32(1.6 * zoom / (canvas.size - self.top)) * self.ahead**2
        kept = np.minimum(np.float32(0.2 * cell) / footprint, 1)
        u, v = self.across * np.float32(zoom) + 128, self.ahead * np.float32(1.6 * zoom)
        return sample(tile, u, v) * kept

    def below(self, canvas: Canvas, alpha: np.ndarray) -> Mask:
        """The mask of a share of the ground."""
        return Mask(self.top, 0, alpha * self.alpha)


def paint_ground(
    canvas: Canvas, materials: Sequence[Material], *, bumps: float = 0.02, rows: bool = False
) -> Plane:
    """Level or rolling ground of one or more materials in patches, with ``rows`` of a crop."""
    rng, plane = canvas.rng, Plane(canvas, bumps)
    fine = plane.noise(canvas, canvas.size / 2, 8, 0.8)
    coarse = plane.noise(canvas, 40, 64)
    spectrum = materials[0].draw(rng)
    labels = np.full(coarse.shape, materials[0].label, np.uint8)
    for material in materials[1:]:
        softness = rng.uniform(0.1, 0.6) + 0.03 * plane.ahead
        share = step(_patches(canvas, plane, coarse), softness)
        spectrum = blend(spectrum, material.draw(rng), share)
        labels[share > 0.5] = material.label
    second = materials[0].draw(rng)
    blotch = 0.5 * step(coarse[:, ::-1] + 0.5 * fine, 2.0)
    spectrum = blend(spectrum, second, blotch * (labels == materials[0].label))
    rough = 0.4 if materials[0].label in (Label.CONCRETE, Label.SNOW) else 1.0
    texture = 1 + np.float32(rough) * (0.11 * coarse + 0.17 * fine)
    if rows:
        texture *= _rows(canvas, plane)
    blades = fractal(canvas.grain, (coarse.shape[0], canvas.size * 2), 3)[:, ::2]
    texture *= 1 + 0.12 * plane.near * blades * (rng.random() < 0.7)
    up = canvas.light.direction[1]
    facing = np.clip(up * (1 + np.float32(rough) * (0.12 * coarse + 0.10 * fine)), 0.02, 1)
    facing *= _cloud_shadow(canvas, plane)
    mask = Mask(plane.top, 0, plane.alpha)
    canvas.paint(mask, spectrum, labels, facing, texture=np.clip(texture, 0.25, 2), openness=0.9)
    return plane


def _patches(canvas: Canvas, plane: Plane, coarse: np.ndarray) -> np.ndarray:
    """Signed distance to the border of a patch: a ragged spot or a straight field edge."""
    rng = canvas.rng
    if rng.random() < 0.5:
        return plane.noise(canvas, 40, 64) - np.float32(rng.uniform(-0.6, 1.0))
    turn = rng.uniform(-0.5, 0.5)
    start = rng.uniform(1.3, 4)
    edge = plane.ahead - np.float32(turn) * plane.across - np.float32(start)
    return (edge + 0.05 * coarse) * np.float32(rng.choice([-1, 1])) * 3


def _rows(canvas: Canvas, plane: Plane) -> np.ndarray:
    """Stripes of a ploughed or planted field, faded where they are finer than two pixels."""
    turn, wave = canvas.rng.uniform(-1.2, 1.2), canvas.rng.uniform(12, 34)
    phase = (plane.across * np.cos(turn) + 1.6 * plane.ahead * np.sin(turn)) * np.float32(wave)
    finest = wave * (plane.ahead * abs(np.cos(turn)) + 3 * plane.ahead**2 * abs(np.sin(turn)))
    kept = np.clip(1.3 - finest / (0.8 * canvas.size), 0, 1)
    return 1 + np.float32(canvas.rng.uniform(0.25, 0.5)) * kept * np.sin(phase)


def _cloud_shadow(canvas: Canvas, plane: Plane) -> np.ndarray:
    """Share of the sun that clouds let through, in large patches on the ground."""
    if not 0.1 < canvas.light.clouds < 1 or canvas.rng.random() < 0.5:
        return np.ones_like(plane.across)
    lit = plane.noise(canvas, 24, 64, 0.35) + np.float32(canvas.rng.uniform(0, 1.2))
    return 0.25 + 0.75 * step(lit, 0.5)


def paint_water(canvas: Canvas, *, shore: float | None = None) -> None:
    """Still or rippled water that mirrors what stands above it; almost black in NIR itself.

    Args:
        canvas: the scene; what is mirrored must be painted.
        shore: share of the ground's depth, from the horizon, that the water covers, with a
            winding shore; ``None``: down to the bottom.
    """
    rng, plane, size = canvas.rng, Plane(canvas), canvas.size
    ripple = plane.noise(canvas, size / 2.5, 6, 0.7)
    strength = rng.uniform(0.2, 1.5) * size / 256
    rows = np.arange(plane.top, size, dtype=np.float32)[:, None]
    mirror = 2 * np.float32(canvas.horizon * size) - rows
    squeeze = np.float32(1 / max(1.0, 1.2 * (1 - canvas.horizon) / canvas.horizon))
    mirror = canvas.horizon * size + (mirror - canvas.horizon * size) * squeeze
    v = (mirror + ripple * strength * (0.4 + 4 * plane.near)).astype(np.float32)
    u = np.broadcast_to(np.arange(size, dtype=np.float32), v.shape) + ripple * strength * 0.3
    reflected = sample(canvas.radiance, u, v)
    # Schlick's rule with near for the cosine: grazing rays far away mirror most
    fresnel = 0.05 + 0.8 * (1 - np.minimum(plane.near, 1)) ** 3 + 0.04 * ripple * plane.near
    body = canvas.light.on(canvas.light.direction[1]) * WATER.draw(rng)
    radiance = blend(reflected, body, 1 - np.clip(fresnel, 0.03, 1))
    alpha = np.ones_like(v)
    if shore is not None:
        bank = plane.noise(canvas, 30, 64)
        alpha = step((np.float32(shore) - plane.near) * 12 + 0.7 * bank, 0.5)
    canvas.lay(plane.below(canvas, alpha), radiance, Label.WATER)


def paint_road(canvas: Canvas, plane: Plane, *, paved: bool) -> None:
    """A road that winds away: asphalt with white lines, or a path of trodden soil."""
    rng = canvas.rng
    half, start, lean = rng.uniform(0.18, 0.55), rng.uniform(-0.7, 0.7), rng.uniform(-0.3, 0.3)
    bend = rng.uniform(-0.05, 0.05)
    away = plane.ahead - 1
    middle = start + lean * away + bend * np.minimum(away, 12) ** 2
    offset = plane.across - middle.astype(np.float32)
    pixel = plane.ahead * np.float32(2 / canvas.size)
    grain = plane.noise(canvas, canvas.size / 2, 4)
    rough = 0.0 if paved else 0.05 * grain
    alpha = step((half - np.abs(offset) + rough) / pixel)
    texture = 1 + (0.08 if paved else 0.15) * grain
    spectrum = (ASPHALT if paved else SOIL).draw(rng)
    label = Label.ASPHALT if paved else Label.SOIL
    up = canvas.light.direction[1]
    canvas.paint(plane.below(canvas, alpha), spectrum, label, up, texture=texture, openness=0.95)
    if paved:
        dashes = (np.sin(plane.ahead * 5) > 0).astype(np.float32)
        lines = step((0.02 - np.abs(offset)) / pixel + 0.4) * dashes
        lines = np.maximum(lines, step((0.02 - np.abs(np.abs(offset) - half * 0.92)) / pixel + 0.4))
        white = f32([0.6, 0.6, 0.58, 0.55])
        canvas.paint(plane.below(canvas, lines * 0.85), white, Label.ASPHALT, up)
