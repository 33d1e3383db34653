"""``crosschroma colorize``: pictures and videos, one or a folder of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Optional

import tyro

from ...datasets.base.bounds import Checked, Natural, Side, Strength, WhiteLevel
from ...datasets.base.outputs import (
    FOLDER,
    OF_PICTURES,
    OF_VIDEOS,
    JsonOutput,
    Output,
    check_output,
)
from ...models.base.shipped_weights import default_weights
from ..video.codecs import CodecName
from .shared.not_done import not_done
from .shared.usage import UsageError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from ..inference.colorizer import Colorizer
    from ..inference.hints_file import Hints
    from ..inference.palette import Palette
    from .files.colorize_files import FolderReport

# unions of typing, for which tyro does not import typeguard, unlike for those of `|`
OptionalPath = Optional[Path]  # noqa: UP045
OptionalName = Optional[str]  # noqa: UP045
OptionalJson = Optional[JsonOutput]  # noqa: UP045
_OUT = Output(OF_PICTURES | OF_VIDEOS, folder=True)
_GUESSED = 16  # pictures of a folder, and frames of a video, by which its kind is guessed
_FRAMES = 4

_STDIN = Path("-")
# options that a stream of --y4m has no use for
_OF_FILES = ("out", "format", "palette", "hints", "boxes", "codec", "crf", "white_level")
_OF_FILES += ("before_after", "overwrite")


@dataclass(frozen=True, kw_only=True)
class ColorizeOptions(Checked):
    """Colour a picture or a video, or all of them below a folder into the same tree.

    `colorize - --y4m` colours a stream of YUV4MPEG2 from the standard input to the standard output.

    What is there already is skipped; after a broken one the others go on (exit code 1). Pictures
    keep size, alpha, EXIF, XMP, resolution, ICC profile and, as PNG, 16 bits; animations their
    frames, TIFF its pages. A line at the end says what was left out. Videos keep frames and
    their times, size (an odd side may gain a pixel), sound, subtitles and tags; one that was
    interrupted goes on where it was when the same command is given again.

    A picture is read as gray levels for a gray method, as NIR for a NIR method.

    Attributes:
        source: a picture, a video or a folder; - with --y4m.
        run: a run's folder, a checkpoint, a file of ``ship`` or ``export``, or the name of shipped
            weights; by default that of --hints, else the shipped weights for gray photographs or
            for NIR pictures, whichever SOURCE seems to hold (see ``crosschroma input-kind``).
        out: folder to write, or a file where SOURCE is one.
        weights: the run's best by validation, its last, or that of the two its recipe names.
        output: what a method with several outputs returns; see ``crosschroma evaluate``.
        format: of the pictures in a folder; PNG holds all that a picture has.
        codec: of videos; by default h264, vp9 for .webm, mpeg4 for .avi.
        crf: rate factor of the codec, 0 is best; default 18 for h264, 20 for h265, 24 for vp9, av1.
        flicker_reduction: of videos: colours follow the picture's motion from frame to frame.
        report: JSON file to write with the videos' warp error, with and without the reduction.
        strength: of the colours: 0 is gray, 1 as the method makes them, at most 3; by default that
            of --hints, else 1.
        size: short side at which the network sees pictures; default for gray methods that of
            training, for NIR methods the picture's own.
        palette: picture whose colours are taken after, by pictures and videos; see
            ``crosschroma ui``.
        hints: JSON file of colours at points, for one picture or video and a method that takes
            them; in a video each follows its place from the ``frame`` that it names. One that
            `crosschroma ui` saved also names the method and its settings, so that the same picture
            comes out.
        boxes: JSON file of the objects in the pictures, for instance_aware, by their paths below
            SOURCE; see ``crosschroma data boxes``. A picture that it does not name is coloured as a
            whole.
        white_level: of 16-bit pictures the level that is white, 255 to 65535, or the bits that a
            camera fills, 10, 12 or 14; default 65535.
        before_after: also write the input and the result side by side, of pictures.
        overwrite: colour again what is there.
        trust_torchscript: run a file of TorchScript that --run names: a program, of a maker you
            trust.
        y4m: read YUV4MPEG2 from the standard input and write it to the standard output.
        device: ``auto`` (a GPU where there is one), ``cpu``, ``cuda``, ...
        precision: of the network; bfloat16 is several times as fast on CPUs that multiply it, and
            compiled twice as fast again, for videos and pictures of one size: each of the first
            four sizes then takes some twenty seconds once.
    """

    source: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="SOURCE")]
    run: Annotated[OptionalPath, tyro.conf.arg(metavar="RUN")] = None
    out: Annotated[Path, _OUT] = Path("colorized")
    weights: Literal["result", "best", "last"] = "result"
    output: Annotated[OptionalName, tyro.conf.arg(metavar="NAME")] = None
    format: Literal["png", "jpg", "webp"] = "png"
    strength: Strength | None = None
    size: Annotated[Side | None, tyro.conf.arg(metavar="PIXELS")] = None
    hints: Annotated[OptionalPath, tyro.conf.arg(metavar="FILE")] = None
    palette: Annotated[OptionalPath, tyro.conf.arg(metavar="FILE")] = None
    boxes: Annotated[OptionalPath, tyro.conf.arg(metavar="FILE")] = None
    codec: CodecName | None = None
    crf: Annotated[Natural | None, tyro.conf.arg(metavar="INT")] = None
    flicker_reduction: bool = True
    report: Annotated[OptionalJson, tyro.conf.arg(metavar="FILE")] = None
    white_level: Annotated[WhiteLevel | None, tyro.conf.arg(metavar="LEVEL")] = None
    before_after: tyro.conf.FlagCreatePairsOff[bool] = False
    overwrite: tyro.conf.FlagCreatePairsOff[bool] = False
    trust_torchscript: tyro.conf.FlagCreatePairsOff[bool] = False
    y4m: tyro.conf.FlagCreatePairsOff[bool] = False
    device: str = "auto"
    precision: Literal["float32", "bfloat16", "bfloat16-compiled"] = "float32"


def colorize(argv: list[str]) -> int:
    """``crosschroma colorize SOURCE``."""
    options = tyro.cli(ColorizeOptions, prog="crosschroma colorize", args=argv)
    if options.y4m or options.source == _STDIN:
        return _colorize_pipe(options)
    if options.source.is_dir():
        check_output(options.out, FOLDER, "--out")
    from ...datasets.base.boxes import MIN_SCORE, read_boxes
    from ...datasets.loading.decode import parse_white_level
    from ..inference.choice import input_of, title
    from ..inference.hints_file import Hints, read_hints
    from ..training.devices import usable_device
    from ..video.video_file import is_video
    from .files.colorize_files import FileOptions, colorize_files

    hints = read_hints(options.hints) if options.hints else Hints()
    if options.hints and options.source.is_file() and not is_video(options.source):
        hints.check_picture(options.source)
    strengths = (options.strength, hints.strength, 1.0)
    file_options = FileOptions(
        format=options.format,
        strength=next(strength for strength in strengths if strength is not None),
        hints=hints.points,
        palette=_palette(options.palette) if options.palette else hints.palette,
        boxes=read_boxes(options.boxes, MIN_SCORE) if options.boxes else None,
        before_after=options.before_after,
        white_level=parse_white_level(options.white_level),
        overwrite=options.overwrite,
        codec=options.codec,
        crf=options.crf,
        reduce_flicker=options.flicker_reduction,
    )
    colorizer = _colorizer(options, hints, usable_device(options.device))
    _note(f"coloured by {title(colorizer)}, for {input_of(colorizer)}")
    if options.precision != "float32":
        colorizer = colorizer.at(options.precision, _note)
    with _progress() as step:
        report = colorize_files(colorizer, options.source, options.out, file_options, print, step)
    _print_videos(report, options.report)
    _print_notes(report, options.boxes)
    for reason in report.failed.values():
        print(f"error: {reason}", file=sys.stderr)
    if report.failed and options.source.is_dir():
        print(f"error: {len(report.failed)} could not be coloured", file=sys.stderr)
    return 1 if report.failed else 0


def _colorize_pipe(options: ColorizeOptions) -> int:
    """``crosschroma colorize - --y4m``: nothing but the stream goes to the standard output."""
    if not (options.y4m and options.source == _STDIN):
        raise UsageError("the standard streams are YUV4MPEG2: write colorize - --y4m")
    for name in _OF_FILES:
        if getattr(options, name) != getattr(ColorizeOptions, name):
            raise UsageError(f"--{name.replace('_', '-')} is for files, not for a stream of --y4m")
    if sys.stdin.isatty() or sys.stdout.isatty():
        raise UsageError("--y4m reads and writes streams; connect it to other programs by pipes")
    from ...datasets.base.atomic_write import write_text_atomic
    from ..inference.hints_file import Hints
    from ..training.devices import usable_device
    from ..video.colorize_pipe import colorize_pipe
    from ..video.colorize_video import FrameColorizer

    colorizer = _colorizer(options, Hints(), usable_device(options.device))
    if options.precision != "float32":
        colorizer = colorizer.at(options.precision, _note)
    frames = FrameColorizer(
        colorizer,
        strength=1.0 if options.strength is None else options.strength,
        reduce_flicker=options.flicker_reduction,
        measure=options.report is not None,
    )
    count = colorize_pipe(frames, sys.stdin.buffer, sys.stdout.buffer)
    if options.report is not None:
        report = {"frames": count, **frames.flicker()}
        write_text_atomic(options.report, json.dumps(report, indent=2) + "\n")
    _note(f"{count} frames coloured")
    return 0


def _print_notes(report: FolderReport, boxes: Path | None) -> None:
    if report.skipped:
        print(f"{len(report.skipped)} there already (--overwrite colours them again)")
    if report.boxless:
        print(f"{boxes} has no entry for {_named(report.boxless)}: coloured as a whole")
    if report.colored:
        _note(
            f"taken for NIR, though in colour: {_named(report.colored)}; for photographs take a "
            f"gray method, such as --run {default_weights('gray')}"
        )
    if report.in_full:
        _note(f"two of one name; their results keep the suffix: {_named(report.in_full)}")
    if line := _not_done(report):
        _note(line)


def _not_done(report: FolderReport) -> str:
    """What of the source is in no result, in one line."""
    skipped: dict[str, list[str]] = {}
    for path, reason in report.unused.items():
        skipped.setdefault(reason, []).append(path.name)
    left_out = {what: [path.name for path in paths] for what, paths in report.left_out.items()}
    return not_done(skipped, left_out)


def _named(pictures: Sequence[Path]) -> str:
    first, *more = pictures
    return f"{first} and {len(more)} more" if more else str(first)


def _note(text: str) -> None:
    print(f"note: {text}", file=sys.stderr)


@contextmanager
def _progress() -> Iterator[Callable[[Path, int, int], None]]:
    """A bar for each video on a terminal's standard error; what is safe, where it is stopped."""
    tasks: dict[Path, TaskID] = {}
    with ExitStack() as stack:

        @cache
        def bars() -> Progress:
            from rich.console import Console
            from rich.progress import Progress

            console = Console(stderr=True)
            bars = Progress(console=console, transient=True, disable=not console.is_terminal)
            return stack.enter_context(bars)

        def step(path: Path, count: int, expected: int) -> None:
            if path not in tasks:
                tasks[path] = bars().add_task(path.name, total=expected or None)
            bars().update(tasks[path], completed=count)

        try:
            yield step
        except KeyboardInterrupt as stop:
            for note in getattr(stop, "__notes__", []):
                print(note, file=sys.stderr)
            raise


def _print_videos(report: FolderReport, file: Path | None) -> None:
    from ...datasets.base.atomic_write import write_text_atomic

    for target, video in report.videos.items():
        for note in video.notes:
            _note(f"{target}: {note}")
        errors = {name: error for name, error in video.flicker["warp_error"].items() if error}
        texts = ", ".join(
            f"{error['rgb']:.2g} (ab {error['ab']:.2g}) {name} flicker reduction"
            for name, error in errors.items()
            if name != "input"
        )
        print(f"{target}: {video.frames} frames; warp error {texts or 'n/a: no two frames'}")
    if file is not None:
        plain = {
            str(target): {
                "frames": video.frames,
                "resumed": video.resumed,
                "notes": video.notes,
                **video.flicker,
            }
            for target, video in report.videos.items()
        }
        write_text_atomic(file, json.dumps(plain, indent=2) + "\n")


def _colorizer(options: ColorizeOptions, hints: Hints, device: str) -> Colorizer:
    """The run that the options name, or that of the hints as it was when they were saved."""
    from ..inference.colorizer import Colorizer

    output, size = options.output, options.size
    if options.run is not None or hints.method is None:
        run = options.run or Path(default_weights(_domain(options)))
        trust = options.trust_torchscript
        return Colorizer.load(run, options.weights, device, output, size, trust)
    return hints.colorizer(options.weights, device, output, size)


def _palette(path: Path) -> Palette:
    from ..inference.palette import Palette
    from ..inference.picture_file import read_picture

    return Palette.of(read_picture(path).levels, path.name)


def _domain(options: ColorizeOptions) -> str:
    """The kind of what is to be coloured, ``gray`` or ``nir``; says what it goes by.

    A stream cannot be looked at beforehand, and counts as gray.
    """
    from ..inference.input_kind import guess_kind
    from .files.colorize_files import sample_levels
    from .files.colorize_targets import find_targets

    if options.source == _STDIN:
        return "gray"
    names = ("source", "out", "format", "codec", "before_after")
    targets = find_targets(*(getattr(options, name) for name in names))
    guess = guess_kind(sample_levels(list(targets.jobs), _GUESSED, _FRAMES))
    other = default_weights("gray" if guess.domain == "nir" else "nir")
    _note(f"{options.source}: {guess.text} For the other kind give --run {other}.")
    return guess.domain
