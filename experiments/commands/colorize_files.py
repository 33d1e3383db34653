"""A picture or a video, or all of them below a folder, coloured into files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import torch

from ...datasets.base.atomic_write import write_atomic
from ...datasets.base.bounds import WhiteLevel
from ...datasets.base.boxes import Box
from ...datasets.base.errors import UserError
from ...datasets.loading.decode import frames_note, open_picture
from ...models.color.hint_points import HintPoint
from ..inference.colorizer import Colorizer
from ..inference.picture_file import (
    Picture,
    PictureFormat,
    encode,
    left_out,
    quantised,
    read_pictures,
)
from ..inference.picture_sequence import encode_frames, encode_pages, holds
from ..inference.pixels import is_colored
from ..video.colorize_video import FrameColorizer, VideoOptions, VideoReport, colorize_video
from ..video.reader import is_video
from .colorize_targets import SUFFIXES, beside, find_targets

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
        white_level: of 16-bit pictures; see ``decode.read_levels``.
    """

    format: PictureFormat = "png"
    hints: Sequence[HintPoint] = ()
    boxes: Mapping[str, Sequence[Box]] | None = None
    before_after: bool = False
    white_level: WhiteLevel | None = None


@dataclass(frozen=True)
class FolderReport:
    """What became of each picture and video: written, already there, or why not.

    ``boxless`` are those that were coloured without the boxes that others have, ``colored`` the
    pictures whose colours a NIR method did not use; ``videos`` says more of the videos among
    the written, by result; ``unused`` are files that are no pictures, with the reason, ``left_out``
    what of pictures is not in their results, and ``in_full`` is that of ``Targets``.
    """

    written: list[Path] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)
    failed: dict[Path, str] = field(default_factory=dict)
    boxless: list[Path] = field(default_factory=list)
    colored: list[Path] = field(default_factory=list)
    videos: dict[Path, VideoReport] = field(default_factory=dict)
    unused: dict[Path, str] = field(default_factory=dict)
    left_out: dict[str, list[Path]] = field(default_factory=dict)
    in_full: list[Path] = field(default_factory=list)


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
    targets = find_targets(source, out, options.format, options.codec, options.before_after)
    report.unused.update(targets.skipped)
    report.in_full.extend(targets.in_full)
    for picture, target in targets.jobs.items():
        video = is_video(picture)
        results = [target, beside(target)] if options.before_after and not video else [target]
        if all(path.exists() for path in results) and not options.overwrite:
            report.skipped.append(target)
            continue
        boxes = None if video else _boxes_of(picture, source, options.boxes or {})
        try:
            if video:
                step = partial(progress, picture)
                report.videos[target] = colorize_video(colorizer, picture, target, options, step)
            else:
                _colorize_file(colorizer, picture, target, options, boxes, report)
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
    options: FileOptions,
    boxes: Sequence[Box] | None,
    report: FolderReport,
) -> None:
    file, format = open_picture(path), SUFFIXES[target.suffix.lower()]
    pictures = read_pictures(file, colorizer.managed, options.white_level)
    first = next(pictures)
    several = file.count > 1 and holds(format, file)
    notes = {} if several else {frames_note(file): None}  # in order, each once

    def results() -> Iterator[tuple[Picture, np.ndarray]]:
        paint = _painter(colorizer, options, boxes, file.animation is not None and several)
        for picture in chain([first], pictures if several else ()):
            notes.update(dict.fromkeys(picture.notes))
            notes.update((f"{what} not kept", None) for what in left_out(picture, format))
            yield picture, paint(picture.levels)

    shown: np.ndarray | None = None
    if not several:
        [(_, shown)] = results()
        data = encode(first, shown, format)
    elif format == "tif":
        data = encode_pages(results())
    else:
        assert file.animation is not None
        data = encode_frames(results(), file.animation, format)
    if options.before_after:
        # first: where the result is there, all is there
        if shown is None:
            shown = _painter(colorizer, options, boxes, False)(first.levels)
        both = _side_by_side(colorizer.shown_input(first.levels), shown)
        picture = encode(Picture(levels=both), both)
        write_atomic(beside(target), lambda file: file.write(picture))
    write_atomic(target, lambda file: file.write(data))
    for note in filter(None, notes):
        report.left_out.setdefault(note, []).append(path)
    if colorizer.domain == "nir" and is_colored(first.levels):
        report.colored.append(path)


def _painter(
    colorizer: Colorizer, options: FileOptions, boxes: Sequence[Box] | None, moving: bool
) -> Callable[[np.ndarray], np.ndarray]:
    """A function of one picture's levels; of an animation's, in their order, without flicker."""
    if moving and not options.hints and boxes is None:
        return FrameColorizer(
            colorizer,
            strength=options.strength,
            palette=options.palette,
            reduce_flicker=options.reduce_flicker,
            measure=False,
        )
    return partial(
        colorizer,
        strength=options.strength,
        hints=options.hints,
        palette=options.palette,
        boxes=boxes,
    )


def _side_by_side(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    gap = np.full((before.shape[0], _GAP, 3), 255, np.uint8)
    return np.hstack([before, gap, quantised(after, np.dtype(np.uint8))])


def _naming(picture: Path, text: str) -> str:
    return text if str(picture) in text else f"{picture}: {text}"
