"""Colour conversions against scikit-image, and their gradients."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from crosschroma.datasets.base import color
from skimage.color import lab2rgb, rgb2hsv, rgb2lab


@pytest.fixture(scope="module")
def cube() -> np.ndarray:
    """Every third level of each channel with both ends, as 1 x N x 3 uint8."""
    levels = np.arange(0, 256, 3, dtype=np.uint8)
    return np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1).reshape(1, -1, 3)


def _tensor(cube: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(cube / 255.0).float().permute(2, 0, 1)[None]


def _image(tensor: torch.Tensor) -> np.ndarray:
    return tensor[0].permute(1, 2, 0).numpy()


def test_lab_is_scikit_images_over_the_cube(cube: np.ndarray) -> None:
    lab = color.rgb_to_lab(_tensor(cube))
    assert np.abs(_image(lab) - rgb2lab(cube / 255.0)).max() < 1e-4


def test_lab_to_rgb_is_scikit_images(cube: np.ndarray) -> None:
    lab = rgb2lab(cube / 255.0)
    rgb = color.lab_to_rgb(torch.from_numpy(lab).float().permute(2, 0, 1)[None])
    assert np.abs(_image(rgb) - lab2rgb(lab)).max() < 1e-4


@pytest.mark.parametrize("gamut", ["clip", "chroma", "none"])
def test_lab_round_trip(cube: np.ndarray, gamut: color.Gamut) -> None:
    rgb = _tensor(cube)
    assert (color.lab_to_rgb(color.rgb_to_lab(rgb), gamut) - rgb).abs().max() < 2e-5


def test_hsv_is_scikit_images_and_round_trips(cube: np.ndarray) -> None:
    rgb = _tensor(cube)
    hsv = color.rgb_to_hsv(rgb)
    assert np.abs(_image(hsv) - rgb2hsv(cube / 255.0)).max() < 1e-5
    assert (color.hsv_to_rgb(hsv) - rgb).abs().max() < 1e-5


def test_half_precision_and_autocast_are_computed_in_float32() -> None:
    rgb = torch.rand(1, 3, 8, 8)
    exact = color.rgb_to_lab(rgb)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(color.rgb_to_lab(rgb), exact)
    assert color.rgb_to_lab(rgb.bfloat16()).dtype == torch.float32


CORNERS = torch.tensor(
    [[0, 0, 0], [1, 1, 1], [0.5, 0.5, 0.5], [1, 0, 0], [0, 0, 1], [0.04045, 0, 0.04045]]
)


@pytest.mark.parametrize("gamut", ["clip", "chroma", "none"])
def test_gradients_are_finite_at_black_gray_white_and_corners(gamut: color.Gamut) -> None:
    rgb = CORNERS.T.reshape(1, 3, 1, -1).clone().requires_grad_()
    lab = color.rgb_to_lab(rgb)
    (lab.sum() + color.rgb_to_hsv(rgb).sum() + color.lab_to_rgb(lab, gamut).sum()).backward()
    assert rgb.grad is not None
    assert torch.isfinite(rgb.grad).all()
    outside = torch.tensor([[0.0, 50, 100, 120], [100, -110, 5, 0], [-110, 110, 5, 0]])
    outside = outside.reshape(1, 3, 1, -1).requires_grad_()
    color.lab_to_rgb(outside, gamut).sum().backward()
    assert outside.grad is not None
    assert torch.isfinite(outside.grad).all()


def test_gradients_are_right_away_from_the_kinks() -> None:
    torch.manual_seed(0)
    rgb = (torch.rand(1, 3, 2, 3, dtype=torch.float64) * 0.8 + 0.1).requires_grad_()
    lab = color.rgb_to_lab(rgb).detach().requires_grad_()
    assert torch.autograd.gradcheck(color.rgb_to_lab, rgb)
    assert torch.autograd.gradcheck(lambda x: color.lab_to_rgb(x, "clip"), lab)
    assert torch.autograd.gradcheck(color.rgb_to_hsv, rgb)


def test_chroma_keeps_lightness_and_hue_of_colours_out_of_gamut() -> None:
    rng = np.random.default_rng(0)
    values = rng.uniform([0, -110, -110], [100, 110, 110], (50_000, 3)).astype(np.float32)
    values[:50, 0], values[50:100, 0] = 0, 100
    lab = torch.from_numpy(values.T.reshape(1, 3, 1, -1).copy())
    rgb = color.lab_to_rgb(lab, "chroma")
    assert rgb.min() >= 0
    assert rgb.max() <= 1
    back = color.rgb_to_lab(rgb)
    assert (back[:, 0] - lab[:, 0]).abs().max() < 0.05
    assert (color.rgb_to_lab(color.lab_to_rgb(lab, "clip"))[:, 0] - lab[:, 0]).abs().max() > 10
    chroma, wanted = back[:, 1:].norm(dim=1), lab[:, 1:].norm(dim=1)
    cosine = (back[:, 1:] * lab[:, 1:]).sum(1) / (chroma * wanted)
    assert cosine[chroma > 3].min() > 0.9999
    # nothing more than needed is given up: 1 % more chroma would leave the gamut
    shrunk = (chroma > 3) & (chroma < 0.98 * wanted)
    more = torch.cat([back[:, :1], 1.01 * back[:, 1:]], 1)
    beyond = color.lab_to_rgb(more, "none")
    assert ((beyond < 0) | (beyond > 1)).any(1)[shrunk].float().mean() > 0.999


def test_searching_some_pixels_is_searching_all() -> None:
    """Traced, the search runs over all; elsewhere over those that do not fit."""
    lab = torch.randn(2, 3, 20, 30, generator=torch.Generator().manual_seed(0)) * 60
    lab[:, 0] += 50
    traced = torch.jit.trace(lambda given: color.lab_to_rgb(given, "chroma"), lab)
    assert (traced(lab) - color.lab_to_rgb(lab, "chroma")).abs().max() < 1e-3


def test_none_returns_values_outside_the_gamut() -> None:
    rgb = color.lab_to_rgb(torch.tensor([50.0, 100, 100]).reshape(1, 3, 1, 1), "none")
    assert rgb.max() > 1
    assert rgb.min() < 0


def test_uint8_path_is_scikit_images_over_the_cube(cube: np.ndarray) -> None:
    lab = rgb2lab(cube / 255.0)
    assert np.abs(color.lab_from_uint8(cube) - lab).max() < 5e-4
    lightness = color.lightness_from_uint8(cube)
    assert np.abs(lightness - lab[..., 0] / 100).max() < 5e-6
    assert lightness.min() >= 0
    assert lightness.max() <= 1


def test_lightness_is_the_same_number_with_and_without_numba(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    levels = np.arange(0, 256, 5, dtype=np.uint8)
    rgb = np.stack(np.meshgrid(levels, levels, np.arange(256, dtype=np.uint8)), -1)
    rgb = rgb.reshape(-1, 256, 3)
    monkeypatch.setattr(color, "_pixels_seen", 0)
    few = color.lightness_from_uint8(rgb)
    monkeypatch.setattr(color, "_pixels_seen", color._BEFORE_NUMBA)
    assert np.array_equal(color.lightness_from_uint8(rgb), few)
    gray = np.arange(256, dtype=np.uint8).reshape(4, 64)
    expected = color.lightness_from_uint8(np.stack([gray] * 3, -1))
    assert np.array_equal(color.lightness_from_uint8(gray), expected)


def test_uint8_path_takes_views_and_sizes_that_fill_no_block() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (7, 147, 3), dtype=np.uint8)
    flipped = np.ascontiguousarray(rgb[:, ::-1])
    lab = color.lab_from_uint8(rgb[:, ::-1])
    assert lab.shape == (7, 147, 3)
    assert lab.dtype == np.float32
    assert np.array_equal(lab, color.lab_from_uint8(flipped))
    assert np.abs(lab - rgb2lab(flipped)).max() < 5e-4
    assert lab.transpose(2, 0, 1).flags.c_contiguous


def test_uint8_path_works_where_numba_cannot_keep_its_cache(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.touch()
    # a copy whose __pycache__ is a file, and a home that is one: numba finds no place at all
    folder = tmp_path / "copied"
    folder.mkdir()
    (folder / "__pycache__").touch()
    for name in ("color", "compiled", "lab_kernels"):
        source = Path(color.__file__).with_name(f"{name}.py")
        (folder / source.name).write_text(source.read_text())
    code = (
        "import copied.color, numpy\n"
        "white = numpy.full((1, 1, 3), 255, numpy.uint8)\n"
        "print(copied.color.lab_from_uint8(white)[0, 0, 0])"
    )
    environment = {**os.environ, "HOME": str(blocker), "XDG_CACHE_HOME": str(blocker)}
    environment.pop("NUMBA_CACHE_DIR", None)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(100, abs=1e-3)
