"""Colours without flicker: those of the frame before, where it shows the same."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from ...datasets.base.color import lab_to_rgb, rgb_to_lab
from .optical_flow import Motion, motion, warped

KEEP = 0.85  # of a trusted colour before; a change of the method's mind takes six frames
_BROAD = 4.0  # pixels, standard deviation: flicker of luminance is broader, detail is finer


class Steady:
    """Frame after frame, colours that change only where the picture does.

    A colour is mixed from the method's own and that of the steadied frame before, warped by optical
    flow: ``own + KEEP trust (warped - own)``, the minimum of ``|C - own|² + w |C - warped|²`` with
    ``w = KEEP trust / (1 - KEEP trust)``. What was hidden, moved unclearly or changed its level
    keeps the method's own colour, and after a cut everything does.

    Paper: Bonneel et al. 2015, "Blind Video Temporal Consistency", whose energy has these data and
        temporal terms; Lai et al. 2018, "Learning Blind Video Temporal Consistency", for trust.
    Differs: on colours, not on their gradients, hence in closed form; a test of occlusion; only a
        and b are mixed. Luminance is the given one for gray methods. For NIR methods, which make
        theirs, it takes only the broad part of the correction, so that detail is never warped.

    Args:
        domain: of the method, ``gray`` or ``nir``.
    """

    def __init__(self, domain: str) -> None:
        self._domain = domain
        self._plane: np.ndarray | None = None
        self._colors = np.empty(0, np.float32)

    def __call__(self, plane: Tensor, colors: Tensor) -> Tensor:
        """The steadied colours of the next frame.

        Args:
            plane: 11hw in [0,1], L*/100 or NIR, as the network was given it.
            colors: 12hw ab in CIE units for gray, 13hw sRGB in [0,1] for NIR.

        Returns:
            The same kind as ``colors``; ``colors`` itself at the start and after a cut.
        """
        after = plane[0, 0].float().cpu().numpy()
        lab = colors if self._domain == "gray" else rgb_to_lab(colors)
        fresh = lab[0].permute(1, 2, 0).float().cpu().numpy()
        before, self._plane = self._plane, after
        movement = None
        if before is not None and before.shape == after.shape:
            movement = motion(before, after)
        if movement is None or movement.cut:
            self._colors = fresh
            return colors
        self._colors = _mixed(fresh, self._colors, movement)
        steady = torch.from_numpy(self._colors).permute(2, 0, 1)[None].to(colors)
        return steady if self._domain == "gray" else lab_to_rgb(steady, gamut="chroma")

    def forget(self) -> None:
        """Begin anew with the next frame."""
        self._plane = None

    def state(self) -> dict[str, np.ndarray]:
        """All that the next frame depends on."""
        return {} if self._plane is None else {"plane": self._plane, "colors": self._colors}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Go on from a ``state``."""
        self._plane = state.get("plane")
        self._colors = state.get("colors", self._colors)


def _mixed(fresh: np.ndarray, before: np.ndarray, movement: Motion) -> np.ndarray:
    """H x W x 2 ab, or H x W x 3 Lab."""
    trust = movement.trust[..., None]
    change = KEEP * trust * (warped(before, movement.flow) - fresh)
    if fresh.shape[2] == 3:
        share = cv2.GaussianBlur(movement.trust, (0, 0), _BROAD)
        broad = cv2.GaussianBlur(np.ascontiguousarray(change[..., 0]), (0, 0), _BROAD)
        change[..., 0] = movement.trust * broad / (share + 0.01)
    return fresh + change
