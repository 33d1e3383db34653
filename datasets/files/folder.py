"""Sources made of files, and the adapters for any folder of pictures or of pairs."""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypedDict

import cv2
import numpy as np

from ..base.adapter import Adapter, Planes, Record, Source, SplitName
from ..base.atomic_write import write_text_atomic
from ..base.bounds import NotNegative, Share, WhiteLevel
from ..base.color import lab_from_uint8
from ..base.errors import DataError, UserError
from ..base.json_file import read_json
from ..base.tracked import tracked
from ..loading.broken import skips_broken
from ..loading.decode import noted_plane, noted_rgb, parse_white_level
from ..loading.tar_files import file_stamp
from .walk import walk

IMAGE_SUFFIXES = frozenset(
    {".apng", ".avif", ".bmp", ".gif", ".heic", ".heif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm"}
    | {".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp"}
)
_SPLIT_FOLDERS: dict[str, SplitName] = {
    "train": "train",
    "validation": "validation",
    "val": "validation",
    "test": "test",
}


def image_files(folder: Path) -> list[Path]:
    """The pictures at any depth below ``folder``, known by suffix, sorted; nothing hidden.

    Raises:
        DataError: when ``folder`` is not a folder.
    """
    return [path for path in walk(folder).files if is_image(path)]


def is_image(path: Path) -> bool:
    """Whether a file's suffix is that of a picture."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def skipped_files(folder: Path) -> dict[str, list[str]]:
    """What below a folder of pictures is none and so not used, by the reason."""
    content = walk(folder)
    skipped: dict[str, list[str]] = {}
    for path in content.files:
        if not is_image(path):
            skipped.setdefault("no picture", []).append(path.relative_to(folder).as_posix())
    for path, reason in content.unread.items():
        skipped.setdefault(reason, []).append(path.relative_to(folder).as_posix())
    return skipped


def first_names(names: Sequence[str], count: int = 3) -> str:
    """The first of many names and the number of the others."""
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(names[:count]) + more


class FileSource:
    """Images decoded from files, one or two files each."""

    def __init__(self, records: Sequence[Record], white_level: int | None = None) -> None:
        self.records = records
        self.white_level = white_level
        self.keys: Sequence[str] = [record.key for record in records]

    def __len__(self) -> int:
        return len(self.records)

    def load(self, index: int) -> Planes:
        """Decode image ``index``.

        Raises:
            DataError: when a file cannot be decoded, or NIR and RGB differ in size.
        """
        return self.noted(index)[0]

    def noted(self, index: int) -> tuple[Planes, list[str]]:
        """Image ``index``, and what of its files is left out; errors are those of ``load``."""
        record = self.records[index]
        planes: Planes = {}
        notes: list[str] = []
        if record.rgb is not None:
            planes["rgb"], more = noted_rgb(record.rgb, self.white_level)
            notes += [f"{record.rgb.name}: {note}" for note in more]
        if record.nir is not None:
            planes["nir"], more = noted_plane(record.nir, self.white_level)
            notes += [f"{record.nir.name}: {note}" for note in more]
        if record.boxes is not None:
            planes["boxes"] = np.array(record.boxes, np.float32).reshape(-1, 4)
        _check_pair(record, planes)
        return planes, notes

    def stamp(self, index: int) -> str:
        """Size and modification time of the files (and the boxes, which come from elsewhere)."""
        record = self.records[index]
        parts = []
        for path in record.files():
            try:
                parts.append(file_stamp(path))
            except OSError as error:
                raise DataError(f"{path}: {error.strerror}; restore it or relist") from error
        if self.white_level is not None:
            parts.append(f"white {self.white_level}")
        if record.boxes is not None:
            parts.append(hashlib.sha256(repr(record.boxes).encode()).hexdigest()[:16])
        return " ".join(parts)


def _check_pair(record: Record, planes: Planes) -> None:
    if record.size is not None and "rgb" in planes and planes["rgb"].shape[:2] != record.size:
        (high, wide), (height, width) = record.size, planes["rgb"].shape[:2]
        raise DataError(
            f"{record.rgb} is {width}x{height}, its annotations are of {wide}x{high}: the boxes do "
            "not fit; take the file that they were made for"
        )
    if "rgb" not in planes or "nir" not in planes:
        return
    (rgb_height, rgb_width), (height, width) = planes["rgb"].shape[:2], planes["nir"].shape
    if (rgb_height, rgb_width) != (height, width):
        raise DataError(
            f"NIR and RGB differ in size: {record.nir} is {width}x{height}, {record.rgb} is "
            f"{rgb_width}x{rgb_height}; register the pair or take it off the list"
        )


class Subset:
    """Some images of a source, in the order of ``indices``."""

    def __init__(self, source: Source, indices: Sequence[int]) -> None:
        self.source = source
        self.indices = indices
        self.keys: Sequence[str] = [source.keys[index] for index in indices]

    def __len__(self) -> int:
        return len(self.indices)

    def load(self, index: int) -> Planes:
        """Decode image ``index`` of the subset."""
        return self.source.load(self.indices[index])

    def stamp(self, index: int) -> str:
        """The underlying image's stamp."""
        return self.source.stamp(self.indices[index])


@dataclass(frozen=True, kw_only=True)
class _AnyFiles(Adapter):
    """Splits for files that come without a list of their own.

    When the folders ``train``, ``validation`` (or ``val``) and ``test`` exist, they are the splits.
    Otherwise a hash of each image's name decides, the same on every machine and unmoved by files
    that are added.

    Attributes:
        validation: fraction of the images for validation, when hashed.
        test: fraction for testing, when hashed.
        white_level: of 16-bit pictures the level that is white, 255 to 65535, or the bits that a
            camera fills, 10 to 16; default 65535.
    """

    validation: Share = 0.1
    test: Share = 0.1
    white_level: WhiteLevel | None = None

    _inside: ClassVar[str] = ""  # where those folders are, if not at the root

    def __post_init__(self) -> None:
        """Check the sum and the level."""
        parse_white_level(self.white_level)
        if self.validation + self.test > 1:
            raise UserError(
                f"--data.validation {self.validation} and --data.test {self.test} must add up to "
                "1 at most"
            )

    @abstractmethod
    def _records(self) -> list[Record]:
        """All images of the folder."""

    @property
    def has_validation(self) -> bool:
        """Whether a folder, or the hash, gives any image to validation."""
        return "validation" in self._splits(self._records())

    @property
    def has_test(self) -> bool:
        """Whether a folder, or the hash, gives any image to the test split."""
        return "test" in self._splits(self._records())

    def split(self, name: SplitName) -> Source:
        """The images of one split; raises ``DataError`` when it has none."""
        records = self._records()
        splits = self._splits(records)
        chosen = [r for r, split in zip(records, splits, strict=True) if split == name]
        if not chosen:
            raise DataError(
                f"{self.base()}: none of its {len(records)} images is in the split {name}; sort "
                f"them into folders train, validation and test{self._inside}, or give {name} a "
                "larger share where the command has it as a setting"
            )
        return FileSource(chosen, parse_white_level(self.white_level))

    def notes(self) -> list[str]:
        """Files below the folder that are no pictures."""
        return [
            f"{len(names)} files skipped, {reason}: {first_names(names)}"
            for reason, names in skipped_files(self.base()).items()
        ]

    def _splits(self, records: Sequence[Record]) -> list[SplitName]:
        foldered: list[SplitName | None] = [
            _SPLIT_FOLDERS.get(record.key.split("/")[0]) for record in records
        ]
        if not any(foldered):
            return [self._hashed(record.key) for record in records]
        outside = [r.key for r, split in zip(records, foldered, strict=True) if not split]
        if outside:
            raise DataError(
                f"{self.base()}: {outside[0]} is outside the folders train, validation or val "
                "and test that are there too; move it, or rename those folders"
            )
        return [split for split in foldered if split]

    def _hashed(self, key: str) -> SplitName:
        fraction = int(hashlib.sha256(key.encode()).hexdigest()[:8], 16) / 2**32
        if fraction < self.test:
            return "test"
        return "validation" if fraction < self.test + self.validation else "train"


@dataclass(frozen=True, kw_only=True)
class Folder(_AnyFiles):
    """Any folder of colour pictures, at any depth; the key is the path below it.

    Attributes:
        min_chroma: training pictures with a smaller ab range (see ``drop_near_gray``) are left
            out; 0 keeps all, usual are 5 and 10.
        collection: what the pictures are called in results rows, and their folder's name below
            ``$CROSSCHROMA_DATA`` unless ``root`` says another.
    """

    min_chroma: NotNegative = 0.0
    collection: str = "pictures"

    name: ClassVar[str] = "folder"
    folder: ClassVar[str] = "pictures"
    planes: ClassVar[frozenset[str]] = frozenset({"rgb"})
    layout: ClassVar[str] = "pictures at any depth, or train/, validation/ (or val/), test/"

    @property
    def train_data(self) -> str:
        """Names the collection and the filter."""
        return f"{self.collection} train{chroma_text(self.min_chroma)}"

    @property
    def default_folder(self) -> str:
        """That of the collection."""
        return self.collection

    def split(self, name: SplitName) -> Source:
        """The images of one split, near-gray ones left out of ``train``."""
        source = super().split(name)
        if name == "train" and self.min_chroma > 0:
            return drop_near_gray(source, self.min_chroma)
        return source

    def _records(self) -> list[Record]:
        base = self.base()
        return [Record(path.relative_to(base).as_posix(), rgb=path) for path in image_files(base)]


@dataclass(frozen=True, kw_only=True)
class Pairs(_AnyFiles):
    """Two folders of pictures that match by name: NIR and registered RGB.

    A picture without a partner is a ``DataError`` that names it.

    Attributes:
        nir_dir: folder of the NIR pictures, relative to the root.
        rgb_dir: folder of the RGB pictures; names match after ``_nir``, ``_rgb`` and ``_rgb_reg``
            are cut off. The key is the name without suffix, with its folder.
    """

    nir_dir: str = "nir"
    rgb_dir: str = "rgb"

    name: ClassVar[str] = "pairs"
    folder: ClassVar[str] = "pairs"
    planes: ClassVar[frozenset[str]] = frozenset({"rgb", "nir"})
    layout: ClassVar[str] = "nir/NAME_nir.png and rgb/NAME_rgb.png (see nir_dir and rgb_dir)"
    _inside: ClassVar[str] = " below the NIR and the RGB folder"

    def _records(self) -> list[Record]:
        base = self.base()
        nir = _by_stem(base / self.nir_dir, ("_nir",))
        rgb = _by_stem(base / self.rgb_dir, ("_rgb_reg", "_rgb"))
        alone = sorted(str(nir.get(key) or rgb[key]) for key in nir.keys() ^ rgb.keys())
        if alone:
            more = f" and {len(alone) - 3} more" if len(alone) > 3 else ""
            raise DataError(
                f"without a partner: {', '.join(alone[:3])}{more}; add the other picture of each "
                "pair, or move these away"
            )
        return [Record(key, rgb=rgb[key], nir=nir[key]) for key in sorted(nir)]


def _by_stem(folder: Path, endings: tuple[str, ...]) -> dict[str, Path]:
    paths: dict[str, Path] = {}
    for path in image_files(folder):
        stem = path.stem
        for ending in endings:
            stem = stem.removesuffix(ending)
        key = (path.relative_to(folder).parent / stem).as_posix()
        if key in paths:
            raise DataError(f"{paths[key]} and {path} have the same name; move one away")
        paths[key] = path
    return paths


def chroma_text(min_chroma: float) -> str:
    """What ``drop_near_gray`` at this threshold keeps, for results rows; "" for all."""
    return f", ab range >= {min_chroma:g}" if min_chroma > 0 else ""


def drop_near_gray(source: Source, threshold: float = 5.0, cache: Path | None = None) -> Source:
    """The images of ``source`` that have colour: their ab range is at least ``threshold``.

    The range is (max a - min a) + (max b - min b) in CIE units. Common thresholds are 5 and 10.
    Differs: it is taken on the picture area-averaged to 64 x 64, between the 0.5 % and 99.5 %
    percentiles (20 of its 4096 pixels), so that a stray pixel or chroma noise does not turn a gray
    picture into a coloured one. Images without RGB stay, and within ``skipping_broken`` those that
    cannot be read.

    Args:
        source: any source.
        threshold: the smallest range that stays.
        cache: a JSON file that keeps the ranges, so that only new or changed images are decoded;
            one file serves every threshold.
    """
    known = _read_ranges(cache)
    ranges: dict[str, tuple[str, float]] = {}
    todo: list[tuple[int, str, str]] = []
    for index, key in enumerate(source.keys):
        try:
            stamp = source.stamp(index)
        except DataError:
            if not skips_broken():
                raise
            continue
        if known.get(key, ("", 0.0))[0] == stamp:
            ranges[key] = known[key]
        else:
            todo.append((index, key, stamp))
    for index, key, stamp in tracked(todo, "looking for gray images", shown=bool(todo)):
        try:
            ranges[key] = (stamp, _color_range(source.load(index)))
        except DataError:
            if not skips_broken():
                raise
    if cache is not None and ranges != known:
        write_text_atomic(cache, json.dumps({"ranges": ranges}))
    unread = ("", float("inf"))  # whoever loads it learns why
    kept = [i for i, key in enumerate(source.keys) if ranges.get(key, unread)[1] >= threshold]
    return Subset(source, kept)


class _Ranges(TypedDict):
    ranges: dict[str, tuple[str, float]]


def _read_ranges(cache: Path | None) -> dict[str, tuple[str, float]]:
    if cache is None or not cache.is_file():
        return {}
    try:
        return read_json(cache, _Ranges, "file of ab ranges")["ranges"]
    except DataError:
        return {}  # damaged: measured again


def _color_range(planes: Planes) -> float:
    if "rgb" not in planes:
        return float("inf")
    rgb = planes["rgb"]
    height, width = min(64, rgb.shape[0]), min(64, rgb.shape[1])
    ab = lab_from_uint8(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA))[..., 1:]
    low, high = np.percentile(ab, (0.5, 99.5), axis=(0, 1))
    return float((high - low).sum())


def evenly_spaced(length: int, count: int) -> list[int]:
    """At most ``count`` positions, spread evenly over ``length``."""
    count = min(count, length)
    return [index * length // count for index in range(count)]
