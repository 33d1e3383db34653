"""The canvas of a generated scene: radiance, labels and things, painted from back to front."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import cv2
import numpy as np
from numpy.random import Generator

from ..base.boxes import largest_first
from .materials import GROUND, Label, Light, Spectrum, f32, spread

Points = Sequence[tuple[float, float]]  # x to the right, y down, in fractions of the picture
SCENERY = -1  # the thing number of what casts a shadow but gets no box


class Mask(NamedTuple):
    """Coverage (0-1) of a window of the picture whose first pixel is (top, left)."""

    top: int
    left: int
    alpha: np.ndarray


@dataclass
class Canvas:
    """One scene while it is painted.

    Attributes:
        size: rows and columns.
        rng: decides the composition, with the same draws at every size.
        grain: fills textures, with as many draws as there are pixels.
        light: sun and sky.
        horizon: row of the horizon, in fractions of the picture.
        eye: height of the camera above the ground, metres.
        radiance: size x size x 4 float32, linear red, green, blue, NIR.
        labels: size x size uint8, a ``Label`` each.
        things: size x size int16, the number of the visible thing, 0 for none.
    """

    size: int
    rng: Generator
    grain: Generator
    light: Light
    horizon: float = 0.45
    eye: float = 1.7
    radiance: np.ndarray = field(init=False)
    labels: np.ndarray = field(init=False)
    things: np.ndarray = field(init=False)
    areas: list[int] = field(default_factory=list)
    _thing: int = 0

    def __post_init__(self) -> None:
        self.radiance = np.empty((self.size, self.size, 4), np.float32)
        self.radiance[:] = self.light.horizon
        self.labels = np.full((self.size, self.size), Label.SKY, np.uint8)
        self.things = np.zeros((self.size, self.size), np.int16)

    def metre(self, y: float) -> float:
        """Length of an upright metre that stands on level ground at row ``y``, in fractions."""
        return max(y - self.horizon, 0.002) / self.eye

    def kilometres(self, y: float) -> float:
        """Distance of level ground at row ``y``; the picture is as high as it is far away."""
        return self.eye / max(y - self.horizon, 0.002) / 1000

    def polygon(self, points: Points) -> Mask:
        """Anti-aliased mask of a polygon, clipped to the picture."""
        corners = np.asarray(points, np.float64) * self.size
        low = np.clip(np.floor(corners.min(0)).astype(int) - 1, 0, self.size)
        high = np.clip(np.ceil(corners.max(0)).astype(int) + 1, 0, self.size)
        width, height = np.maximum(high - low, 0)
        alpha = np.zeros((height, width), np.uint8)
        if alpha.size:
            # OpenCV's pixel centres are integers, ours halves; 4 fractional bits
            fixed = np.round((corners - low - 0.5) * 16).astype(np.int32)
            cv2.fillPoly(alpha, [fixed], 255, cv2.LINE_AA, shift=4)
        return Mask(int(low[1]), int(low[0]), alpha.astype(np.float32) / 255)

    def ellipse(self, x: float, y: float, rx: float, ry: float) -> Mask:
        """Anti-aliased mask of an upright ellipse."""
        turns = np.linspace(0, 2 * np.pi, 25)[:-1]
        return self.polygon(list(zip(x + rx * np.cos(turns), y + ry * np.sin(turns), strict=True)))

    def window(self, top: int, bottom: int, alpha: np.ndarray | None = None) -> Mask:
        """A mask over whole rows."""
        top, bottom = max(top, 0), min(bottom, self.size)
        shape = (max(bottom - top, 0), self.size)
        return Mask(top, 0, np.ones(shape, np.float32) if alpha is None else alpha)

    def paint(
        self,
        mask: Mask,
        spectrum: Spectrum,
        label: Label | np.ndarray,
        facing: np.ndarray | float = 0.6,
        *,
        texture: np.ndarray | float = 1.0,
        openness: float = 0.8,
        kilometres: float = 0.0,
    ) -> None:
        """Lay a lit surface over what is there.

        Args:
            mask: where; the other arrays are of its height and width, within the picture.
            spectrum: reflectance, (4,) or H x W x 4.
            label: the material.
            facing: cosine between the surface and the sun.
            texture: factor on the reflectance.
            openness: share of the sky that lights the surface.
            kilometres: how much haze lies before it.
        """
        lit = self.light.on(facing, openness) * spectrum
        lit = lit * (spread(texture) if isinstance(texture, np.ndarray) else np.float32(texture))
        if kilometres > 0.05:
            lit = self.light.through(lit, kilometres)
        self.lay(mask, lit, label)

    def lay(self, mask: Mask, radiance: np.ndarray, label: Label | np.ndarray) -> None:
        """Lay ``radiance`` over what is there; the part of the window outside is dropped."""
        height, width = mask.alpha.shape
        y0, x0 = max(mask.top, 0), max(mask.left, 0)
        y1, x1 = min(mask.top + height, self.size), min(mask.left + width, self.size)
        if y1 <= y0 or x1 <= x0:
            return
        inner = np.s_[y0 - mask.top : y1 - mask.top, x0 - mask.left : x1 - mask.left]
        outer = np.s_[y0:y1, x0:x1]
        alpha = mask.alpha[inner]
        if radiance.ndim == 3:
            radiance = radiance[inner]
        below = self.radiance[outer]
        below += spread(alpha) * (radiance - below)
        solid = alpha > 0.5
        self.labels[outer][solid] = label[inner][solid] if isinstance(label, np.ndarray) else label
        self.things[outer][solid] = self._thing

    def quad(
        self, corners: Points, spectrum: Spectrum, labels: np.ndarray, facing: float, **lit: float
    ) -> None:
        """A flat texture seen in perspective.

        Args:
            corners: top left, top right, bottom right, bottom left.
            spectrum: H x W x 4 reflectance.
            labels: H x W.
            facing: cosine between the surface and the sun.
            **lit: ``openness`` and ``kilometres`` of ``paint``.
        """
        mask = self.polygon(corners)
        height, width = labels.shape
        if not mask.alpha.size:
            return
        source = f32([[0, 0], [width, 0], [width, height], [0, height]]) - np.float32(0.5)
        offset = f32([mask.left + 0.5, mask.top + 0.5])
        target = f32(corners) * self.size - offset
        view = cv2.getPerspectiveTransform(source, target)
        shape = mask.alpha.shape[::-1]
        warped = cv2.warpPerspective(spectrum, view, shape, borderMode=cv2.BORDER_REPLICATE)
        marks = cv2.warpPerspective(
            labels, view, shape, flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE
        )
        self.paint(mask, warped, marks, facing, **lit)

    @contextmanager
    def thing(self, foot: float | None = None, *, boxed: bool = True) -> Iterator[None]:
        """What is painted within is one thing: it gets a box and casts a shadow.

        Args:
            foot: the row where it stands on the ground; ``None`` for no shadow.
            boxed: whether it counts as an instance.
        """
        self._thing = len(self.areas) + 1 if boxed else SCENERY
        try:
            yield
        finally:
            inside = self.things == self._thing
            window = cv2.boundingRect(inside.view(np.uint8))
            if boxed:
                self.areas.append(int(inside.sum()))
            if foot is not None and window[2]:
                self._cast(inside, window, foot * self.size)
            if not boxed:
                self.things[inside] = 0
            self._thing = 0

    def _cast(self, inside: np.ndarray, window: Sequence[int], foot: float) -> None:
        """Darken the ground where the sun does not reach behind a silhouette."""
        left, top, width, height = window
        right, up, forward = self.light.direction
        # a row of ground is about a quarter of an upright row; 3 keeps a low sun's shadow in reach
        along = float(np.clip(-right / up, -3, 3))
        down = float(np.clip(-forward / up, -3, 3)) * 0.25
        down = float(np.copysign(max(abs(down), 0.04), down))
        view = f32([[1, -along, along * (foot - top) + left], [0, -down, 0]])
        view[1, 2] = foot + down * (foot - top)
        shape = inside[top : top + height, left : left + width].astype(np.float32)
        shade = cv2.warpAffine(shape, view, (self.size, self.size))
        box = cv2.boundingRect((shade > 0.02).view(np.uint8))
        if not box[2]:
            return
        outer = np.s_[box[1] : box[1] + box[3], box[0] : box[0] + box[2]]
        ground = _IS_GROUND[self.labels[outer]]
        alpha = cv2.blur(shade[outer], (3, 3)) * ground
        self.radiance[outer] *= 1 + spread(alpha) * (self.light.shadow - 1)

    def boxes(self) -> np.ndarray:
        """K x 4 float32 xyxy of the things that are large and not mostly hidden, largest first.

        Large is at least 1/32 of the picture and 4 pixels each way; less than two fifths hidden.
        """
        least, out = max(4, self.size / 32), []
        for number, area in enumerate(self.areas, 1):
            inside = (self.things == number).view(np.uint8)
            left, top, width, height = cv2.boundingRect(inside)
            if min(width, height) >= least and cv2.countNonZero(inside) >= 0.6 * area:
                out.append((left, top, left + width, top + height))
        return np.asarray(largest_first(out), np.float32).reshape(-1, 4)


_IS_GROUND = np.zeros(256, np.float32)
_IS_GROUND[list(GROUND)] = 1
