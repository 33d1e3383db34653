"""One picture of inputs, predictions, error maps and targets side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ...datasets.base.atomic_write import write_atomic
from ...datasets.base.errors import UserError
from ..metrics.image import psnr

ERROR_LIMIT = 0.25  # mean absolute RGB error that gets the last colour; 64 of 255 levels
_WIDTH = 1680  # pixels that the cells of a wide gallery shrink to
_CELL = (96, 256)  # narrowest and widest cell
_GAP, _MARGIN = 6, 16
_BLACK, _GRAY = (20, 20, 20), (95, 95, 95)


@dataclass(frozen=True, kw_only=True)
class GalleryRow:
    """One image of a gallery.

    Attributes:
        key: the image's name, printed below the first cell.
        images: column name to picture, in the order of the columns: 3HW sRGB or 1HW, [0,1].
            With a target, every other picture of three channels is a prediction.
        target: the column that predictions are compared with; ``None`` when there is none.
    """

    key: str
    images: Mapping[str, Tensor]
    target: str | None = None


def absolute_error(prediction: Tensor, target: Tensor) -> Tensor:
    """Absolute difference averaged over R, G and B per pixel: B3HW pairs to B1HW, unit [0,1]."""
    return (prediction - target).abs().mean(1, keepdim=True)


def error_map(prediction: Tensor, target: Tensor, limit: float = ERROR_LIMIT) -> Tensor:
    """``absolute_error`` as colours of the perceptually uniform map "magma".

    Args:
        prediction: B3HW sRGB in [0,1].
        target: B3HW sRGB in [0,1].
        limit: the error, in [0,1], that gets the brightest colour, as all above it do. Black is 0.

    Returns:
        B3HW sRGB in [0,1] on the CPU.
    """
    error = absolute_error(prediction.detach().float().cpu(), target.detach().float().cpu())
    levels = (error[:, 0] / limit * 255).round().clamp(0, 255).nan_to_num(255).long()
    return magma()[levels].permute(0, 3, 1, 2).contiguous()


def gallery(
    rows: Sequence[GalleryRow], path: Path | None = None, *, errors: bool = True
) -> Image.Image:
    """Draw the rows below common headings; after each prediction its error map and below it PSNR.

    Args:
        rows: the images; all have the same columns, heights and widths may differ between rows.
        path: where to write the picture, whole or not at all, as JPEG where the name ends so and
            else as PNG; ``None`` to only return it.
        errors: draw the error maps, too.

    Raises:
        UserError: when rows have different columns, or ``path`` cannot be written.
    """
    if not rows:
        raise UserError("gallery: there are no images to show")
    for row in rows:
        if list(row.images) != list(rows[0].images) or row.target != rows[0].target:
            raise UserError(
                f"gallery: {row.key} has the columns {', '.join(row.images)} (target "
                f"{row.target}), {rows[0].key} has {', '.join(rows[0].images)} (target "
                f"{rows[0].target}); all rows need the same"
            )
    table = [[cell for cell in _cells(row) if errors or not cell.is_error] for row in rows]
    picture = _draw(table, has_errors=any(cell.is_error for cell in table[0]))
    if path is not None:
        jpeg = path.suffix.lower() in (".jpg", ".jpeg")
        options = {"format": "JPEG", "quality": 90} if jpeg else {"format": "PNG"}
        write_atomic(path, lambda file: picture.save(file, **options))
    return picture


@dataclass(frozen=True)
class _Cell:
    heading: str
    picture: Image.Image
    note: str
    is_error: bool = False


def _cells(row: GalleryRow) -> list[_Cell]:
    target = None if row.target is None else row.images[row.target][None].double().cpu()
    cells = []
    for name, image in row.images.items():
        note = row.key if not cells else ""
        if target is None or name == row.target or len(image) != 3:
            cells.append(_Cell(name, _picture(image), note))
            continue
        prediction = image[None].double().cpu()
        decibel = f"{psnr(prediction, target).item():.2f} dB"
        cells.append(_Cell(name, _picture(image), f"{note}  {decibel}".strip()))
        error = absolute_error(prediction, target).mean().item()
        shown = _picture(error_map(prediction, target)[0])
        cells.append(_Cell(f"{name} error", shown, f"mean {error:.3f}", is_error=True))
    return cells


def _picture(image: Tensor) -> Image.Image:
    plane = image.detach().float().cpu().clamp(0, 1).nan_to_num(0).mul(255).round()
    plane = plane.expand(3, -1, -1).permute(1, 2, 0).to(torch.uint8)
    return Image.fromarray(plane.numpy())


def _draw(table: Sequence[Sequence[_Cell]], *, has_errors: bool) -> Image.Image:
    columns = len(table[0])
    widest = max(cell.picture.width for cells in table for cell in cells)
    fitting = (_WIDTH - 2 * _MARGIN) // columns - _GAP
    width = min(max(min(widest, fitting), _CELL[0]), _CELL[1])
    letters = max(11, round(width * 0.065))
    font, line = ImageFont.load_default(size=letters), round(letters * 1.6)
    heights = [round(cells[0].picture.height * width / cells[0].picture.width) for cells in table]
    total = sum(heights) + len(table) * (line + _GAP) + line * (2 if has_errors else 1)
    size = (columns * (width + _GAP) - _GAP + 2 * _MARGIN, total + 2 * _MARGIN)
    picture = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(picture)
    lefts = [_MARGIN + at * (width + _GAP) for at in range(columns)]
    for left, cell in zip(lefts, table[0], strict=True):
        heading = _shortened(cell.heading, font, width)
        pen.text((left + width / 2, _MARGIN), heading, _BLACK, font, anchor="ma")
    top = _MARGIN + line
    for cells, height in zip(table, heights, strict=True):
        for left, cell in zip(lefts, cells, strict=True):
            picture.paste(_scaled(cell.picture, width, height), (left, top))
            note = _shortened(cell.note, font, width)
            pen.text((left + width / 2, top + height + 3), note, _GRAY, font, anchor="ma")
        top += height + line + _GAP
    if has_errors:
        _draw_scale(picture, pen, font, top)
    return picture


def _scaled(image: Image.Image, width: int, height: int) -> Image.Image:
    """Shrunk with anti-aliasing; enlarged by repeating pixels, so that none is invented."""
    if image.size == (width, height):
        return image
    filter = Image.Resampling.LANCZOS if width < image.width else Image.Resampling.NEAREST
    return image.resize((width, height), filter)


def _shortened(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """The text, or as much of its end as fits: the ends of keys tell images apart."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"...{text}") > width:
        text = text[1:]
    return f"...{text}"


def _draw_scale(
    picture: Image.Image,
    pen: ImageDraw.ImageDraw,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    top: int,
) -> None:
    """The colour bar with its ends, at the right edge of the last line."""
    colours = (magma() * 255).round().to(torch.uint8).numpy()[None]
    height = round(font.getbbox("0")[3])
    bar = Image.fromarray(np.ascontiguousarray(colours)).resize((120, height))
    name, last = "mean absolute RGB error (magma):  0", f"{ERROR_LIMIT} or more"
    long = font.getlength(name) + 16 + bar.width + font.getlength(last)
    left = max(picture.width - _MARGIN - long, 2)
    pen.text((left, top), name, _GRAY, font)
    left += font.getlength(name) + 8
    picture.paste(bar, (round(left), top + 1))
    pen.text((left + bar.width + 8, top), last, _GRAY, font)


def magma() -> Tensor:
    """256 x 3 sRGB colours in [0,1], from black over red to pale yellow."""
    steps = np.arange(256, dtype=np.uint8)[:, None]
    colours = cv2.applyColorMap(steps, cv2.COLORMAP_MAGMA)[:, 0, ::-1]
    return torch.from_numpy(np.ascontiguousarray(colours)).float() / 255
