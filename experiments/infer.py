"""From a trained method and a picture of any size to colour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ..datasets.atomic import write_atomic
from ..datasets.batch import Batch
from ..datasets.color import lab_to_rgb, lightness_from_uint8, rgb_to_lab
from ..datasets.decode import read_plane, read_rgb
from ..datasets.errors import DataError, UserError
from ..datasets.folder import image_files
from ..models.system import ColorizationSystem
from .shipped import load_any

BAND_PIXELS = 2**20


class Colorizer:
    """A trained method as a function from a picture to a coloured picture.

    Gray input keeps its luminance at full resolution: the network sees the picture with its short
    side at ``size`` and only the ab of what it makes is resized. NIR input has no luminance to
    keep: the network works at the picture's own size up to ``size`` x 4 on the short side, and
    what it makes of a larger picture is resized.

    Args:
        system: a method whose ``colorize`` needs only ``gray`` or only ``nir``.
        size: side in pixels that the method was trained at; ``None``: always the picture's own.
        device: where to compute.
    """

    def __init__(
        self, system: ColorizationSystem, size: int | None, device: str | torch.device = "cpu"
    ) -> None:
        if system.domain not in ("gray", "nir"):
            raise UserError(f"{system.name} needs gray and NIR together; a picture holds one")
        self.system = system.to(device).eval()
        self.size = size
        self.device = torch.device(device)

    @classmethod
    def load(
        cls,
        run: Path | str,
        which: str = "result",
        device: str = "cpu",
        output: str | None = None,
    ) -> Colorizer:
        """From a run's folder, a checkpoint, a file of ``ship`` or the name of shipped weights.

        ``output`` and errors are those of ``shipped.load_any``.
        """
        trained = load_any(run, which, output)
        return cls(trained.system, trained.experiment.eval_view.size, device)

    @torch.no_grad()
    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Colour one picture.

        Args:
            image: uint8, H x W x 3 sRGB (its L* is what a gray method sees) or H x W (gray levels
                in sRGB encoding, or NIR).

        Returns:
            H x W x 3 uint8 sRGB.
        """
        if image.dtype != np.uint8 or image.ndim not in (2, 3):
            raise DataError(
                f"a picture must be uint8 HxW or HxWx3, not {image.dtype} of shape {image.shape}"
            )
        if self.system.domain == "gray":
            rgb = np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image
            colored = self._from_gray(torch.from_numpy(lightness_from_uint8(rgb)))
        else:
            plane = image if image.ndim == 2 else image.mean(axis=2)
            colored = self._from_nir(torch.from_numpy(np.asarray(plane, np.float32) / 255))
        levels = colored[0].permute(1, 2, 0).mul(255).round().to(torch.uint8)
        return levels.cpu().numpy()

    def _from_gray(self, plane: Tensor) -> Tensor:
        gray = plane[None, None].to(self.device)
        small = self._shrunk(gray, self.size)
        rgb = self.system.colorize(Batch(key=["picture"], gray=small))
        if small.shape == gray.shape:
            return rgb
        ab = _resized(rgb_to_lab(rgb)[:, 1:], gray.shape[-2:])
        lab = torch.cat([100 * gray, ab], dim=1)
        # in bands: the gamut search holds some 190 bytes a pixel
        bands = lab.split(max(1, BAND_PIXELS // lab.shape[-1]), dim=2)
        return torch.cat([lab_to_rgb(band, gamut="chroma") for band in bands], dim=2)

    def _from_nir(self, plane: Tensor) -> Tensor:
        nir = plane[None, None].to(self.device)
        small = self._shrunk(nir, self.size and 4 * self.size)
        rgb = self.system.colorize(Batch(key=["picture"], nir=small))
        return _resized(rgb, nir.shape[-2:]).clamp(0, 1)

    def _shrunk(self, plane: Tensor, short_side: int | None) -> Tensor:
        height, width = plane.shape[-2:]
        if short_side is None or min(height, width) <= short_side:
            return plane
        scale = short_side / min(height, width)
        return _resized(plane, (round(height * scale), round(width * scale))).clamp(0, 1)


@dataclass(frozen=True)
class FolderReport:
    """What became of each picture: written, already there, or why not."""

    written: list[Path]
    skipped: list[Path]
    failed: dict[Path, str]


def colorize_files(
    colorizer: Colorizer,
    source: Path,
    out: Path,
    overwrite: bool = False,
    done: Callable[[Path], None] = lambda path: None,
) -> FolderReport:
    """Colour a picture, or every picture below a folder into the same tree of PNG files.

    A broken picture does not stop the others; pictures whose result is there are skipped.

    Args:
        colorizer: the method.
        source: a picture or a folder.
        out: for a picture: the PNG to write, or a folder; for a folder: a folder.
        overwrite: colour again what is there.
        done: called with every file written.

    Raises:
        DataError: nothing to colour, or two pictures that would become one file.
    """
    jobs = _jobs(source, out)
    report = FolderReport([], [], {})
    for picture, target in jobs.items():
        if target.exists() and not overwrite:
            report.skipped.append(target)
            continue
        try:
            read = read_rgb if colorizer.system.domain == "gray" else read_plane
            image = Image.fromarray(colorizer(read(picture)))
            write_atomic(target, lambda file, image=image: image.save(file, format="PNG"))
        except UserError as error:
            report.failed[picture] = str(error)
            continue
        report.written.append(target)
        done(target)
    return report


def _jobs(source: Path, out: Path) -> dict[Path, Path]:
    if source.is_file():
        single = out if out.suffix.lower() == ".png" else out / f"{source.stem}.png"
        return {source: single}
    if not source.is_dir():
        raise DataError(f"no picture or folder {source}")
    pictures = image_files(source)
    if not pictures:
        raise DataError(f"no pictures in {source}")
    jobs = {path: (out / path.relative_to(source)).with_suffix(".png") for path in pictures}
    seen: dict[Path, Path] = {}
    for picture, target in jobs.items():
        if target in seen:
            raise DataError(f"{seen[target]} and {picture} would both become {target}; rename one")
        seen[target] = picture
    return jobs


def _resized(plane: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    if plane.shape[-2:] == tuple(size):
        return plane
    return F.interpolate(
        plane, size=tuple(size), mode="bilinear", align_corners=False, antialias=True
    )
