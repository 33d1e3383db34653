"""Where each pixel of a video was in the frame before, and whether it was seen there at all."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

FLOW_SIDE = 512  # longer short sides are halved and more for the flow; DIS takes 10 ms at 256 x 456
_LEAST_SIDE = 32  # DIS crashes below 16 pixels and is poor below this
_PHOTOMETRIC = 200.0  # an unexplained change of 0.02 keeps 92 % of the trust, of 0.1 keeps 14 %
_CUT_TRUST = 0.3  # a frame that can trust less than this share of the one before begins anew
_LEVEL = 1 / 255


@dataclass(frozen=True)
class Motion:
    """From one frame back to the one before it.

    Attributes:
        flow: H x W x 2 float32, (x, y) from a pixel to where it was, in pixels.
        visible: H x W bool, pixels that the frame before shows: neither uncovered since, nor at the
            border of a motion, nor come in from outside.
        trust: H x W float32 in [0,1], zero where not ``visible``, less where the levels changed.
        cut: whether the frame shows another scene.
    """

    flow: np.ndarray
    visible: np.ndarray
    trust: np.ndarray
    cut: bool


def motion(before: np.ndarray, after: np.ndarray) -> Motion:
    """How ``after`` came out of ``before``.

    The flow is DIS (Kroeger et al. 2016, "Fast Optical Flow using Dense Inverse Search"), both
    ways. A pixel counts as seen if the way back and forth ends within
    ``|b + f|² <= 0.01 (|b|² + |f|²) + 0.5`` of where it began, and if the flow is smooth there,
    ``|∇u|² + |∇v|² <= 0.01 |b|² + 0.002``. Trust falls with the squared difference of levels, less
    that of the whole frame (exposure), smoothed over 5 x 5 pixels.

    Paper: Ruder, Dosovitskiy and Brox 2016, "Artistic Style Transfer for Videos", whose test of
        disocclusion and of motion boundaries this is (after Sundaram, Brox and Keutzer 2010); Lai
        et al. 2018, "Learning Blind Video Temporal Consistency", whose visibility mask
        ``exp(-α d²)`` trust is.
    Differs: DIS in place of DeepFlow and FlowNet2; α 200 on one plane in place of 50 on RGB; pixels
        that standing still explains as well get no flow, so that still parts are never resampled;
        trust falls to 0 towards what is not seen.

    Args:
        before: H x W float32 in [0,1], L*/100 or NIR.
        after: the same of the later frame.
    """
    backward = _flow(after, before)
    visible = _visible(backward, _flow(before, after))
    backward[_still(before, after, backward)] = 0
    difference = after - warped(before, backward)
    if visible.any():
        difference -= np.median(difference[visible])
    difference = cv2.blur(difference * difference, (5, 5))
    trust = _feathered(visible) * np.exp(-_PHOTOMETRIC * difference)
    return Motion(backward, visible, trust, bool(trust.mean() < _CUT_TRUST))


def warped(picture: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """A frame before, H x W or H x W x C float32, moved to where the later frame has it.

    Bicubic, since a colour that is handed on from frame to frame would blur bilinearly; what comes
    from outside repeats the border.
    """
    height, width = flow.shape[:2]
    x = np.arange(width, dtype=np.float32) + flow[..., 0]
    y = np.arange(height, dtype=np.float32)[:, None] + flow[..., 1]
    moved = cv2.remap(picture, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return moved.reshape(picture.shape)  # OpenCV drops a single channel


@lru_cache(maxsize=1)
def _dis() -> Any:
    return cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)


def _flow(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """DIS from one plane to another, at most at ``FLOW_SIDE``, in pixels of the given size."""
    height, width = start.shape
    scale = min(1.0, FLOW_SIDE / min(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    planes = [np.rint(255 * plane.clip(0, 1)).astype(np.uint8) for plane in (start, end)]
    if scale < 1:
        planes = [cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in planes]
    more = [max(0, _LEAST_SIDE - side) for side in (size[1], size[0])]
    planes = [
        cv2.copyMakeBorder(plane, 0, more[0], 0, more[1], cv2.BORDER_REPLICATE) for plane in planes
    ]
    flow = _dis().calc(*planes, None)[: size[1], : size[0]]
    if scale < 1:
        flow = cv2.resize(flow, (width, height)) * np.array(
            [width / size[0], height / size[1]], np.float32
        )
    return np.ascontiguousarray(flow)


def _visible(backward: np.ndarray, forward: np.ndarray) -> np.ndarray:
    returned = warped(forward, backward)
    miss = _squared(backward + returned)
    consistent = miss <= 0.01 * (_squared(backward) + _squared(returned)) + 0.5
    slope = sum(
        _squared(cv2.Sobel(backward, -1, *order, ksize=1, scale=0.5)) for order in ((1, 0), (0, 1))
    )
    smooth = slope <= 0.01 * _squared(backward) + 0.002
    height, width = backward.shape[:2]
    x = np.arange(width) + backward[..., 0]
    y = np.arange(height)[:, None] + backward[..., 1]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return consistent & smooth & inside


def _still(before: np.ndarray, after: np.ndarray, backward: np.ndarray) -> np.ndarray:
    standing = cv2.blur(np.abs(after - before), (5, 5))
    moved = cv2.blur(np.abs(after - warped(before, backward)), (5, 5))
    return (standing <= moved + _LEVEL) & (_squared(backward) < 0.25)


def _feathered(visible: np.ndarray) -> np.ndarray:
    """1 well within, falling to 0 at the border: a step of trust would show as one of colour."""
    inner = cv2.erode(visible.astype(np.float32), np.ones((5, 5)), borderValue=1)
    return cv2.blur(inner, (5, 5)) * visible


def _squared(vectors: np.ndarray) -> np.ndarray:
    return (vectors * vectors).sum(axis=2)
