"""The pictures of README: photographs in gray, coloured by shipped weights, and as they were.

The third row has hints: at the points that are marked, a network is given the photograph's colour.

scikit-image brings the photographs, and all may be redistributed: astronaut (NASA, public domain),
chelsea (Stefan van der Walt, CC0), coffee (Rachel Michetti, CC0), rocket (SpaceX, public domain).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from crosschroma import Colorizer
from crosschroma.datasets.base.color import lab_from_uint8
from crosschroma.models.color.hint_points import HintPoint
from PIL import Image, ImageDraw
from skimage import data

# photograph: x and y, in its pixels, where its colour is given as a hint
POINTS = {
    "astronaut": ((110, 400), (85, 30), (100, 170), (230, 45), (175, 385)),
    "chelsea": ((150, 105), (205, 185), (430, 40), (263, 247)),
    "coffee": ((450, 295), (290, 165), (215, 80), (560, 250)),
    "rocket": ((250, 60), (130, 300), (318, 300), (275, 395)),
}
HEIGHT, GAP, QUALITY = 232, 6, 88
REACH = 3  # pixels from a point to where its colour is averaged
MARK = 4  # pixels of radius


def column(name: str, automatic: Colorizer, guided: Colorizer) -> list[Image.Image]:
    """A photograph in gray, coloured, coloured with hints, and as it was, at ``HEIGHT``."""
    photograph: np.ndarray = getattr(data, name)()
    gray = automatic.shown_input(photograph)  # all that the methods are given
    hints = [hint(photograph, x, y) for x, y in POINTS[name]]
    results = gray, automatic(gray), guided(gray, hints=hints), photograph
    scale = HEIGHT / gray.shape[0]
    size = (round(scale * gray.shape[1]), HEIGHT)
    pictures = [
        Image.fromarray(levels).resize(size, Image.Resampling.LANCZOS) for levels in results
    ]
    for x, y in POINTS[name]:
        left, top = scale * x - MARK, scale * y - MARK
        box = (left, top, left + 2 * MARK, top + 2 * MARK)
        colour = tuple(photograph[y, x])
        ImageDraw.Draw(pictures[2]).ellipse(box, fill=colour, outline="white", width=1)
    return pictures


def hint(photograph: np.ndarray, x: int, y: int) -> HintPoint:
    """The mean colour about a point of H x W x 3 uint8."""
    square = photograph[y - REACH : y + REACH + 1, x - REACH : x + REACH + 1]
    _, a, b = lab_from_uint8(np.ascontiguousarray(square)).mean((0, 1))
    return HintPoint(x=x, y=y, a=float(a), b=float(b))


def sheet(columns: list[list[Image.Image]]) -> Image.Image:
    """The pictures on white, a column a photograph."""
    widths = [pictures[0].width for pictures in columns]
    rows = len(columns[0])
    size = sum(widths) + GAP * (len(widths) - 1), rows * HEIGHT + (rows - 1) * GAP
    whole, left = Image.new("RGB", size, "white"), 0
    for pictures, width in zip(columns, widths, strict=True):
        for row, picture in enumerate(pictures):
            whole.paste(picture, (left, row * (HEIGHT + GAP)))
        left += width + GAP
    return whole


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", default="zhang16_photos", help="weights for gray pictures")
    parser.add_argument("--hints-run", default="hints_photos", help="weights that take hints")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("photos.jpg"))
    options = parser.parse_args()
    methods = Colorizer.load(options.run), Colorizer.load(options.hints_run)
    whole = sheet([column(name, *methods) for name in POINTS])
    whole.save(options.out, quality=QUALITY, optimize=True)
    print(options.out)
