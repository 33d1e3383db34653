"""What generated scenes are made of: spectra, light and noise. See ``scenes`` for the whole."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from enum import IntEnum

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

Spectrum = np.ndarray  # (..., 4) float32: linear red, green, blue, near infrared (750-1000 nm)


class Label(IntEnum):
    """The material of a pixel, as the label map of ``scenes.render`` writes it."""

    SKY = 0
    CLOUD = 1
    FOLIAGE = 2
    GRASS = 3
    DRY = 4
    SOIL = 5
    ROCK = 6
    SNOW = 7
    WATER = 8
    ASPHALT = 9
    CONCRETE = 10
    WALL = 11
    ROOF = 12
    GLASS = 13
    WOOD = 14
    CLOTH = 15
    PAINT = 16
    SKIN = 17
    FRUIT = 18
    RUBBER = 19


GROUND = (Label.GRASS, Label.DRY, Label.SOIL, Label.SNOW, Label.ASPHALT, Label.CONCRETE, Label.WOOD)


@dataclass(frozen=True)
class Material:
    """A material's range of reflectance (0-1), from its darkest to its lightest kind."""

    label: Label
    dark: tuple[float, float, float, float]
    light: tuple[float, float, float, float]

    def draw(self, rng: Generator) -> Spectrum:
        """One kind of it: a point between dark and light, each band off by at most 8 %."""
        mix = np.float32(rng.random())
        jitter = rng.uniform(0.92, 1.08, 4).astype(np.float32)
        low, high = f32(self.dark), f32(self.light)
        return (low + mix * (high - low)) * jitter


# Reflectances are rounded means of 600-700, 500-600, 400-500 and 750-1000 nm as the USGS and
# ECOSTRESS spectral libraries show them for each class; leaves jump at the red edge (700 nm).
BROADLEAF = Material(Label.FOLIAGE, (0.025, 0.055, 0.014, 0.45), (0.085, 0.140, 0.028, 0.60))
CONIFER = Material(Label.FOLIAGE, (0.018, 0.036, 0.016, 0.34), (0.036, 0.062, 0.024, 0.46))
AUTUMN = Material(Label.FOLIAGE, (0.200, 0.060, 0.014, 0.46), (0.340, 0.230, 0.030, 0.58))
GRASS = Material(Label.GRASS, (0.045, 0.085, 0.020, 0.42), (0.120, 0.190, 0.040, 0.58))
DRY_GRASS = Material(Label.DRY, (0.230, 0.170, 0.080, 0.40), (0.400, 0.320, 0.170, 0.52))
SOIL = Material(Label.SOIL, (0.110, 0.070, 0.042, 0.22), (0.270, 0.180, 0.110, 0.38))
SAND = Material(Label.SOIL, (0.340, 0.270, 0.180, 0.45), (0.480, 0.400, 0.290, 0.56))
ROCK = Material(Label.ROCK, (0.160, 0.145, 0.125, 0.22), (0.380, 0.335, 0.275, 0.42))
SNOW = Material(Label.SNOW, (0.780, 0.800, 0.830, 0.66), (0.880, 0.890, 0.900, 0.76))
WATER = Material(Label.WATER, (0.006, 0.020, 0.024, 0.002), (0.030, 0.065, 0.055, 0.006))
ASPHALT = Material(Label.ASPHALT, (0.060, 0.060, 0.060, 0.080), (0.130, 0.127, 0.120, 0.150))
CONCRETE = Material(Label.CONCRETE, (0.180, 0.170, 0.155, 0.21), (0.400, 0.380, 0.345, 0.44))
BRICK = Material(Label.WALL, (0.240, 0.090, 0.055, 0.32), (0.380, 0.170, 0.110, 0.45))
PLASTER = Material(Label.WALL, (0.560, 0.500, 0.400, 0.62), (0.760, 0.730, 0.670, 0.76))
OCHRE = Material(Label.WALL, (0.480, 0.270, 0.120, 0.56), (0.660, 0.460, 0.230, 0.66))
BOARDS = Material(Label.WOOD, (0.160, 0.090, 0.050, 0.40), (0.420, 0.270, 0.150, 0.60))
BARK = Material(Label.WOOD, (0.085, 0.060, 0.042, 0.24), (0.180, 0.140, 0.105, 0.38))
ROOF_TILE = Material(Label.ROOF, (0.220, 0.080, 0.045, 0.36), (0.420, 0.180, 0.100, 0.50))
SLATE = Material(Label.ROOF, (0.060, 0.064, 0.072, 0.080), (0.150, 0.152, 0.160, 0.180))
GLASS = Material(Label.GLASS, (0.020, 0.024, 0.028, 0.020), (0.080, 0.100, 0.120, 0.060))
SKIN = Material(Label.SKIN, (0.120, 0.070, 0.045, 0.38), (0.480, 0.300, 0.220, 0.60))
HAIR = Material(Label.SKIN, (0.015, 0.012, 0.010, 0.14), (0.150, 0.090, 0.045, 0.38))
RUBBER = Material(Label.RUBBER, (0.020, 0.020, 0.020, 0.035), (0.040, 0.040, 0.040, 0.060))


def f32(values: ArrayLike) -> np.ndarray:
    """An array of float32: spectra, corners."""
    return np.asarray(values, np.float32)


def dyed(rng: Generator, nir: tuple[float, float] = (0.45, 0.75)) -> Spectrum:
    """Dyed cloth or coloured paint: any hue, or white or black; its NIR does not depend on it.

    Textile dyes and most organic pigments absorb visible light only, so that the fibre or the
    white base below shows in NIR: black cotton is as bright there as red.
    """
    hue, kind = rng.random(), rng.random()
    saturation, value = rng.uniform(0.35, 0.92), rng.uniform(0.15, 0.6)
    if kind < 0.14:
        saturation, value = rng.uniform(0.0, 0.08), rng.uniform(0.6, 0.8)
    elif kind < 0.24:
        saturation, value = rng.uniform(0.0, 0.4), rng.uniform(0.015, 0.05)
    return f32([*colorsys.hsv_to_rgb(hue, saturation, value), rng.uniform(*nir)])


@dataclass(frozen=True)
class Light:
    """The sun and the sky of one scene; irradiance 1 on a white surface gives radiance 1.

    Attributes:
        sun: irradiance of a surface that faces the sun; (4,).
        sky: irradiance from the whole sky; (4,). Blue and almost without NIR when clear.
        direction: unit vector to the sun: right, up, towards the camera.
        zenith: radiance of the sky overhead; (4,).
        horizon: radiance of the sky at the horizon, and of haze; (4,).
        haze: extinction of visible light per kilometre; NIR has a third of it.
        clouds: share of the sky that clouds cover.
    """

    sun: Spectrum
    sky: Spectrum
    direction: tuple[float, float, float]
    zenith: Spectrum
    horizon: Spectrum
    haze: float
    clouds: float

    def on(self, facing: np.ndarray | float, openness: float = 1.0) -> Spectrum:
        """Irradiance where the cosine to the sun is ``facing``; (..., 4)."""
        if not isinstance(facing, np.ndarray) or not facing.size:
            return self.sun * np.float32(facing) + self.sky * np.float32(openness)
        view = np.stack([self.sun, self.sky * np.float32(openness)], 1)
        return cv2.transform(facing.astype(np.float32, copy=False), view)

    @property
    def shadow(self) -> Spectrum:
        """Factor by which level ground darkens in a cast shadow; (4,), bluish, least in NIR."""
        sunlit = self.on(self.direction[1])
        return ((self.sky + 0.05 * self.sun) / sunlit).astype(np.float32)

    def through(self, radiance: Spectrum, kilometres: np.ndarray | float) -> Spectrum:
        """Radiance after that much air: haze lightens the visible more than NIR."""
        rates = f32([0.8, 1.0, 1.3, 0.33]) * np.float32(self.haze)
        if isinstance(kilometres, np.ndarray) or radiance.ndim < 3 or not radiance.size:
            kept = np.exp(-rates * np.asarray(kilometres, np.float32)[..., None])
            return self.horizon + (radiance - self.horizon) * kept
        kept = np.exp(-rates * np.float32(kilometres))
        added = self.horizon * (1 - kept)
        return cv2.transform(radiance, np.concatenate([np.diag(kept), added[:, None]], 1))


def draw_light(rng: Generator) -> Light:
    """A time of day and weather: clear, low warm sun, hazy or overcast."""
    kind = rng.choice(4, p=[0.45, 0.2, 0.15, 0.2])
    azimuth = rng.uniform(-2.4, 2.4)
    height = rng.uniform(0.14, 0.36) if kind == 1 else rng.uniform(0.5, 0.9)
    flat = np.sqrt(1 - height**2)
    direction = (float(flat * np.sin(azimuth)), float(height), float(flat * np.cos(azimuth)))
    warm = np.clip((0.55 - height) / 0.4, 0, 1)
    sun = f32([1.0, 0.94 - 0.20 * warm, 0.84 - 0.36 * warm, 0.86 + 0.12 * warm])
    sky = f32([0.15, 0.21, 0.33, 0.06])
    deep = rng.uniform(0.75, 1.15)
    zenith = f32([0.050, 0.120, 0.31, 0.032]) * f32([deep, deep, 1, deep])
    horizon = f32([0.29 + 0.22 * warm, 0.38 + 0.04 * warm, 0.47 - 0.10 * warm, 0.15])
    haze, clouds = rng.uniform(0.01, 0.05), float(rng.choice([0.0, rng.uniform(0.1, 0.6)]))
    if kind == 2:
        sun, sky = sun * np.float32(0.8), f32([0.26, 0.31, 0.38, 0.13])
        zenith = f32([0.17, 0.27, 0.43, 0.08])
        horizon, haze = f32([0.48, 0.51, 0.53, 0.26]), rng.uniform(0.06, 0.16)
    elif kind == 3:
        sun, sky = sun * np.float32(0.06), f32([0.52, 0.55, 0.58, 0.44])
        zenith, horizon = sky * np.float32(0.95), sky * np.float32(1.2)
        haze, clouds = rng.uniform(0.03, 0.12), 1.0
    return Light(sun, sky, direction, zenith, horizon, float(haze), clouds)


def fractal(rng: Generator, shape: tuple[int, int], cell: float, gain: float = 0.5) -> np.ndarray:
    """Value noise in octaves, about zero mean and unit variance; float32 H x W.

    Args:
        rng: draws the values.
        shape: rows and columns.
        cell: size in pixels of the coarsest octave; each further one halves it, down to a pixel.
        gain: amplitude of an octave relative to the coarser one: 0.3 smooth, 0.7 rough.
    """
    octaves = max(1, round(np.log2(max(cell, 1.0))) + 1)
    weights = np.float64(gain) ** np.arange(octaves)
    # interpolation between cells keeps about 4/9 of the variance, the last octave all of it
    kept = np.where(np.arange(octaves) < octaves - 1, 0.45, 1.0)
    weights /= 73.9 * np.sqrt((kept * weights**2).sum())  # 73.9: deviation of a uniform byte
    field: np.ndarray | None = None
    for octave, weight in enumerate(weights):
        finer = octaves - 1 - octave
        rows, columns = (min(side, (side >> finer) + 3) for side in shape)
        values = rng.integers(0, 256, (rows, columns), np.uint8).astype(np.float32)
        values *= np.float32(weight)
        if field is None:
            values -= np.float32(127.5 * weights.sum())  # constants pass through interpolation
        else:
            values += cv2.resize(field, (columns, rows), interpolation=cv2.INTER_LINEAR)
        field = values
    assert field is not None
    return field


def step(values: np.ndarray, softness: np.ndarray | float = 1.0) -> np.ndarray:
    """0 below -softness/2, 1 above softness/2, linear between."""
    return np.clip(values / np.asarray(softness, np.float32) + np.float32(0.5), 0, 1)


def sample(tile: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """``tile`` at columns ``u`` and rows ``v``, linear between pixels, mirrored beyond its edges.

    Mirroring the coordinates here leaves OpenCV its path without border tests, 20 times as fast.
    """
    rows, columns = tile.shape[:2]
    return cv2.remap(tile, _mirror(u, columns), _mirror(v, rows), cv2.INTER_LINEAR)


def _mirror(at: np.ndarray, count: int) -> np.ndarray:
    period = np.float32(2 * (count - 1))
    return np.abs(at - period * np.rint(at * (1 / period))).astype(np.float32)


def spread(plane: np.ndarray) -> np.ndarray:
    """H x W as H x W x 4; NumPy's own broadcast over a last axis of 4 takes ten times as long."""
    return cv2.merge([plane] * 4) if plane.size else np.zeros((*plane.shape, 4), np.float32)


def blend(below: Spectrum, above: Spectrum, share: np.ndarray) -> Spectrum:
    """``share`` (H x W) of one spectrum ``above`` over ``below``, (4,) or H x W x 4."""
    if below.ndim == 1:
        return cv2.transform(share, np.stack([above - below, below], 1))
    return below * spread(1 - share) + cv2.transform(share, above[:, None])
