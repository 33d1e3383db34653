"""A picture or a video, or all of them below a folder, coloured into files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch

from ...datasets.base.atomic_write import write_atomic
from ...datasets.base.boxes import Box
from ...datasets.base.errors import DataError, UserError
from ...datasets.files.folder import image_files
from ...models.color.hint_points import HintPoint
from ..inference.colorizer import Colorizer
from ..inference.picture_file import Picture, PictureFormat, encode, quantised, read_picture
from ..inference.pixels import is_colored
from ..video.codecs import WRITABLE, container
from ..video.colorize_video import VideoOptions, VideoReport, colorize_video
from ..video.reader import VIDEO_SUFFIXES, is_video, video_files

BEFORE_AFTER = "_before_after"
_SUFFIXES: dict[str, PictureFormat] = {
    ".png": "png",
    ".jpg": "jpg",
    ".jpeg": "jpg",
    ".webp": "webp",
}
_GAP = 8  # white pixels between before and after


@dataclass(frozen=True, kw_only=True)
class FileOptions(VideoOptions):
    """How pictures and videos are coloured and written: as ``VideoOptions``, and for pictures.

    Attributes:
        format: of pictures in a folder; a single file's suffix counts instead. A video keeps its
            suffix where that can be written, and becomes ``.mp4`` where not.
        hints: see ``Colorizer``; for a single picture.
        boxes: of the objects in each picture, by its path below the folder, as ``read_boxes`` reads
            them; for a picture, by the longest end of its path that is among them. One that is not
            is coloured as a whole.
        before_after: beside each picture's result write the input and the result, side by side, as
            ``NAME_before_after.png``.
    """

    format: PictureFormat = "png"
    hints: Sequence[HintPoint] = ()
    boxes: Mapping[str, Sequence[Box]] | None = None
    before_after: bool = False


@dataclass(frozen=True)
class FolderReport:
    """What became of each picture and video: written, already there, or why not.

    ``boxless`` are those that were coloured without the boxes that others have, ``colored`` the
    pictures whose colours a NIR method did not use; ``videos`` says more of the videos among
    the written, by result.
    """

    written: list[Path] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)
    failed: dict[Path, str] = field(default_factory=dict)
    boxless: list[Path] = field(default_factory=list)
    colored: list[Path] = field(default_factory=list)
    videos: dict[Path, VideoReport] = field(default_factory=dict)


def colorize_files(
    colorizer: Colorizer,
    source: Path,
    out: Path,
    options: FileOptions | None = None,
    done: Callable[[Path], None] = lambda path: None,
    progress: Callable[[Path, int, int], None] = lambda path, count, expected: None,
) -> FolderReport:
    """Colour a picture or a video, or all of them below a folder into the same tree.

    A broken picture does not stop the others; pictures whose result is there are skipped, and so
    is ``out`` where it lies within ``source``. Files are complete or not there, also after a kill;
    an interrupted video goes on where it was.

    Args:
        colorizer: the method.
        source: a picture, a video or a folder.
        out: for one file: the file to write, or a folder; for a folder: a folder.
        options: default ``FileOptions()``.
        done: called with every result written.
        progress: called within a video; see ``colorize_video``.

    Raises:
        DataError: nothing to colour, two pictures that would become one file, or a result that
            would take its picture's place.
        UserError: hints for a folder or a video, or boxes for a method that takes none.
    """
    options = options or FileOptions()
    if options.hints and (source.is_dir() or is_video(source)):
        kind = "folder" if source.is_dir() else "video"
        raise UserError(f"{source} is a {kind}; hints belong to one picture, so name that one")
    if options.boxes is not None:
        colorizer.check_takes_boxes()
    report = FolderReport()
    for picture, target in _jobs(source, out, options).items():
        beside = target.with_name(f"{target.stem}{BEFORE_AFTER}.png")
        video = is_video(picture)
        results = [target, beside] if options.before_after and not video else [target]
        if all(path.exists() for path in results) and not options.overwrite:
            report.skipped.append(target)
            continue
        boxes = None if video else _boxes_of(picture, source, options.boxes or {})
        try:
            if video:
                step = partial(progress, picture)
                report.videos[target] = colorize_video(colorizer, picture, target, options, step)
            else:
                _colorize_file(colorizer, picture, target, beside, options, boxes, report)
        except UserError as error:
            report.failed[picture] = _naming(picture, str(error))
        except (MemoryError, torch.OutOfMemoryError):
            report.failed[picture] = f"{picture} needs more memory than there is; make it smaller"
        else:
            report.written.append(target)
            if options.boxes is not None and boxes is None:
                report.boxless.append(picture)
            done(target)
    return report


def _boxes_of(
    picture: Path, source: Path, boxes: Mapping[str, Sequence[Box]]
) -> Sequence[Box] | None:
    """The boxes of a picture, by the longest end of its path that has any."""
    parts = picture.absolute().parts
    # in a folder nothing shorter than the path there: that may be another picture's
    least = 1 if picture == source else len(picture.relative_to(source).parts)
    ends = ("/".join(parts[start:]) for start in range(1, len(parts) - least + 1))
    return next((boxes[end] for end in ends if end in boxes), None)


def _colorize_file(
    colorizer: Colorizer,
    path: Path,
    target: Path,
    beside: Path,
    options: FileOptions,
    boxes: Sequence[Box] | None,
    report: FolderReport,
) -> None:
    picture = read_picture(path, colorizer.managed)
    rgb = colorizer(
        picture.levels,
        strength=options.strength,
        hints=options.hints,
        palette=options.palette,
        boxes=boxes,
    )
    data = encode(picture, rgb, _format(target))
    if options.before_after:
        # first: where the result is there, all is there
        both = _side_by_side(colorizer.shown_input(picture.levels), rgb)
        shown = encode(Picture(levels=both), both)
        write_atomic(beside, lambda file: file.write(shown))
    write_atomic(target, lambda file: file.write(data))
    if colorizer.domain == "nir" and is_colored(picture.levels):
        report.colored.append(path)


def _side_by_side(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    gap = np.full((before.shape[0], _GAP, 3), 255, np.uint8)
    return np.hstack([before, gap, quantised(after, np.dtype(np.uint8))])


def _naming(picture: Path, text: str) -> str:
    return text if str(picture) in text else f"{picture}: {text}"


def _format(target: Path) -> PictureFormat:
    return _SUFFIXES[target.suffix.lower()]


def _jobs(source: Path, out: Path, options: FileOptions) -> dict[Path, Path]:
    if source.is_file():
        suffixes = WRITABLE if is_video(source) else _SUFFIXES.keys()
        single = out.suffix.lower() in suffixes and not out.is_dir()
        if (
            not single
            and not out.is_dir()
            and out.suffix.lower() in VIDEO_SUFFIXES | _SUFFIXES.keys()
        ):
            kinds = ", ".join(sorted(suffixes))
            raise UserError(f"{source} cannot become {out}; name a folder or a file of {kinds}")
        jobs = {source: out if single else out / (source.stem + _suffix_for(source, options))}
    elif source.is_dir():
        jobs = {
            path: (out / path.relative_to(source)).with_suffix(_suffix_for(path, options))
            for path in sorted([*image_files(source), *video_files(source)])
            if out == source or out not in path.parents
        }
        if not jobs:
            raise DataError(f"no pictures or videos in {source}")
    else:
        raise DataError(f"no picture, video or folder {source}")
    _check_targets(jobs)
    return jobs


def _suffix_for(path: Path, options: FileOptions) -> str:
    if not is_video(path):
        return f".{options.format}"
    return container(options.codec, path.suffix.lower())


def _check_targets(jobs: dict[Path, Path]) -> None:
    sources: dict[Path, Path] = {}
    for picture, target in jobs.items():
        if target in sources:
            raise DataError(
                f"{sources[target]} and {picture} would both become {target}; rename one"
            )
        if target.resolve() == picture.resolve():
            raise DataError(f"{target} would take the place of its own picture; give another --out")
        sources[target] = picture
