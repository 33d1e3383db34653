# pyright: reportMissingImports=false
"""The nodes: load a method, hints from a mask, colour pictures, colour the frames of a video."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from crosschroma import Colorizer
from crosschroma.datasets.base.errors import UserError
from crosschroma.experiments.training.devices import usable_device
from crosschroma.experiments.video.colorize_video import FrameColorizer
from crosschroma.models.base.shipped_weights import shipped_list
from torch import Tensor

from .hints import MaskHint, hint_points, mask_hints

_CATEGORY = "crosschroma"
_COLORIZER, _HINTS = "CROSSCHROMA_COLORIZER", "CROSSCHROMA_HINTS"
_STRENGTH = ("FLOAT", {"default": 1.0, "min": 0.0, "max": 3.0, "step": 0.05})


class LoadColorizer:
    """A method with its weights; those for NIR take pictures as NIR, the others as photographs."""

    RETURN_TYPES, RETURN_NAMES = (_COLORIZER,), ("colorizer",)
    FUNCTION, CATEGORY = "load", _CATEGORY

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Weights that come with crosschroma, or a run instead; see ``load``."""
        return {
            "required": {
                "weights": ([entry.name for entry in shipped_list()],),
                "device": (["auto", "cpu"],),
                "size": ("INT", {"default": 0, "min": 0, "max": 4096}),
            },
            "optional": {"run": ("STRING", {"default": ""})},
        }

    def load(self, weights: str, device: str, size: int, run: str = "") -> tuple[Colorizer]:
        """Load it.

        Args:
            weights: a name of shipped weights.
            device: ``auto`` (a GPU where there is one) or ``cpu``.
            size: short side at which the network sees pictures; 0 as it was trained.
            run: instead of ``weights``: a run's folder, a checkpoint, a file of ``ship`` or
                ``export``, or ``hf://user/name[@revision]``.
        """
        name = run.strip() or weights
        return (Colorizer.load(name, device=usable_device(device), size=size or None),)


class HintsFromMask:
    """Hints that give the regions of a mask one colour, for methods that take hints (zhang17)."""

    RETURN_TYPES, RETURN_NAMES = (_HINTS,), ("hints",)
    FUNCTION, CATEGORY = "mark", _CATEGORY

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """A mask and its colour; hints of further masks are chained through ``hints``."""
        return {
            "required": {
                "mask": ("MASK",),
                "color": ("STRING", {"default": "#b43c28"}),
                "size": ("INT", {"default": 5, "min": 1, "max": 9}),
                "spacing": ("FLOAT", {"default": 0.1, "min": 0.01, "max": 1.0, "step": 0.01}),
            },
            "optional": {"hints": (_HINTS,)},
        }

    def mark(
        self,
        mask: Tensor,
        color: str,
        size: int,
        spacing: float,
        hints: list[list[MaskHint]] | None = None,
    ) -> tuple[list[list[MaskHint]]]:
        """Hints of one mask, or of a batch of masks, after those that are there.

        Args:
            mask: HW or BHW in [0,1].
            color: ``#rrggbb``.
            size: side of a point, in pixels of the picture as the network sees it.
            spacing: of the points, as a share of the mask's short side.
            hints: of other masks.

        Raises:
            UserError: no such colour, an empty mask, or batches of different lengths.
        """
        marked = mask_hints(mask, color, size, spacing)
        before = hints or [[]]
        count = max(len(before), len(marked))
        pairs = zip(_of_batch(before, count), _of_batch(marked, count), strict=True)
        return ([[*one, *other] for one, other in pairs],)


class ColorizePictures:
    """Colour each picture of a batch for itself."""

    RETURN_TYPES, RETURN_NAMES = ("IMAGE",), ("image",)
    FUNCTION, CATEGORY = "colorize", _CATEGORY

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Pictures, a method, the strength of colours, and hints where the method takes them."""
        return {
            "required": {"image": ("IMAGE",), "colorizer": (_COLORIZER,), "strength": _STRENGTH},
            "optional": {"hints": (_HINTS,)},
        }

    def colorize(
        self,
        image: Tensor,
        colorizer: Colorizer,
        strength: float,
        hints: list[list[MaskHint]] | None = None,
    ) -> tuple[Tensor]:
        """Colour them.

        Args:
            image: BHWC in [0,1], of 1, 3 or 4 channels: gray or NIR levels, sRGB, and alpha.
            colorizer: the method.
            strength: factor on the colours' chroma, 0 (gray) to 3.
            hints: of each picture, or of all.

        Returns:
            BHWC in [0,1], sRGB, with the alpha that was there.

        Raises:
            UserError: hints for a method that takes none, or of another number of pictures.
        """
        marks = _of_batch(hints or [[]], len(image))

        def colored(levels: np.ndarray, index: int) -> np.ndarray:
            points = hint_points(marks[index], *levels.shape[:2])
            return colorizer(levels, strength=strength, hints=points)

        return (_each(image, colored),)


class ColorizeVideo:
    """Colour the frames of a video in their order; colours follow the motion and flicker less."""

    RETURN_TYPES, RETURN_NAMES = ("IMAGE",), ("images",)
    FUNCTION, CATEGORY = "colorize", _CATEGORY

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Frames, a method, the strength of colours, and whether flicker is reduced."""
        return {
            "required": {
                "images": ("IMAGE",),
                "colorizer": (_COLORIZER,),
                "strength": _STRENGTH,
                "flicker_reduction": ("BOOLEAN", {"default": True}),
            }
        }

    def colorize(
        self, images: Tensor, colorizer: Colorizer, strength: float, flicker_reduction: bool
    ) -> tuple[Tensor]:
        """Colour them; arguments and result as ``ColorizePictures.colorize``'s.

        Args:
            images: the frames, BHWC in [0,1].
            colorizer: the method.
            strength: factor on the colours' chroma.
            flicker_reduction: see ``FrameColorizer``; without it each frame is coloured for itself.
        """
        frames = FrameColorizer(
            colorizer, strength=strength, reduce_flicker=flicker_reduction, measure=False
        )
        return (_each(images, lambda levels, index: frames(levels)),)


def _each(image: Tensor, colored: Callable[[np.ndarray, int], np.ndarray]) -> Tensor:
    """A function of H x W x 3 (or H x W) levels and the picture's number, for all of a batch."""
    if image.ndim != 4 or image.shape[3] not in (1, 3, 4):
        raise UserError(f"images must be BHWC of 1, 3 or 4 channels, not {tuple(image.shape)}")
    count, height, width, channels = image.shape
    out = torch.empty(count, height, width, max(3, channels))
    step = _progress(count)
    for index, one in enumerate(image):
        levels = one[..., :3].detach().float().cpu().clamp(0, 1)  # some nodes overshoot
        array = (levels[..., 0] if channels == 1 else levels).contiguous().numpy()
        out[index, ..., :3] = torch.from_numpy(colored(array, index))
        out[index, ..., 3:] = one[..., 3:].cpu()
        step(1)
    return out


def _of_batch(hints: Sequence[list[MaskHint]], count: int) -> Sequence[list[MaskHint]]:
    if len(hints) not in (1, count):
        raise UserError(
            f"hints of {len(hints)} masks do not fit {count}; give one mask, or one for each"
        )
    return hints if len(hints) == count else list(hints) * count


def _progress(count: int) -> Callable[[int], None]:
    """ComfyUI's bar, whose steps are also where a user's cancel takes effect."""
    try:
        from comfy.utils import ProgressBar
    except ImportError:
        return lambda step: None
    return ProgressBar(count).update


NODE_CLASS_MAPPINGS = {
    "CrosschromaLoad": LoadColorizer,
    "CrosschromaHints": HintsFromMask,
    "CrosschromaColorize": ColorizePictures,
    "CrosschromaColorizeVideo": ColorizeVideo,
}
NODE_DISPLAY_NAME_MAPPINGS = {
    "CrosschromaLoad": "Load colorizer",
    "CrosschromaHints": "Colour hints from mask",
    "CrosschromaColorize": "Colorize pictures",
    "CrosschromaColorizeVideo": "Colorize video frames",
}
