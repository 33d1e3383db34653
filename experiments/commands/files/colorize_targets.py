"""Which file each picture and video becomes, and what of a folder is neither."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ....datasets.base.errors import DataError, UserError
from ....datasets.files.folder import is_image
from ....datasets.files.walk import real_path, walk
from ....datasets.loading.tiff_file import count_pages
from ...inference.picture_file import PictureFormat
from ...video.codecs import WRITABLE, container
from ...video.video_file import PARTS, VIDEO_SUFFIXES, is_video

BEFORE_AFTER = "_before_after"
SUFFIXES: dict[str, PictureFormat] = {
    ".png": "png",
    ".apng": "png",
    ".jpg": "jpg",
    ".jpeg": "jpg",
    ".jpe": "jpg",
    ".jfif": "jpg",
    ".webp": "webp",
    ".gif": "gif",
    ".tif": "tif",
    ".tiff": "tif",
}
_PAGED = (".tif", ".tiff")


@dataclass(frozen=True)
class Targets:
    """What is to be done.

    Attributes:
        jobs: result of each picture and video.
        skipped: files that are neither, and what could not be looked into, with the reason.
        in_full: pictures whose result has their suffix in its name, since another has the same.
    """

    jobs: dict[Path, Path]
    skipped: dict[Path, str] = field(default_factory=dict)
    in_full: list[Path] = field(default_factory=list)


def find_targets(
    source: Path, out: Path, format: PictureFormat, codec: str | None, before_after: bool
) -> Targets:
    """The results of a picture or a video, or of all of them below a folder.

    What lies in ``out``, however the paths are spelt, is no picture. Pictures of one name, such as
    ``a.jpg`` and ``a.png``, become ``a.jpg.png`` and ``a.png.png``.

    Raises:
        DataError: nothing to colour, two results of one name, or one in its picture's place.
        UserError: a kind of file that the source cannot become.
    """
    if source.is_file():
        targets = Targets({source: _single(source, out, format, codec)})
    elif source.is_dir():
        targets = _below(source, out, format, codec)
    else:
        raise DataError(f"no picture, video or folder {source}")
    _check(targets.jobs, before_after)
    return targets


def beside(target: Path) -> Path:
    """Where the input and the result are shown side by side."""
    return target.with_name(f"{target.stem}{BEFORE_AFTER}.png")


def _single(source: Path, out: Path, format: PictureFormat, codec: str | None) -> Path:
    suffixes = WRITABLE if is_video(source) else SUFFIXES.keys()
    if out.is_dir():
        return out / (source.stem + _suffix(source, format, codec))
    if out.suffix.lower() in suffixes:
        return out
    if out.suffix.lower() in VIDEO_SUFFIXES | SUFFIXES.keys():
        kinds = ", ".join(sorted(suffixes))
        raise UserError(f"{source} cannot become {out}; name a folder or a file of {kinds}")
    return out / (source.stem + _suffix(source, format, codec))


def _below(source: Path, out: Path, format: PictureFormat, codec: str | None) -> Targets:
    content = walk(source, [out])
    files = [
        path
        for path in content.files
        if not any(part.endswith(PARTS) for part in path.relative_to(source).parts)
    ]
    jobs = {
        path: (out / path.relative_to(source)).with_suffix(_suffix(path, format, codec))
        for path in files
        if is_image(path) or is_video(path)
    }
    if real_path(out) == real_path(source):  # results of before lie among their pictures
        results = {path: target for path, target in jobs.items() if path != target}.values()
        results = {*results, *map(beside, results)}
        jobs = {path: target for path, target in jobs.items() if path not in results}
    if not jobs:
        raise DataError(f"no pictures or videos in {source}")
    skipped = {path: "no picture or video" for path in files if not is_image(path)}
    skipped = {path: reason for path, reason in skipped.items() if not is_video(path)}
    same: dict[Path, list[Path]] = defaultdict(list)
    for path, target in jobs.items():
        same[target].append(path)
    in_full = [path for paths in same.values() if len(paths) > 1 for path in paths]
    for path in in_full:
        jobs[path] = jobs[path].with_name(path.name + jobs[path].suffix)
    return Targets(jobs, skipped | content.unread, in_full)


def _suffix(path: Path, format: PictureFormat, codec: str | None) -> str:
    if is_video(path):
        return container(codec, path.suffix.lower())
    if path.suffix.lower() in _PAGED and count_pages(path) > 1:
        return ".tif"  # no other kind holds pages
    return f".{format}"


def _check(jobs: Mapping[Path, Path], before_after: bool) -> None:
    sources: dict[Path, Path] = {}
    for picture, target in jobs.items():
        results = [target]
        if before_after and not is_video(picture):
            results.append(beside(target))
        for result in results:
            if result in sources:
                raise DataError(
                    f"{sources[result]} and {picture} would both become {result}; rename one"
                )
            sources[result] = picture
        if real_path(target) == real_path(picture):
            raise DataError(f"{target} would take the place of its own picture; give another --out")
