"""Colours that a user gave for a video, carried along its motion: hints, and a palette."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ...models.color.hint_points import HintPoint
from ..inference.palette import Recolor
from .optical_flow import Motion, motion

_RADIUS = 2  # pixels about a hint whose motion is its own
_LEAST_SEEN = 0.5  # share of them that the next frame must show
_DRIFT = 0.1  # of the way that a palette's change goes to each frame's own


class FollowedColors:
    """Hints at points of frames, and the change towards a palette, frame after frame.

    A hint counts from its frame on. Its place moves with the median flow of the pixels about it, by
    DIS with the tests of ``motion``, from each frame to the next, and is lost where fewer than half
    of them are seen there: when it is hidden, leaves the picture, or the scene is cut. The change
    towards a palette follows the scene slowly, so that what comes in does not recolour what is
    there, and begins anew after a cut.

    Args:
        hints: in the video's pixels.

    Attributes:
        begins: whether a hint begins with the frame of the last ``step``.
    """

    def __init__(self, hints: Sequence[HintPoint]) -> None:
        self._hints = tuple(hints)
        self._frame = 0
        self.begins = False
        self._places = np.array([(hint.x, hint.y) for hint in hints], np.float64).reshape(-1, 2)
        self._last = np.full(len(self._hints), -1)  # frames up to which hints were followed
        self._plane: np.ndarray | None = None
        self._change = np.empty(0)  # gain, offset and lift

    def step(self, plane: np.ndarray, size: tuple[int, int]) -> list[HintPoint]:
        """Go on to the next frame.

        Args:
            plane: h x w float32 in [0,1], as the network sees the frame.
            size: the frame's height and width, in whose pixels hints are.

        Returns:
            The hints of this frame where they are now.
        """
        live = self._last == self._frame - 1 if self._frame else np.zeros(len(self._hints), bool)
        followed = bool(live.any()) or self._change.size > 0
        if followed and self._plane is not None and self._plane.shape == plane.shape:
            movement = motion(plane, self._plane)  # where the pixels of the frame before are now
            if movement.cut:
                self._change = np.empty(0)
            else:
                for index in np.flatnonzero(live).tolist():
                    self._move(index, movement, size)
        else:
            self._change = np.empty(0)
        self._plane = plane
        first = np.array([hint.frame == self._frame for hint in self._hints], bool)
        self._last[first] = self._frame
        self.begins = bool(first.any())
        shown = np.flatnonzero(self._last == self._frame).tolist()
        self._frame += 1
        return [self._moved(index) for index in shown]

    def recolor(self, own: Recolor) -> Recolor:
        """The change towards the palette for this frame, from what it would be by itself."""
        if self._change.size:
            *change, lift = self._change.tolist()
            own = Recolor(tuple(change[:2]), tuple(change[2:]), lift).towards(own, _DRIFT)
        self._change = np.array([*own.gain, *own.offset, own.lift])
        return own

    def notes(self) -> list[str]:
        """Which hints were lost before the end, or never came, a sentence each."""
        notes = []
        for hint, last in zip(self._hints, self._last.tolist(), strict=True):
            name = f"the hint at {hint.x:g}, {hint.y:g} of frame {hint.frame}"
            if hint.frame >= self._frame:
                notes.append(f"{name} was not used: the video has {self._frame} frames, from 0")
            elif last < self._frame - 1:
                notes.append(f"{name} was followed to frame {last} of {self._frame - 1}")
        return notes

    def state(self) -> dict[str, np.ndarray]:
        """All that the next frame depends on."""
        state = {"places": self._places, "last": self._last, "change": self._change}
        state["frame"] = np.array(self._frame)
        return state if self._plane is None else {**state, "plane": self._plane}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from a ``state`` of the same hints."""
        self._places, self._last = state["places"].copy(), state["last"].copy()
        self._change, self._frame = state["change"], int(state["frame"])
        self._plane = state.get("plane")

    def _move(self, index: int, movement: Motion, size: tuple[int, int]) -> None:
        height, width = movement.visible.shape
        scale = np.array([width / size[1], height / size[0]])
        x, y = np.rint((self._places[index] + 0.5) * scale - 0.5).astype(int)
        rows = slice(max(0, y - _RADIUS), y + _RADIUS + 1)
        columns = slice(max(0, x - _RADIUS), x + _RADIUS + 1)
        seen = movement.visible[rows, columns]
        if seen.size == 0 or seen.mean() < _LEAST_SEEN:
            return
        place = self._places[index] + np.median(movement.flow[rows, columns][seen], axis=0) / scale
        if (place >= -0.5).all() and (place <= np.array(size[::-1]) - 0.5).all():
            self._places[index] = np.clip(place, 0, np.array(size[::-1]) - 1)
            self._last[index] = self._frame

    def _moved(self, index: int) -> HintPoint:
        x, y = self._places[index].tolist()
        return replace(self._hints[index], x=x, y=y)
