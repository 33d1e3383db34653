"""``check_dataset`` names broken files; ``audit`` finds images in two splits, VCIP's leak first."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from crosschroma.datasets.audit import audit, check_dataset
from crosschroma.datasets.base import split_lists
from crosschroma.datasets.base.adapter import Planes
from crosschroma.datasets.base.errors import DataError
from crosschroma.datasets.bsds500 import Bsds500
from crosschroma.datasets.imagenet import ImageNetSample
from crosschroma.datasets.rgb_nir_scene import RgbNirScene
from crosschroma.datasets.vcip import Vcip


@dataclass
class Images:
    """Planes in memory; an image that is None cannot be read."""

    planes: Sequence[Planes | None]
    keys: Sequence[str] = ()

    def __post_init__(self) -> None:
        self.keys = [str(index) for index in range(len(self.planes))]

    def __len__(self) -> int:
        return len(self.planes)

    def load(self, index: int) -> Planes:
        planes = self.planes[index]
        if planes is None:
            raise DataError(f"image {index} is torn")
        return planes

    def stamp(self, index: int) -> str:
        return ""


def picture(seed: int, size: int = 128) -> np.ndarray:
    """A random landscape of blobs at three scales, H x W x 3 uint8."""
    rng = np.random.default_rng(seed)
    total = np.zeros((size, size, 3), np.float32)
    for cells, strength in ((3, 90), (9, 40), (30, 20)):
        noise = rng.normal(0, strength, (cells, cells, 3)).astype(np.float32)
        total += cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.clip(total + 128, 0, 255).astype(np.uint8)


def rgb(images: Sequence[np.ndarray]) -> Images:
    return Images([{"rgb": image} for image in images])


def jpeg(image: np.ndarray) -> np.ndarray:
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], 1)


def brighter(image: np.ndarray) -> np.ndarray:
    return np.clip(image.astype(np.float32) * 1.08 + 6, 0, 255).astype(np.uint8)


def half(image: np.ndarray) -> np.ndarray:
    return cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)


def gray(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (np.copy, "identical"),
        (jpeg, "near rgb"),
        (brighter, "near rgb"),
        (half, "near rgb"),
        (gray, "near rgb"),
        (lambda image: np.ascontiguousarray(image[:, ::-1]), "mirrored rgb"),
        (lambda image: jpeg(half(image))[:, ::-1], "mirrored rgb"),
    ],
    ids=["copy", "jpeg", "brighter", "half", "gray", "mirrored", "mirrored jpeg half"],
)
def test_a_changed_copy_is_found_and_nothing_else(
    change: Callable[[np.ndarray], np.ndarray], kind: str
) -> None:
    train = [picture(seed) for seed in range(60)]
    test = [picture(100 + seed) for seed in range(20)] + [change(image) for image in train[:20]]
    report = audit({"train": rgb(train), "test": rgb(test)})
    assert [(p.key_a, p.key_b, p.kind) for p in report.pairs] == [
        (str(n), str(20 + n), kind) for n in range(20)
    ]
    assert not report.ok
    assert f"train (60) and test (40): 20 {kind}" in str(report)


def test_distance_is_the_number_of_hash_bits() -> None:
    image = picture(0)
    copy, changed = audit({"a": rgb([image, image]), "b": rgb([image, brighter(image)])}).pairs[:2]
    assert copy.distance == 0
    assert 0 <= changed.distance <= 10


def test_one_shared_plane_is_told_apart() -> None:
    nir = [picture(seed)[..., 0] for seed in range(4)]
    a = Images([{"rgb": picture(0), "nir": nir[0]}, {"rgb": picture(1), "nir": nir[1]}])
    b = Images(
        [{"rgb": picture(0), "nir": nir[2]}, {"rgb": picture(9), "nir": jpeg(nir[1])[..., 0]}]
    )
    found = {(p.key_a, p.key_b): p.kind for p in audit({"a": a, "b": b}).pairs}
    assert found == {("0", "0"): "identical rgb", ("1", "1"): "near nir"}


def test_flat_images_are_near_only_when_equal() -> None:
    flat = [np.full((16, 16, 3), level, np.uint8) for level in (0, 100, 255)]
    report = audit({"a": rgb(flat), "b": rgb([flat[1], flat[1] + 7])})
    assert [(p.key_a, p.key_b, p.kind) for p in report.pairs] == [("1", "0", "identical")]


def test_same_bytes_of_another_shape_are_another_image() -> None:
    image = picture(0, 32)
    report = audit({"a": rgb([image]), "b": rgb([image.reshape(16, 64, 3)])})
    assert not report.pairs


def test_three_splits_are_compared_pairwise() -> None:
    image = picture(0)
    report = audit({name: rgb([image]) for name in ("train", "validation", "test")})
    assert [(p.split_a, p.split_b) for p in report.pairs] == [
        ("train", "validation"),
        ("train", "test"),
        ("validation", "test"),
    ]


def test_unreadable_image_is_passed_over_and_told() -> None:
    a = Images([None, {"rgb": picture(1)}])
    report = audit({"a": a, "b": rgb([picture(1)]), "empty": Images([None])})
    assert [(p.key_a, p.key_b) for p in report.pairs] == [("1", "0")]
    assert report.unreadable == [("a", "0", "image 0 is torn"), ("empty", "0", "image 0 is torn")]
    assert not report.ok
    assert "not read: a 0: image 0 is torn" in str(report)


def test_vcip_leak_is_found(shared_data: Path) -> None:
    root = shared_data / "vcip2020"
    truth = json.loads((root / "splits.json").read_text())["identical_files"]
    data = Vcip(root=root)
    report = audit(data.audit_splits())
    assert {frozenset((p.key_a, p.key_b)) for p in report.pairs} == {frozenset(p) for p in truth}
    assert {p.kind for p in report.pairs} == {"identical"}
    text = str(report)
    assert "train (372) and validation (18): none shared" in text
    assert "train (372) and test (28): 8 identical" in text
    assert "validation (18) and test (28): 15 identical" in text


def test_vcip_clean_shares_nothing_with_test(shared_data: Path) -> None:
    data = Vcip(root=shared_data / "vcip2020", fold=None)
    new = data.pairs(split_lists.read_split_list("vcip-validation-not-in-test"))
    sources = {"train": data.split("train"), "test": data.split("test"), "new": new}
    assert audit(sources).ok


@pytest.mark.parametrize("adapter", [Bsds500, ImageNetSample, RgbNirScene])
def test_no_false_alarm_on_real_photos(shared_data: Path, adapter) -> None:
    assert audit(adapter(root=shared_data / adapter.folder).audit_splits()).ok


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """BSDS500's layout with one truncated, one empty and one foreign file."""
    for part, count in (("train", 4), ("val", 2), ("test", 1)):
        (tmp_path / part).mkdir()
        for n in range(count):
            data = cv2.imencode(".jpg", picture(n, 32 + 16 * n))[1].tobytes()
            (tmp_path / part / f"{n}.jpg").write_bytes(data)
    whole = (tmp_path / "train" / "0.jpg").read_bytes()
    (tmp_path / "train" / "0.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "train" / "1.jpg").write_bytes(b"")
    (tmp_path / "val" / "0.jpg").write_bytes(b"<html>not found</html>")
    return tmp_path


def test_check_reports_broken_files_with_the_reason(broken: Path) -> None:
    report = check_dataset(Bsds500(root=broken))
    train, validation, test = report.splits
    assert [key for key, _ in train.unreadable] == ["train/0.jpg", "train/1.jpg"]
    assert "truncated" in train.unreadable[0][1]
    assert "empty" in train.unreadable[1][1]
    assert train.images == 4
    assert train.sizes == {(64, 64): 1, (80, 80): 1}
    assert [key for key, _ in validation.unreadable] == ["val/0.jpg"]
    assert test.ok
    assert not report.ok
    text = str(report)
    assert "train: 4 images (1 of 64x64, 1 of 80x80; height x width)" in text
    assert "unreadable val/0.jpg: " in text


def test_quick_check_reads_headers_only(broken: Path) -> None:
    train, validation, _ = check_dataset(Bsds500(root=broken), quick=True).splits
    assert [key for key, _ in train.unreadable] == ["train/1.jpg"]  # the truncated one has a header
    assert train.sizes[(32, 32)] == 1
    assert not validation.ok


def test_check_of_an_absent_dataset_tells_where_it_looked(tmp_path: Path) -> None:
    report = check_dataset(Bsds500(root=tmp_path / "nowhere"))
    assert not report.ok
    assert str(tmp_path / "nowhere") in str(report)
    assert all("no folder" in str(split.problem) for split in report.splits)


def test_check_lists_missing_files_of_every_published_split(tmp_path: Path) -> None:
    (tmp_path / "NIR").mkdir()
    report = check_dataset(Vcip(root=tmp_path, fold=None))
    assert [len(split.missing) for split in report.splits] == [744, 36, 56]
    assert "train: 372 images, 744 files missing" in str(report)
    assert "and 734 more" in str(report)
