"""The pictures of README: photographs in gray, coloured by shipped weights, and as they were.

scikit-image brings the photographs, and all may be redistributed: astronaut (NASA, public domain),
chelsea (Stefan van der Walt, CC0), coffee (Rachel Michetti, CC0), rocket (SpaceX, public domain).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from crosschroma import Colorizer
from PIL import Image
from skimage import data

PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket")
HEIGHT, GAP, QUALITY = 232, 6, 88


def column(colorize: Colorizer, photograph: np.ndarray) -> list[Image.Image]:
    """Gray input, result and original of a photograph, H x W x 3 uint8, at ``HEIGHT``."""
    gray = colorize.shown_input(photograph)  # all that the method is given
    size = (round(HEIGHT * gray.shape[1] / gray.shape[0]), HEIGHT)
    pictures = [Image.fromarray(levels) for levels in (gray, colorize(gray), photograph)]
    return [picture.resize(size, Image.Resampling.LANCZOS) for picture in pictures]


def sheet(columns: list[list[Image.Image]]) -> Image.Image:
    """The pictures on white, a column a photograph."""
    widths = [pictures[0].width for pictures in columns]
    size = sum(widths) + GAP * (len(widths) - 1), 3 * HEIGHT + 2 * GAP
    whole, left = Image.new("RGB", size, "white"), 0
    for pictures, width in zip(columns, widths, strict=True):
        for row, picture in enumerate(pictures):
            whole.paste(picture, (left, row * (HEIGHT + GAP)))
        left += width + GAP
    return whole


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", default="ddcolor_photos", help="weights for gray pictures")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("photos.jpg"))
    options = parser.parse_args()
    method = Colorizer.load(options.run)
    whole = sheet([column(method, getattr(data, name)()) for name in PHOTOGRAPHS])
    whole.save(options.out, quality=QUALITY, optimize=True)
    print(options.out)
