"""Faults of a dataset: ``check_dataset`` reads its files, ``audit`` finds images in two splits."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, NamedTuple, TypeVar

import cv2
import numpy as np

from .base.adapter import Adapter, NotingSource, Planes, Record, Source, SplitName
from .base.errors import UserError
from .files.adapter import SPLITS, FileAdapter, missing
from .files.folder import FileSource
from .loading.decode import read_size

PLANES: tuple[Literal["rgb", "nir"], ...] = ("rgb", "nir")
THUMBNAIL = 32
MAX_DISTANCE = 10  # of 64 bits
MIN_CORRELATION = 0.95
RULE = (
    "identical: equal decoded pixels. near: perceptual hashes (64 signs of the low DCT "
    f"frequencies) differ in at most {MAX_DISTANCE} bits and {THUMBNAIL}x{THUMBNAIL} gray "
    f"thumbnails correlate by at least {MIN_CORRELATION}; it sees recompression, resizing and "
    "small changes of brightness; mirrored: near after a left-right flip. Overlapping crops of one "
    "scene are not looked for"
)
_NO_VALIDATION: tuple[SplitName, ...] = ("train", "test")
T = TypeVar("T")


@dataclass
class SplitCheck:
    """What ``check_dataset`` saw of one split.

    Attributes:
        name: the split.
        images: images that the split should hold.
        missing: files that are not there.
        unreadable: image key and reason, where decoding failed.
        sizes: number of images of each (height, width).
        problem: why the split could not be listed at all.
        remarks: what files hold that is left out, such as further pages.
    """

    name: str
    images: int = 0
    missing: list[str] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    problem: str | None = None
    remarks: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Nothing is missing or broken."""
        return not (self.problem or self.missing or self.unreadable)

    def __str__(self) -> str:
        """Lines for a person, at most ten of each kind."""
        if self.problem:
            return f"{self.name}: {self.problem}"
        gone = f", {len(self.missing)} files missing" if self.missing else ""
        lines = [f"{self.name}: {self.images} images{gone}{_sizes(self.sizes)}"]
        lines += _first(f"  missing {path}" for path in self.missing)
        lines += _first(f"  unreadable {key}: {reason}" for key, reason in self.unreadable)
        lines += _first(f"  note: {remark}" for remark in self.remarks)
        return "\n".join(lines)


@dataclass
class CheckReport:
    """What ``check_dataset`` saw of a dataset: its splits, and the adapter's remarks."""

    dataset: str
    root: str
    splits: list[SplitCheck]
    notes: list[str]

    @property
    def ok(self) -> bool:
        """Nothing is missing or broken in any split."""
        return all(split.ok for split in self.splits)

    def __str__(self) -> str:
        """The report for a person."""
        lines = [f"{self.dataset} in {self.root}", *(str(split) for split in self.splits)]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def check_dataset(adapter: Adapter, *, quick: bool = False) -> CheckReport:
    """Look at every image of every published split; a broken file is reported, never raised.

    Args:
        adapter: the dataset.
        quick: read only the files' headers instead of decoding them.
    """
    names = SPLITS if adapter.has_validation or isinstance(adapter, FileAdapter) else _NO_VALIDATION
    splits = [_check_split(adapter, name, quick) for name in names]
    try:
        root, notes = str(adapter.base()), adapter.notes()
    except UserError as error:
        root, notes = str(adapter.root or adapter.folder), [str(error)]
    return CheckReport(adapter.name, root, splits, notes)


def _check_split(adapter: Adapter, name: SplitName, quick: bool) -> SplitCheck:
    report = SplitCheck(name)
    try:
        if isinstance(adapter, FileAdapter):
            _check_records(adapter.published(name), quick, report)
        else:
            source = adapter.split(name)
            report.images = len(source)
            _look_at_all(source.keys, partial(_size_and_notes, source), report)
    except UserError as error:
        report.problem = str(error)
    return report


def _check_records(records: Sequence[Record], quick: bool, report: SplitCheck) -> None:
    report.images = len(records)
    if not records:
        report.problem = "no images"
    gone = set(missing(path for record in records for path in record.files()))
    report.missing = sorted(str(path) for path in gone)
    there = [record for record in records if gone.isdisjoint(record.files())]
    source = FileSource(there)

    def size(index: int) -> tuple[tuple[int, int], list[str]]:
        if not quick:
            return _size_and_notes(source, index)
        sizes = [read_size(path) for path in there[index].files()]
        return sizes[0], []

    _look_at_all([record.key for record in there], size, report)


def _look_at_all(
    keys: Sequence[str],
    size_of: Callable[[int], tuple[tuple[int, int], list[str]]],
    report: SplitCheck,
) -> None:
    def look(index: int) -> tuple[tuple[int, int], list[str]] | str:
        try:
            return size_of(index)
        except UserError as error:
            return str(error)

    for key, result in zip(keys, _in_threads(look, len(keys)), strict=True):
        if isinstance(result, str):
            report.unreadable.append((key, result))
        else:
            size, notes = result
            report.sizes[size] += 1
            report.remarks += notes


def _size_and_notes(source: Source, index: int) -> tuple[tuple[int, int], list[str]]:
    planes, notes = source.noted(index) if isinstance(source, NotingSource) else (None, [])
    return _shape(planes or source.load(index)), notes


class Shared(NamedTuple):
    """An image that is in two splits."""

    split_a: str
    key_a: str
    split_b: str
    key_b: str
    kind: str  # identical, or identical, near, mirrored with the plane: "near rgb"
    distance: int  # bits between the perceptual hashes, of 64


@dataclass
class AuditReport:
    """Images that two splits share, and what could not be read.

    Attributes:
        images: number of images by split.
        pairs: every shared image.
        unreadable: split, key and reason of the images that were passed over.
    """

    images: dict[str, int]
    pairs: list[Shared]
    unreadable: list[tuple[str, str, str]]

    @property
    def ok(self) -> bool:
        """No image is in two splits, and every image was looked at."""
        return not (self.pairs or self.unreadable)

    def __str__(self) -> str:
        """The report for a person."""
        lines = []
        for a, b in itertools.combinations(self.images, 2):
            shared = [pair for pair in self.pairs if (pair.split_a, pair.split_b) == (a, b)]
            kinds = Counter(pair.kind for pair in shared)
            text = ", ".join(f"{count} {kind}" for kind, count in kinds.items()) or "none shared"
            lines.append(f"{a} ({self.images[a]}) and {b} ({self.images[b]}): {text}")
            lines += [f"  {pair.key_a} = {pair.key_b}  {pair.kind}" for pair in shared]
        lines += _first(f"not read: {split} {key}: {why}" for split, key, why in self.unreadable)
        return "\n".join([*lines, RULE])


def audit(sources: Mapping[str, Source]) -> AuditReport:
    """Find the images that two of the ``sources`` (splits, by name) share.

    Compares every image of one split with every image of the other, plane by plane; ``RULE`` says
    what counts. Of several kinds the strongest is reported. Memory: 1.3 kB an image and plane.
    """
    prints = {name: _fingerprints(source) for name, source in sources.items()}
    pairs = []
    for a, b in itertools.combinations(prints, 2):
        shared = _shared(prints[a], prints[b])
        pairs += [
            Shared(a, prints[a].keys[i], b, prints[b].keys[j], kind, distance)
            for (i, j), (kind, distance) in sorted(shared.items())
        ]
    return AuditReport(
        images={name: len(source) for name, source in sources.items()},
        pairs=pairs,
        unreadable=[
            (name, *entry)
            for name, fingerprints in prints.items()
            for entry in fingerprints.unreadable
        ],
    )


class _Print(NamedTuple):
    """What is kept of one plane of one image."""

    digest: bytes
    thumbnail: np.ndarray


@dataclass
class _Prints:
    keys: list[str]
    planes: dict[str, tuple[list[bytes], np.ndarray]]  # digests, thumbnails N x 32 x 32 uint8
    unreadable: list[tuple[str, str]]


def _fingerprints(source: Source) -> _Prints:
    def look(index: int) -> dict[str, _Print] | str:
        try:
            planes = source.load(index)
        except UserError as error:
            return str(error)
        return {name: _print(plane) for name in PLANES if (plane := planes.get(name)) is not None}

    results = list(zip(source.keys, _in_threads(look, len(source)), strict=True))
    read = [(key, fingerprint) for key, fingerprint in results if not isinstance(fingerprint, str)]
    names = [
        name for name in PLANES if read and all(name in fingerprint for _, fingerprint in read)
    ]
    return _Prints(
        keys=[key for key, _ in read],
        planes={
            name: (
                [fingerprint[name].digest for _, fingerprint in read],
                np.stack([fingerprint[name].thumbnail for _, fingerprint in read]),
            )
            for name in names
        },
        unreadable=[
            (key, fingerprint) for key, fingerprint in results if isinstance(fingerprint, str)
        ],
    )


def _print(plane: np.ndarray) -> _Print:
    pixels = np.ascontiguousarray(plane)
    digest = hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).digest()
    gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) if pixels.ndim == 3 else pixels
    small = cv2.resize(gray, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    return _Print(digest, small)


def _shared(a: _Prints, b: _Prints) -> dict[tuple[int, int], tuple[str, int]]:
    """Kind and distance by position in ``a`` and ``b``."""
    planes = [name for name in PLANES if name in a.planes and name in b.planes]
    best: dict[tuple[int, int], tuple[str, int]] = {}
    equal = {name: _equal(a.planes[name][0], b.planes[name][0]) for name in planes}
    for pair in set().union(*equal.values()):
        in_planes = [name for name in planes if pair in equal[name]]
        best[pair] = ("identical" if in_planes == planes else f"identical {in_planes[0]}", 0)
    for kind, name in itertools.product(("near", "mirrored"), planes):
        thumbnails_b = b.planes[name][1]
        if kind == "mirrored":
            thumbnails_b = np.ascontiguousarray(thumbnails_b[:, :, ::-1])
        for pair, distance in _near(a.planes[name][1], thumbnails_b):
            best.setdefault(pair, (f"{kind} {name}", distance))
    return best


def _equal(a: Sequence[bytes], b: Sequence[bytes]) -> set[tuple[int, int]]:
    places: dict[bytes, list[int]] = defaultdict(list)
    for j, digest in enumerate(b):
        places[digest].append(j)
    return {(i, j) for i, digest in enumerate(a) for j in places[digest]}


def _near(a: np.ndarray, b: np.ndarray) -> Iterator[tuple[tuple[int, int], int]]:
    """Positions and hash distance of the thumbnails that ``RULE`` calls near."""
    signs_a, signs_b = perceptual_signs(a), perceptual_signs(b)
    for start in range(0, len(a), 1024):
        agreement = signs_a[start : start + 1024] @ signs_b.T  # 64 - 2 x differing bits
        for i, j in np.argwhere(agreement >= 64 - 2 * MAX_DISTANCE):
            if _correlation(a[start + i], b[j]) >= MIN_CORRELATION:
                yield (start + int(i), int(j)), int(64 - agreement[i, j]) // 2


def perceptual_signs(thumbnails: np.ndarray) -> np.ndarray:
    """Perceptual hash of each 32 x 32 uint8 thumbnail: N x 64 float32 of -1 and 1.

    The 8 x 8 lowest DCT frequencies against their median; the mean of the image does not count.
    Signs rather than bits, so that one matrix product compares all with all.
    """
    low = np.stack(
        [cv2.dct(thumbnail.astype(np.float32))[:8, :8].ravel() for thumbnail in thumbnails]
    )
    low[:, 0] = 0
    return np.where(low > np.median(low[:, 1:], axis=1, keepdims=True), 1, -1).astype(np.float32)


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson correlation; 0 where a thumbnail is flat, since flat images look alike to a hash."""
    a, b = a - a.mean(dtype=np.float64), b - b.mean(dtype=np.float64)
    norm = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / norm if norm > 0 else 0.0


def _in_threads(look: Callable[[int], T], count: int) -> Iterator[T]:
    """``look`` at 0..count-1, in order; decoding and hashing release Python's lock."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(look, range(count))


def _shape(planes: Planes) -> tuple[int, int]:
    height, width = next(p for name in PLANES if (p := planes.get(name)) is not None).shape[:2]
    return height, width


def _sizes(sizes: Counter[tuple[int, int]]) -> str:
    common = ", ".join(f"{count} of {h}x{w}" for (h, w), count in sizes.most_common(5))
    more = f", {len(sizes) - 5} other sizes" if len(sizes) > 5 else ""
    return f" ({common}{more}; height x width)" if common else ""


def _first(lines: Iterable[str]) -> list[str]:
    listed = list(lines)
    return listed[:10] + ([f"  and {len(listed) - 10} more"] if len(listed) > 10 else [])
