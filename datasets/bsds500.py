"""Berkeley Segmentation Data Set 500."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .base.adapter import Record, SplitName
from .files.adapter import PhotoAdapter
from .files.folder import image_files


@dataclass(frozen=True, kw_only=True)
class Bsds500(PhotoAdapter):
    """BSDS500: 200 training, 100 validation and 200 test photos, 481x321 or 321x481, JPEG.

    Source: https://github.com/BIDS/BSDS500 (``data/images``).
    Paper: Arbelaez et al., "Contour Detection and Hierarchical Image Segmentation", PAMI 2011.
    Terms: research and education, the paper to be cited; the photos are Corel's.
    """

    name: ClassVar[str] = "bsds500"
    folder: ClassVar[str] = "bsds500"
    planes: ClassVar[frozenset[str]] = frozenset({"rgb"})
    layout: ClassVar[str] = "train/*.jpg, val/*.jpg and test/*.jpg"

    def records(self, name: SplitName) -> list[Record]:
        """Photos of the split's folder; validation is ``val``."""
        folder = self.base() / ("val" if name == "validation" else name)
        return [self.photo(path) for path in image_files(folder)]
