"""A picture or a video, or all of them below a folder, coloured into files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, groupby, islice
from pathlib import Path

import numpy as np
from torch import Tensor

from ....datasets.base.atomic_write import write_atomic
from ....datasets.base.bounds import WhiteLevel
from ....datasets.base.boxes import Box, boxes_outside
from ....datasets.base.errors import DataError, UserError
from ....datasets.files.folder import evenly_spaced
from ....datasets.loading.decode import frames_note, open_picture
from ...inference.colorizer import Colorizer
from ...inference.picture_file import (
    Picture,
    PictureFormat,
    encode,
    quantised,
    read_picture,
    read_pictures,
)
from ...inference.picture_sequence import encode_frames, encode_pages, holds
from ...inference.pixels import checked, is_colored
from ...video.video_file import VideoOptions, VideoReport, is_video
from .colorize_targets import SUFFIXES, beside, find_targets
from .overlap import OpenedPicture, is_out_of_memory, overlapped

_GAP = 8  # white pixels between before and after


@dataclass(frozen=True, kw_only=True)
class FileOptions(VideoOptions):
    """How pictures and videos are coloured and written: as ``VideoOptions``, and for pictures.

    Attributes:
        format: of pictures in a folder; a single file's suffix counts instead. A video keeps its
            suffix where that can be written, and becomes ``.mp4`` where not.
        boxes: of the objects in each picture, by its path below the folder, as ``read_boxes`` reads
            them; for a picture, by the longest end of its path that is among them. One that is not
            is coloured as a whole.
        before_after: beside each picture's result write the input and the result, side by side, as
            ``NAME_before_after.png``.
        white_level: of 16-bit pictures; see ``decode.read_rgb``.
    """

    format: PictureFormat = "png"
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
        UserError: hints for a folder, or boxes for a method that takes none.
    """
    options = options or FileOptions()
    if options.hints and source.is_dir():
        raise UserError(f"{source} is a folder; hints belong to one picture or video: name that")
    if options.boxes is not None:
        colorizer.check_takes_boxes()
    report = FolderReport()
    targets = find_targets(source, out, options.format, options.codec, options.before_after)
    report.unused.update(targets.skipped)
    report.in_full.extend(targets.in_full)
    jobs = [_Job(*job, source, options) for job in targets.jobs.items()]
    report.skipped.extend(job.target for job in jobs if job.is_done)
    pending = [job for job in jobs if not job.is_done]
    for video, group in groupby(pending, lambda job: job.is_video):
        if video:
            outcomes = _videos(colorizer, list(group), progress, report)
        else:
            outcomes = _pictures(colorizer, list(group), options, report)
        for job, error in outcomes:
            if error is not None:
                report.failed[job.picture] = _reason(job.picture, error)
                continue
            report.written.append(job.target)
            if options.boxes is not None and job.boxes is None:
                report.boxless.append(job.picture)
            done(job.target)
    return report


class _Job:
    """One picture or video and its result."""

    def __init__(self, picture: Path, target: Path, source: Path, options: FileOptions) -> None:
        self.picture, self.target, self.options = picture, target, options
        self.is_video = is_video(picture)
        self.boxes = None if self.is_video else _boxes_of(picture, source, options.boxes or {})
        several = options.before_after and not self.is_video
        results = [target, beside(target)] if several else [target]
        self.is_done = all(path.exists() for path in results) and not options.overwrite


_Outcomes = Iterator[tuple[_Job, Exception | None]]


def _videos(
    colorizer: Colorizer,
    jobs: Sequence[_Job],
    progress: Callable[[Path, int, int], None],
    report: FolderReport,
) -> _Outcomes:
    from ...video.colorize_video import colorize_video  # which loads the libraries of FFmpeg

    for job in jobs:
        step = partial(progress, job.picture)
        try:
            video = colorize_video(colorizer, job.picture, job.target, job.options, step)
        except Exception as error:
            if not _of_one_file(error):
                raise
            yield job, error
        else:
            report.videos[job.target] = video
            yield job, None


def _pictures(
    colorizer: Colorizer, jobs: Sequence[_Job], options: FileOptions, report: FolderReport
) -> _Outcomes:
    work = _PictureWork(colorizer, options, report)
    alone = options.hints or options.palette or colorizer.precision == "bfloat16-compiled"
    for job, error in overlapped(colorizer, jobs, work, 1 if alone else None):
        if error is not None and not _of_one_file(error):
            raise error
        yield job, error


class _PictureWork:
    """What ``overlapped`` does with each picture."""

    def __init__(self, colorizer: Colorizer, options: FileOptions, report: FolderReport) -> None:
        self.colorizer, self.options, self.report = colorizer, options, report

    def read(self, job: _Job) -> OpenedPicture:
        file = open_picture(job.picture)
        pictures = read_pictures(file, self.colorizer.managed, self.options.white_level)
        first = next(pictures)
        several = file.count > 1 and holds(SUFFIXES[job.target.suffix.lower()], file)
        prepared = self.colorizer.prepare(first.levels, job.boxes)
        opened = OpenedPicture(file, first, prepared, pictures if several else None)
        if outside := boxes_outside(job.boxes or (), *first.levels.shape[:2]):
            note = f"{len(outside)} of {len(job.boxes or ())} boxes lie outside the picture"
            opened.notes[note] = None
        return opened

    def predict(self, job: _Job, opened: OpenedPicture) -> Tensor | bytes:
        """The colours of a picture; of several frames or pages, the file that they become."""
        if opened.more is None:
            if later := [hint.frame for hint in self.options.hints if hint.frame]:
                raise UserError(f"a hint is for frame {later[0]}, and this is a single picture")
            return self.colorizer.predict(opened.prepared, self.options.hints, self.options.palette)
        format, animation = SUFFIXES[job.target.suffix.lower()], opened.file.animation
        paint = _painter(self.colorizer, self.options, job.boxes, animation is not None)

        def results() -> Iterator[tuple[Picture, np.ndarray]]:
            for picture in chain([opened.first], opened.more or ()):
                opened.note(picture, format)
                yield picture, paint(picture.levels)

        if format == "tif":
            return encode_pages(results())
        assert animation is not None
        return encode_frames(results(), animation, format)

    def write(self, job: _Job, opened: OpenedPicture, colors: Tensor | bytes) -> None:
        first, format = opened.first, SUFFIXES[job.target.suffix.lower()]
        shown: np.ndarray | None = None
        if isinstance(colors, bytes):
            data = colors
        else:
            opened.notes[frames_note(opened.file)] = None
            opened.note(first, format)
            dtype = checked(first.levels).dtype
            shown = self.colorizer.render(opened.prepared, colors, self.options.strength, dtype)
            data = encode(first, shown, format)
        if self.options.before_after:
            # first: where the result is there, all is there
            if shown is None:
                shown = _painter(self.colorizer, self.options, job.boxes, False)(first.levels)
            both = _side_by_side(self.colorizer.shown_input(opened.prepared), shown)
            picture = encode(Picture(levels=both), both)
            write_atomic(beside(job.target), lambda file: file.write(picture))
        write_atomic(job.target, lambda file: file.write(data))
        for note in filter(None, opened.notes):
            self.report.left_out.setdefault(note, []).append(job.picture)
        if self.colorizer.domain == "nir" and is_colored(first.levels):
            self.report.colored.append(job.picture)


def sample_levels(paths: Sequence[Path], pictures: int, frames: int) -> list[np.ndarray]:
    """Some of the pictures, to see what kind they are.

    Args:
        paths: of pictures and videos.
        pictures: how many files at most, spread evenly; broken ones are passed over.
        frames: the first so many of each video.

    Raises:
        DataError: none can be read.
    """
    samples: list[np.ndarray] = []
    for index in evenly_spaced(len(paths), pictures):
        try:
            if is_video(paths[index]):
                from ...video.reader import Video

                with Video(paths[index]) as video:
                    samples += islice(video.frames(), frames)
            else:
                samples.append(read_picture(paths[index]).levels)
        except UserError:
            if len(paths) == 1:
                raise
    if not samples:
        raise DataError(f"{paths[0]} and the others cannot be read")
    return samples


def _boxes_of(
    picture: Path, source: Path, boxes: Mapping[str, Sequence[Box]]
) -> Sequence[Box] | None:
    """The boxes of a picture, by the longest end of its path that has any."""
    parts = picture.absolute().parts
    # in a folder nothing shorter than the path there: that may be another picture's
    least = 1 if picture == source else len(picture.relative_to(source).parts)
    ends = ("/".join(parts[start:]) for start in range(1, len(parts) - least + 1))
    return next((boxes[end] for end in ends if end in boxes), None)


def _painter(
    colorizer: Colorizer, options: FileOptions, boxes: Sequence[Box] | None, moving: bool
) -> Callable[[np.ndarray], np.ndarray]:
    """A function of one picture's levels; of an animation's, in their order, without flicker."""
    if moving and boxes is None:
        from ...video.colorize_video import FrameColorizer

        return FrameColorizer(
            colorizer,
            strength=options.strength,
            palette=options.palette,
            hints=options.hints,
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


def _of_one_file(error: Exception) -> bool:
    """Whether the other files can be coloured all the same."""
    return isinstance(error, UserError) or is_out_of_memory(error)


def _reason(picture: Path, error: Exception) -> str:
    if is_out_of_memory(error):
        return f"{picture} needs more memory than there is; make it smaller"
    return str(error) if str(picture) in str(error) else f"{picture}: {error}"
