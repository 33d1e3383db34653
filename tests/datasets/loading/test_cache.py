"""The memory-mapped cache: the same planes, renewed when files change, never half-written."""

from __future__ import annotations

import multiprocessing
import pickle
from pathlib import Path

import numpy as np
import pytest
from crosschroma.datasets.base.adapter import Planes, Source
from crosschroma.datasets.base.errors import DataError, UserError
from crosschroma.datasets.loading import cache as module
from crosschroma.datasets.loading.cache import cached


class Counting:
    """Pictures of different sizes with stamps that a test may change; counts decodings."""

    def __init__(self, count: int = 5) -> None:
        self.keys = [f"image {index}" for index in range(count)]
        self.stamps = [f"stamp {index}" for index in range(count)]
        self.loaded: list[str] = []

    def __len__(self) -> int:
        return len(self.keys)

    def load(self, index: int) -> Planes:
        self.loaded.append(self.keys[index])
        seed = int(self.keys[index].split()[1]) + 1000 * int("new" in self.stamps[index])
        rng = np.random.default_rng(seed)
        shape = (10 + seed % 7, 12 + seed % 5)
        planes: Planes = {"nir": rng.integers(0, 256, shape, dtype=np.uint8)}
        if seed % 2:
            planes["rgb"] = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
            planes["boxes"] = rng.random((seed % 3, 4), np.float32) * 10
        return planes

    def stamp(self, index: int) -> str:
        return self.stamps[index]


def _check(source: Source, wanted: Source) -> None:
    assert len(source) == len(wanted)
    assert list(source.keys) == list(wanted.keys)
    for index in range(len(wanted)):
        planes, expected = source.load(index), wanted.load(index)
        assert planes.keys() == expected.keys()
        for name in expected:
            assert np.array_equal(planes[name], expected[name])
            assert planes[name].dtype == expected[name].dtype
        assert planes["nir"].flags.writeable
        assert source.stamp(index) == wanted.stamp(index)


def test_planes_are_the_same_and_decoded_once(tmp_path: Path) -> None:
    source = Counting()
    first = cached(source, tmp_path / "new", "train")
    assert isinstance(first, Source)
    _check(first, Counting())
    again = cached(source, tmp_path / "new", "train")
    _check(again, Counting())
    assert source.loaded == source.keys
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["train.planes"]
    _check(pickle.loads(pickle.dumps(again)), Counting())
    assert len(pickle.dumps(again)) < 1000


def test_only_changed_images_are_decoded_again(tmp_path: Path) -> None:
    source = Counting()
    old = cached(source, tmp_path, "train")
    changed = Counting(6)
    changed.stamps[2] = "new"
    changed.keys, changed.stamps = changed.keys[::-1], changed.stamps[::-1]
    del changed.keys[-1], changed.stamps[-1]
    new = cached(changed, tmp_path, "train")
    assert sorted(changed.loaded) == ["image 2", "image 5"]
    _check(new, changed)
    _check(old, Counting())  # an open cache is not disturbed


def test_another_decoder_invalidates_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached(Counting(), tmp_path, "train")
    monkeypatch.setattr(module, "DECODE_VERSION", 99)
    source = Counting()
    cached(source, tmp_path, "train")
    assert source.loaded == source.keys


@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "index"])
def test_a_damaged_cache_is_made_anew(tmp_path: Path, damage: str) -> None:
    cached(Counting(), tmp_path, "train")
    path = tmp_path / "train.planes"
    data = bytearray(path.read_bytes())
    if damage == "index":
        data[-40] ^= 1
    wrong = {"truncated": data[: len(data) // 2], "empty": b"", "text": b"x" * 999}
    path.write_bytes(wrong.get(damage, data))
    source = Counting()
    _check(cached(source, tmp_path, "train"), Counting())
    assert source.loaded == source.keys


def test_damaged_planes_are_decoded_from_their_files_and_made_anew(tmp_path: Path) -> None:
    cached(Counting(), tmp_path, "train")
    path = tmp_path / "train.planes"
    data = bytearray(path.read_bytes())
    data[60] ^= 1  # in the first image
    path.write_bytes(data)
    source = Counting()
    _check(cached(source, tmp_path, "train"), Counting())
    assert source.loaded == ["image 0"]
    assert not path.exists()


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="choose another --cache folder") as caught:
        cached(Counting(), tmp_path / "file" / "cache", "train")
    assert "\n" not in str(caught.value)


def test_a_full_disk_leaves_the_old_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached(Counting(), tmp_path, "train")

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_build", full)
    with pytest.raises(UserError, match="No space left"):
        cached(Counting(6), tmp_path, "train")
    monkeypatch.undo()
    source = Counting()
    cached(source, tmp_path, "train")
    assert source.loaded == []
    assert len(list(tmp_path.iterdir())) == 1


def test_an_image_that_cannot_be_decoded_names_itself(tmp_path: Path) -> None:
    class Broken(Counting):
        def load(self, index: int) -> Planes:
            raise DataError("image 0 is broken")

    with pytest.raises(DataError, match="image 0 is broken"):
        cached(Broken(), tmp_path, "train")
    assert list(tmp_path.iterdir()) == []


def _build(folder: Path) -> None:
    for _ in range(3):
        (folder / "train.planes").unlink(missing_ok=True)
        _check(cached(Counting(40), folder, "train"), Counting(40))


def test_two_processes_may_build_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    builders = [context.Process(target=_build, args=(tmp_path,)) for _ in range(2)]
    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join(60)
    assert [builder.exitcode for builder in builders] == [0, 0]
    source = Counting(40)
    _check(cached(source, tmp_path, "train"), Counting(40))
    assert source.loaded == []
