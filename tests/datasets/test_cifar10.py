"""CIFAR-10: python batches of either Python, and files that try to run something."""

from __future__ import annotations

import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from crosschroma.datasets.audit import audit, check_dataset
from crosschroma.datasets.base.errors import DataError
from crosschroma.datasets.cifar10 import Cifar10, read_batch


def rows(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 3072), np.uint8)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    names = [*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]
    for seed, name in enumerate(names):
        batch = {b"batch_label": b"x", b"labels": [0] * 4, b"data": rows(4, seed)}
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))
    return tmp_path


def python2_batch(data: np.ndarray) -> bytes:
    """The bytes that Python 2's cPickle and numpy 1 wrote: byte strings, protocol 2."""

    def text(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value

    dtype = b"cnumpy\ndtype\n" + text(b"u1") + b"K\x00K\x01\x87R"
    dtype += b"(K\x03" + text(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text(b"b")
    array += b"\x87R(K\x01K" + bytes([len(data)]) + b"M" + struct.pack("<H", 3072) + b"\x86"
    array += dtype + b"\x89T" + struct.pack("<I", data.nbytes) + data.tobytes() + b"tb"
    return b"\x80\x02}" + text(b"data") + array + b"s."


def test_splits_keys_and_pixels(made: Path) -> None:
    data = Cifar10(root=made)
    train, validation, test = (data.split(name) for name in ("train", "validation", "test"))
    assert (len(train), len(validation), len(test)) == (18, 2, 4)
    assert train.keys[5] == "data_batch_2/00001"
    assert list(validation.keys) == ["data_batch_5/00002", "data_batch_5/00003"]
    expected = rows(4, 1)[1].reshape(3, 32, 32)
    assert (train.load(5)["rgb"] == expected.transpose(1, 2, 0)).all()
    assert (validation.load(1)["rgb"][0, :, 2] == rows(4, 4)[3, 2048:2080]).all()


def test_loaded_pixels_are_a_copy(made: Path) -> None:
    test = Cifar10(root=made).split("test")
    before = test.load(0)["rgb"].copy()
    test.load(0)["rgb"][:] = 0
    assert (test.load(0)["rgb"] == before).all()


def test_stamp_changes_with_the_file(made: Path) -> None:
    before = Cifar10(root=made).split("test").stamp(0)
    os.utime(made / "cifar-10-batches-py" / "test_batch", ns=(1, 1))
    assert Cifar10(root=made).split("test").stamp(0) != before


def test_batch_written_by_python_2(tmp_path: Path) -> None:
    data = rows(3, 9)
    (tmp_path / "batch").write_bytes(python2_batch(data))
    assert (read_batch(tmp_path / "batch").transpose(0, 3, 1, 2).reshape(3, -1) == data).all()


def test_near_gray_photos_leave_only_the_training_split(made: Path) -> None:
    path = made / "cifar-10-batches-py" / "data_batch_1"
    gray = np.full((4, 3072), 99, np.uint8)
    path.write_bytes(pickle.dumps({b"data": gray}, protocol=2))
    data = Cifar10(root=made, min_chroma=5.0)
    assert len(data.split("train")) == 14
    assert len(data.split("validation")) == 2


class Runs:
    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path),)

    def __init__(self, path: Path) -> None:
        self.path = path


def test_pickle_that_runs_code_is_refused_and_not_run(made: Path, tmp_path: Path) -> None:
    trap = tmp_path / "was run"
    batch = {b"data": rows(4, 0), b"more": Runs(trap)}
    (made / "cifar-10-batches-py" / "data_batch_3").write_bytes(pickle.dumps(batch, protocol=2))
    with pytest.raises(DataError, match=r"data_batch_3 asks to run .*mkdir.*nothing was run"):
        Cifar10(root=made).split("train")
    assert not trap.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no pickle",
        python2_batch(rows(3, 0))[:5000],
        pickle.dumps([1]),
        pickle.dumps({b"labels": [1]}),
        pickle.dumps({b"data": [1, 2]}),
        pickle.dumps({b"data": np.zeros((2, 3072), np.float32)}, protocol=2),
        pickle.dumps({b"data": np.zeros((2, 3000), np.uint8)}, protocol=2),
    ],
)
def test_damaged_batch(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "batch").write_bytes(content)
    with pytest.raises(DataError, match="batch is not a CIFAR-10 python batch"):
        read_batch(tmp_path / "batch")


def test_missing_batch_names_the_layout(made: Path) -> None:
    (made / "cifar-10-batches-py" / "data_batch_4").unlink()
    data = Cifar10(root=made)
    with pytest.raises(DataError, match=r"no file .*data_batch_4; expected cifar-10-batches-py/"):
        data.split("train")
    report = check_dataset(data)
    assert [split.ok for split in report.splits] == [False, False, True]


def test_check_and_audit_read_arrays_too(made: Path) -> None:
    folder = made / "cifar-10-batches-py"
    (folder / "test_batch").write_bytes((folder / "data_batch_1").read_bytes())
    data = Cifar10(root=made)
    assert check_dataset(data).ok
    pairs = audit(data.audit_splits()).pairs
    assert [(pair.key_a[-1], pair.key_b[-1], pair.kind) for pair in pairs] == [
        (str(n), str(n), "identical") for n in range(4)
    ]
