"""Flicker of a video as a number: the warp error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from ...datasets.base.color import rgb_to_lab
from .optical_flow import motion, warped

METRIC_SIDE = 320  # frames are compared with no side longer than this
FORMULA = (
    "mean over pairs of frames of sum_i M_i |V_t(i) - warp(V_t-1)(i)|^2 / sum_i M_i; rgb in [0,1], "
    "ab as its square root in CIE units; warp and M (1 where the frame before shows the pixel) by "
    "DIS flow of the given plane, both ways, with the occlusion and motion boundary tests of Ruder "
    f"et al. 2016; pairs across a cut are left out; longest side at most {METRIC_SIDE}"
)


class WarpError:
    """How much the colours of points change from frame to frame, for several versions of a video.

    Paper: Lai et al. 2018, "Learning Blind Video Temporal Consistency", warping error.
    Differs: DIS flow of the given plane in place of FlowNet2 of the pictures, so that versions of a
        video share flow and mask; the earlier frame is warped to the later; pairs across a cut are
        left out; the error of a and b, free of noise in the luminance, stands beside that of RGB.

    Args:
        versions: names of the versions.
    """

    def __init__(self, versions: Sequence[str]) -> None:
        self._versions = tuple(versions)
        self._before: dict[str, np.ndarray] = {}
        self._sums = np.zeros((1 + len(self._versions), 2))
        self._frames = self._pairs = 0
        self._cuts: list[int] = []

    def add(self, plane: np.ndarray, pictures: Mapping[str, np.ndarray]) -> None:
        """Take the next frame.

        Args:
            plane: H x W float32 in [0,1], what the method was given.
            pictures: by version, H x W x 3 float32 sRGB in [0,1].
        """
        views = {"plane": plane}
        for name in self._versions:
            views |= {f"{name} rgb": pictures[name], f"{name} ab": _ab_of(pictures[name])}
        if self._before:
            self._add_pair(views)
        self._before = views
        self._frames += 1

    def _add_pair(self, views: dict[str, np.ndarray]) -> None:
        movement = motion(self._before["plane"], views["plane"])
        if movement.cut:
            self._cuts.append(self._frames)
            return

        def error(name: str) -> float:
            change = views[name] - warped(self._before[name], movement.flow)
            squared = change * change
            if squared.ndim == 3:
                squared = squared.sum(axis=2)
            return float(squared[movement.visible].mean(dtype=np.float64))

        self._pairs += 1
        self._sums[0, 0] += 3 * error("plane")  # as of a gray picture with R = G = B
        for row, name in enumerate(self._versions, 1):
            self._sums[row] += error(f"{name} rgb"), error(f"{name} ab")

    def result(self) -> dict[str, Any]:
        """The means so far, ``None`` where no two frames belong together; cuts by frame, from 0."""
        means = self._sums / self._pairs if self._pairs else None
        errors: dict[str, Any] = {"input": None if means is None else {"rgb": means[0, 0]}}
        for row, name in enumerate(self._versions, 1):
            errors[name] = None
            if means is not None:
                errors[name] = {"rgb": means[row, 0], "ab": float(np.sqrt(means[row, 1]))}
        return {"warp_error": errors, "pairs": self._pairs, "cuts": list(self._cuts)}

    def state(self) -> dict[str, np.ndarray]:
        """All that the result depends on, for ``restore``."""
        counts = np.array([self._frames, self._pairs, *self._cuts])
        return {**self._before, "sums": self._sums, "counts": counts}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Go on from a ``state`` of the same versions."""
        self._sums = state["sums"].copy()
        self._frames, self._pairs, *self._cuts = state["counts"].tolist()
        self._before = {name: state[name] for name in state.keys() - {"sums", "counts"}}


def _ab_of(rgb: np.ndarray) -> np.ndarray:
    lab = rgb_to_lab(torch.from_numpy(rgb).permute(2, 0, 1))
    return np.ascontiguousarray(lab[1:].permute(1, 2, 0).numpy())
