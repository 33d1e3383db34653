"""Views: one geometry for every plane and the boxes, and tensors without loss."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from crosschroma.datasets.base.adapter import Planes
from crosschroma.datasets.base.errors import UserError
from crosschroma.datasets.loading.views import EvalView, TrainView, resize, to_sample
from skimage.color import rgb2lab


def _planes(height: int = 90, width: int = 120) -> Planes:
    """NIR equal to each channel, and one bright rectangle that its box encloses exactly."""
    nir = np.random.default_rng(0).integers(0, 100, (height, width), dtype=np.uint8)
    nir[20:50, 40:80] = 255
    boxes = np.array([[40, 20, 80, 50]], np.float32)
    return {"rgb": np.repeat(nir[..., None], 3, axis=2), "nir": nir, "boxes": boxes}


@pytest.mark.parametrize("seed", range(12))
def test_every_plane_and_box_moves_alike(seed: int) -> None:
    view = TrainView(size=64, crop_scale=(0.5, 1.0), rotate90=True)
    planes = view(_planes(), np.random.default_rng(seed))
    assert planes["rgb"].shape == (64, 64, 3)
    for channel in range(3):
        assert np.array_equal(planes["rgb"][..., channel], planes["nir"])
    if not len(planes["boxes"]):
        assert (planes["nir"] > 180).mean() < 0.03
        return
    x1, y1, x2, y2 = planes["boxes"][0]
    rows, columns = np.nonzero(planes["nir"] > 180)
    found = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    assert np.abs(found - [x1, y1, x2, y2]).max() <= 1


def test_train_view_is_a_function_of_its_rng_and_varies() -> None:
    view = TrainView(size=48, crop_scale=(0.6, 1.0), nir_gain=0.2, nir_gamma=0.2, nir_noise=0.02)
    one, same, other = (view(_planes(), np.random.default_rng(seed)) for seed in (1, 1, 2))
    for name in ("rgb", "nir", "boxes"):
        assert np.array_equal(one[name], same[name])
    assert not np.array_equal(one["rgb"], other["rgb"])


def test_all_eight_symmetries_occur() -> None:
    planes: Planes = {"nir": np.arange(64, dtype=np.uint8).reshape(8, 8)}
    view = TrainView(size=8, rotate90=True)
    rng = np.random.default_rng(0)
    assert len({view(planes, rng)["nir"].tobytes() for _ in range(200)}) == 8
    view = TrainView(size=8, flip=False)
    assert view(planes, rng)["nir"].tobytes() == planes["nir"].tobytes()


def test_jitter_touches_nir_alone() -> None:
    view = TrainView(size=90, flip=False, nir_gain=0.3, nir_gamma=0.3, nir_noise=0.05)
    plain = TrainView(size=90, flip=False)
    jittered = view(_planes(90, 90), np.random.default_rng(0))
    wanted = plain(_planes(90, 90), np.random.default_rng(0))
    assert np.array_equal(jittered["rgb"], wanted["rgb"])
    assert np.array_equal(wanted["nir"], _planes(90, 90)["nir"])
    assert 1 < np.abs(jittered["nir"].astype(float) - wanted["nir"]).mean() < 60


def test_boxes_are_cut_at_the_crop_and_dropped_outside() -> None:
    nir = np.zeros((40, 100), np.uint8)
    boxes = np.array([[0, 0, 10, 10], [45, 5, 95, 20], [90, 0, 100, 40]], np.float32)
    planes = EvalView(size=40, fit="center_crop")({"nir": nir, "boxes": boxes})
    assert planes["boxes"].tolist() == [[15, 5, 40, 20]]


def test_eval_view() -> None:
    planes = _planes()
    assert EvalView(size=None)(planes) is planes
    stretched = EvalView(size=60)(planes)
    assert stretched["boxes"].tolist() == [[20, pytest.approx(40 / 3), 40, pytest.approx(100 / 3)]]
    assert stretched["nir"].shape == (60, 60)
    same = EvalView(size=90)(_planes(90, 90))
    assert np.array_equal(same["rgb"], _planes(90, 90)["rgb"])
    protocols = {
        EvalView().protocol,
        EvalView(size=None).protocol,
        EvalView(size=128).protocol,
        EvalView(fit="center_crop").protocol,
    }
    assert len(protocols) == 4
    assert EvalView().protocol == "stretched to 256x256"


def test_shrinking_one_axis_and_enlarging_the_other_does_not_alias() -> None:
    stripes = np.zeros((20, 400), np.uint8)
    stripes[:, ::2] = 200
    assert np.abs(resize(stripes, 40, 100).astype(int) - 100).max() <= 1


def test_samples_keep_8_bits_and_the_cie_lightness() -> None:
    rng = np.random.default_rng(0)
    planes: Planes = {
        "rgb": rng.integers(0, 256, (9, 11, 3), dtype=np.uint8)[:, ::-1],
        "nir": rng.integers(0, 256, (9, 11), dtype=np.uint8)[:, ::-1],
        "boxes": np.zeros((0, 4), np.float32),
    }
    sample = to_sample(planes, "a")
    assert sample["key"] == "a"
    for name, channels in (("rgb", 3), ("nir", 1), ("gray", 1)):
        assert sample[name].shape == (channels, 9, 11)
        assert sample[name].dtype == torch.float32
        assert sample[name].is_contiguous()
    rounded = (sample["rgb"] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    assert np.array_equal(rounded, planes["rgb"])
    lightness = rgb2lab(planes["rgb"])[..., 0] / 100
    assert np.abs(sample["gray"][0].numpy() - lightness).max() < 5e-6
    assert sample["boxes"].shape == (0, 4)
    assert "gray" not in to_sample({"nir": planes["nir"]}, "b")


def test_wrong_settings_are_refused() -> None:
    for wrong in ({"crop_scale": (0.0, 1.0)}, {"crop_scale": (0.9, 0.5)}, {"nir_noise": -1.0}):
        with pytest.raises(UserError, match=next(iter(wrong)).replace("_", ".")):
            TrainView(**wrong)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="size"):
        EvalView(size=0)
