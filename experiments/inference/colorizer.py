"""From a trained method and a picture of any size to colour."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar, overload

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ...datasets.base.bounds import Strength, check_options
from ...datasets.base.boxes import Box, cut_boxes
from ...datasets.base.color import AB_SCALE, lab_to_rgb, rgb_to_lab
from ...datasets.base.errors import UserError
from ...datasets.loading.decode import MIN_SIDE
from ...models.base.hub_weights import SCHEME, HubAddress, is_hub_address
from ...models.base.method import Method
from ...models.color.hint_points import HintPoint, points_to_hints
from ...models.layers.guided_upsample import RGB_EPS, guided_upsample
from ...models.zhang17.suggestions import Suggestion
from ..artifacts.checkpoint import Trained
from ..artifacts.weights_file import load_any
from .color_network import MethodColors, Origin, Suggesting
from .exported_file import ExportedColors, is_exported, load_exported
from .palette import Palette, Recolor
from .picture_file import from_pil, read_picture, to_pil
from .pixels import (
    ab_of,
    bands,
    checked,
    lightness_of,
    nir_of,
    of_tensor,
    with_chroma,
    write_rows,
)
from .precision import Bfloat16Colors, Precision
from .prepared_picture import PreparedPicture, boxes_in, short_side
from .tiles import tiled

TILE = 1024  # for methods that say no size
_BYTE = np.dtype(np.uint8)

Pictured = TypeVar("Pictured", Image.Image, np.ndarray, Tensor)


class Colorizer:
    """A trained method as a function from a picture to a coloured picture of its size.

    The network sees the picture with its short side at ``size``, and what it makes is enlarged,
    guided by the picture. Gray input keeps its luminance at full resolution: only ab is made. NIR
    input has no luminance to keep; the colours take the detail that NIR shows. What the network
    sees is cut into overlapping, blended tiles where a side is beyond ``tile``.

    Args:
        method: a method whose ``colorize`` needs only ``gray`` or only ``nir``, or an exported one.
        size: the short side at which the network sees pictures, in pixels; smaller pictures are
            not enlarged. ``None``: always the picture's own.
        device: where to compute.
        tile: the largest side that the network is given at once; neighbours share an eighth.

    Attributes:
        origin: of one that was loaded.
        precision: that it computes in; see ``at``.
    """

    def __init__(
        self,
        method: Method | ExportedColors,
        size: int | None,
        device: str | torch.device = "cpu",
        tile: int = TILE,
    ) -> None:
        colors = MethodColors(method) if isinstance(method, Method) else method
        self.colors = colors.to(device).eval()
        self.domain = method.domain
        self.name = method.name
        self.origin: Origin | None = None
        self.size = size
        self.device = torch.device(device)
        self.tile = tile
        self.precision: Precision = "float32"
        self._run: Callable[..., Tensor] = self.colors

    @classmethod
    def load(
        cls,
        run: Path | str,
        which: str = "result",
        device: str = "cpu",
        output: str | None = None,
        size: int | None = None,
        trust: bool = False,
    ) -> Colorizer:
        """From a run's folder, a checkpoint, a file of ``ship`` or ``export``, a name or the Hub.

        The name is one of shipped weights, the Hub's address is ``hf://user/name[@revision]``.
        A method sees pictures at the size that it was evaluated at, or with their short side at
        ``size``; what is four times as large as the former, in tiles.
        ``output`` and errors are those of ``load_any``, ``trust`` is ``load_exported``'s.
        """
        if size is not None and size < MIN_SIDE:
            raise UserError(f"size {size}: must be {MIN_SIDE} pixels or more")
        if is_exported(Path(run)) and not is_hub_address(run):
            method = load_exported(Path(run), trust)
            colorizer = cls._seeing(method, method.size, device, size)
            colorizer.origin = Origin(
                run=str(Path(run).resolve()),
                weights_sha256=method.weights_sha256,
                size=colorizer.size,
            )
            return colorizer
        colorizer = cls.of(load_any(run, which, output), device, size)
        if colorizer.origin and not Path(run).exists() and not is_hub_address(run):
            # a name of shipped weights, good anywhere
            colorizer.origin = replace(colorizer.origin, run=str(run))
        return colorizer

    @classmethod
    def from_pretrained(
        cls, repo: str, revision: str = "", *, device: str = "cpu", size: int | None = None
    ) -> Colorizer:
        """From the Hugging Face Hub: ``Colorizer.from_pretrained("user/name")``.

        Args:
            repo: user and name of the repository, which ``crosschroma ship RUN --push`` wrote.
            revision: a branch, tag or commit; default the main branch.
            device: where to compute.
            size: as ``load``'s; errors are ``load``'s, too.
        """
        address = str(HubAddress(repo.removeprefix(SCHEME), revision))
        return cls.load(address, device=device, size=size)

    @classmethod
    def of(cls, trained: Trained, device: str = "cpu", size: int | None = None) -> Colorizer:
        """From what is loaded already; see ``load``."""
        known = trained.experiment.eval_view.size
        colorizer = cls._seeing(trained.method, known, device, size)
        colorizer.origin = Origin(
            run=trained.address,
            weights_sha256=trained.weights_sha256,
            output=trained.output or None,
            size=colorizer.size,
        )
        return colorizer

    @classmethod
    def _seeing(
        cls,
        method: Method | ExportedColors,
        known: int | None,
        device: str,
        size: int | None,
    ) -> Colorizer:
        return cls(method, size or known, device, 4 * known if known else TILE)

    @overload
    def __call__(
        self,
        image: Path | str,
        *,
        strength: float = ...,
        hints: Sequence[HintPoint] = ...,
        palette: Palette | None = ...,
        boxes: Sequence[Box] | None = ...,
    ) -> Image.Image: ...
    @overload
    def __call__(
        self,
        image: Pictured,
        *,
        strength: float = ...,
        hints: Sequence[HintPoint] = ...,
        palette: Palette | None = ...,
        boxes: Sequence[Box] | None = ...,
    ) -> Pictured: ...
    def __call__(
        self,
        image: Path | str | Image.Image | np.ndarray | Tensor,
        *,
        strength: float = 1.0,
        hints: Sequence[HintPoint] = (),
        palette: Palette | None = None,
        boxes: Sequence[Box] | None = None,
    ) -> Image.Image | np.ndarray | Tensor:
        """Colour one picture, or a batch of tensors of one size.

        Args:
            image: a picture's file, or an image of Pillow, of any mode; orientation, alpha and ICC
                profile are taken over. Or an array H x W or H x W x 3, uint8, uint16 or float in
                [0,1]. Or a tensor HW, 1HW, 3HW, B1HW or B3HW, float in [0,1]. Three channels are
                sRGB, whose L* a gray method sees and whose mean a NIR method; one is gray levels in
                sRGB encoding, or NIR.
            strength: factor on the colours' chroma: 0 is gray, 1 as the method makes them.
            hints: colours given at points, in pixels of the upright picture.
            palette: colours of another picture that this one is to take after; see ``predict``.
            boxes: x1, y1, x2, y2 of the objects, for methods that colour these apart, in pixels of
                the upright picture, the most important first; see ``datasets.base.boxes``.

        Returns:
            sRGB of the same kind: an 8-bit image (RGB or RGBA, in the given profile; for a file,
            too), an array H x W x 3 of the same dtype, or a tensor 3HW or B3HW on the same device.

        Raises:
            DataError: no such picture.
            UserError: a strength out of range, or hints or boxes for a method that takes none.
        """

        def colored(levels: np.ndarray) -> np.ndarray:
            prepared = self.prepare(levels, boxes)
            colors = self.predict(prepared, hints, palette)
            return self.render(prepared, colors, strength, checked(levels).dtype)

        if isinstance(image, np.ndarray):
            return colored(image)
        if isinstance(image, Tensor):
            return of_tensor(image, colored)
        if isinstance(image, Image.Image):
            picture = from_pil(image, self.managed)
        else:
            picture = read_picture(Path(image), self.managed)
        return to_pil(picture, colored(picture.levels))

    @property
    def managed(self) -> bool:
        """Whether pictures' levels are colours, to be read through their ICC profile."""
        return self.domain == "gray"

    @property
    def takes_hints(self) -> bool:
        """Whether colours can be given at points."""
        return self.colors.takes_hints

    def check_takes_boxes(self) -> None:
        """Refuse boxes for a method that colours no objects apart.

        Raises:
            UserError: it does not.
        """
        if not self.colors.takes_boxes:
            raise UserError(f"{self.name} takes no boxes of objects; instance_aware does")

    def at(self, precision: Precision, tell: Callable[[str], None] = print) -> Colorizer:
        """The same method, computing in another precision; see ``Bfloat16Colors`` for ``tell``.

        Raises:
            UserError: the method is exported, or is to be compiled and not on the CPU.
        """
        copied = copy.copy(self)
        copied.precision, copied._run = precision, self.colors
        if precision != "float32":
            if not isinstance(self.colors, MethodColors):
                raise UserError(f"{self.name} is exported and computes as it was exported")
            copied._run = Bfloat16Colors(self.colors, precision == "bfloat16-compiled", tell)
        return copied

    @property
    def suggests(self) -> bool:
        """Whether ``suggest`` is there."""
        return isinstance(self.colors, MethodColors) and isinstance(self.colors.method, Suggesting)

    def prepare(self, levels: np.ndarray, boxes: Sequence[Box] | None = None) -> PreparedPicture:
        """A picture as the method sees it, to be painted several times.

        Args:
            levels: H x W or H x W x 3, uint8, uint16 or float in [0,1].
            boxes: see ``__call__``.

        Raises:
            DataError: no such picture.
            UserError: boxes for a method that takes none.
        """
        if boxes is not None:
            self.check_takes_boxes()
        levels = checked(levels)
        single = lightness_of(levels) if self.domain == "gray" else nir_of(levels)
        plane = torch.from_numpy(single)[None, None].to(self.device)
        small = short_side(plane, self.size)
        return PreparedPicture(plane, single.shape, small, boxes_in(small, boxes, single.shape))

    @torch.no_grad()
    def predict(
        self,
        prepared: PreparedPicture,
        hints: Sequence[HintPoint] = (),
        palette: Palette | None = None,
    ) -> Tensor:
        """The colours of a picture at the network's size.

        A palette goes to a method with global hints as these. To the colours of other methods
        is added what gives a and b, without hints, the palette's mean and spread, and from NIR L*
        its mean; it is taken from the hints given to the network, so that these come out as asked.

        Args:
            prepared: the picture.
            hints: colours given at points, in its pixels.
            palette: colours to take after.

        Returns:
            1 x 2 x h x w ab in CIE units for gray, 1 x 3 x h x w sRGB in [0,1] for NIR.

        Raises:
            UserError: hints for a method that takes none, or outside the picture.
        """
        if hints and not self.takes_hints:
            raise UserError(f"{self.colors.name} takes no hints; zhang17 does")
        if palette is None or self.colors.takes_global_hints:
            return self._network(prepared, hints, palette)
        if prepared.automatic is None:
            prepared.automatic = self._network(prepared)
        ab = ab_of(prepared.automatic)
        colors = prepared.automatic
        recolor = prepared.recolor or Recolor.between(colors, palette)
        added = recolor(ab) - ab
        if hints:
            colors = self._network(prepared, [self._less(prepared, hint, added) for hint in hints])
        if self.domain == "gray":
            return colors + added
        lab = rgb_to_lab(colors)
        lightness = (lab[:, :1] + recolor.lift).clamp(0, 100)
        return lab_to_rgb(torch.cat([lightness, lab[:, 1:] + added], dim=1), gamut="chroma")

    @torch.no_grad()
    def predict_together(self, prepared: Sequence[PreparedPicture]) -> Tensor:
        """``predict`` of N pictures without hints whose ``small`` have one size: N x C x h x w."""
        planes = torch.cat([picture.small for picture in prepared])
        return self._network(replace(prepared[0], small=planes))

    @torch.no_grad()
    def render(
        self,
        prepared: PreparedPicture,
        colors: Tensor,
        strength: float = 1.0,
        dtype: np.dtype = _BYTE,
    ) -> np.ndarray:
        """The result at the size of ``seen.plane``, H x W x 3 sRGB.

        Args:
            prepared: the picture.
            colors: of ``predict``.
            strength: see ``__call__``.
            dtype: uint8, uint16, or float32 for [0,1].

        Raises:
            UserError: a strength out of range.
        """
        check_options({"strength": strength}, {"strength": Strength})
        plane = prepared.plane
        out = np.empty((*plane.shape[-2:], 3), dtype)
        if self.domain == "gray":
            ab = colors
            if prepared.small.shape != plane.shape:
                ab = guided_upsample(ab, prepared.small, plane)
            for rows in bands(*out.shape[:2]):
                lab = torch.cat([100 * plane[:, :, rows], strength * ab[:, :, rows]], dim=1)
                write_rows(out, rows, lab_to_rgb(lab, gamut="chroma"))
            return out
        rgb = colors
        if prepared.small.shape != plane.shape:
            rgb = guided_upsample(rgb, prepared.small, plane, RGB_EPS).clamp(0, 1)
        for rows in bands(*out.shape[:2]):
            band = rgb[:, :, rows]
            write_rows(out, rows, band if strength == 1 else with_chroma(band, strength))
        return out

    def shown_input(self, levels: np.ndarray | PreparedPicture) -> np.ndarray:
        """What the method is given of a picture, as gray levels H x W x 3, uint8."""
        plane = (levels if isinstance(levels, PreparedPicture) else self.prepare(levels)).plane
        out = np.empty((*plane.shape[-2:], 3), np.uint8)
        for rows in bands(*out.shape[:2]):
            band = plane[:, :, rows]
            if self.domain == "gray":
                band = lab_to_rgb(torch.cat([100 * band, band * 0, band * 0], dim=1))
            write_rows(out, rows, band.expand(-1, 3, -1, -1))
        return out

    @torch.no_grad()
    def suggest(
        self,
        prepared: PreparedPicture,
        x: float,
        y: float,
        hints: Sequence[HintPoint] = (),
        palette: Palette | None = None,
    ) -> list[Suggestion]:
        """Up to five colours that are likely at a point, the likeliest first.

        Args:
            prepared: the picture.
            x: column of the point in the picture's pixels, from 0.
            y: row.
            hints: colours given elsewhere.
            palette: colours to take after, for methods with global hints.

        Raises:
            UserError: the method makes no suggestions, or the point lies outside the picture.
        """
        colors = self.colors
        if not (isinstance(colors, MethodColors) and isinstance(colors.method, Suggesting)):
            raise UserError(f"{self.name} suggests no colours; zhang17 does")
        place = HintPoint(x=x, y=y, a=0.0, b=0.0, size=1)
        marked = self._marks(prepared, [place])[0, 2].nonzero()[0].tolist()
        batch = colors.batch(prepared.small, self._marks(prepared, hints), self._global(palette))
        return colors.method.suggest(batch, x=marked[1], y=marked[0])

    def _network(
        self,
        prepared: PreparedPicture,
        hints: Sequence[HintPoint] = (),
        palette: Palette | None = None,
    ) -> Tensor:
        """The network's colours of a picture, in tiles where it is large."""
        small = prepared.small
        if hints:
            small = torch.cat([small, self._marks(prepared, hints)], dim=1)
        whole = self._global(palette)

        def network(image: Tensor, top: int, left: int) -> Tensor:
            marks = image[:, 1:] if hints else None
            boxes = None
            if prepared.boxes is not None:
                inside = cut_boxes(prepared.boxes, top, left, *image.shape[-2:])
                boxes = [torch.from_numpy(inside).to(image.device)]
            return self._run(image[:, :1], marks, whole, boxes).float()

        return tiled(network, small, self.tile, self.tile // 8)

    def _marks(self, prepared: PreparedPicture, hints: Sequence[HintPoint]) -> Tensor:
        height, width = prepared.small.shape[-2:]
        return points_to_hints(hints, height, width, prepared.size).to(prepared.small.device)

    def _less(self, prepared: PreparedPicture, hint: HintPoint, added: Tensor) -> HintPoint:
        """The hint that comes out as ``hint`` after ``added`` (12hw, ab) is added."""
        square = self._marks(prepared, [hint])[0, 2] > 0
        a, b = (
            min(max(wish - plane[square].mean().item(), -AB_SCALE), AB_SCALE)
            for wish, plane in zip((hint.a, hint.b), added[0], strict=True)
        )
        return replace(hint, a=a, b=b)

    def _global(self, palette: Palette | None) -> Tensor | None:
        if palette is None or not self.colors.takes_global_hints:
            return None
        return palette.global_hints().to(self.device)
