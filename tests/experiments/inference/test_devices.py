"""Pictures, tiles, hints, videos and scores on a GPU: what the CPU makes of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from crosschroma.datasets.scenes.adapter import Scenes
from crosschroma.experiments.artifacts.weights_file import load_any
from crosschroma.experiments.evaluation.evaluate_run import evaluate_run
from crosschroma.experiments.inference.colorizer import Colorizer
from crosschroma.experiments.training.devices import usable_device
from crosschroma.models.color.hint_points import HintPoint
from pictures import smooth_picture

pytestmark = pytest.mark.gpu
SHIPPED = ("zhang16_photos", "encoder_unet_nir_epfl")

Painter = Callable[[str], np.ndarray]  # by the device


def whole(device: str, run: str) -> np.ndarray:
    return Colorizer.load(run, device=device)(smooth_picture(200, 301))


def in_tiles(device: str) -> np.ndarray:
    colorizer = Colorizer.load("encoder_unet_nir_epfl", device=device)
    colorizer.tile, colorizer.size = 128, None
    return colorizer(smooth_picture(200, 301))


def video(device: str) -> np.ndarray:
    pytest.importorskip("av", reason="videos need av")
    from clips import pictures
    from crosschroma.experiments.video.colorize_video import FrameColorizer

    frames = FrameColorizer(Colorizer.load("zhang16_photos", device=device))
    return np.stack([frames(frame) for frame in pictures(4)])


PAINTERS: dict[str, Painter] = {
    **{f"whole {run}": lambda device, run=run: whole(device, run) for run in SHIPPED},
    "tiles": in_tiles,
    "video": video,
}


@pytest.mark.parametrize("paint", PAINTERS.values(), ids=PAINTERS)
def test_the_pictures_are_those_of_the_cpu(paint: Painter, cuda: torch.device) -> None:
    assert_alike(paint("cpu"), paint(usable_device(cuda.type)))


def test_hints_are_painted_as_on_the_cpu(hint_painter: Path, cuda: torch.device) -> None:
    hints = [HintPoint(x=20, y=30, a=40.0, b=-30.0), HintPoint(x=50, y=10, a=-40.0, b=30.0)]
    results = [
        Colorizer.load(hint_painter, device=device)(smooth_picture(60, 80), hints=hints)
        for device in ("cpu", usable_device(cuda.type))
    ]
    assert_alike(*results)


@pytest.mark.parametrize("run", SHIPPED)
def test_bfloat16_is_near(run: str, cuda: torch.device) -> None:
    """Within 45 dB of float32, or computed in it."""
    colorizer = Colorizer.load(run, device=usable_device(cuda.type))
    picture = smooth_picture(256, 256)
    exact, half = colorizer(picture), colorizer.at("bfloat16")(picture)
    error = np.square(exact.astype(float) - half.astype(float)).mean()
    assert 10 * np.log10(255**2 / max(error, 1e-9)) > 40


@pytest.mark.parametrize("run", SHIPPED)
def test_scores_are_the_cpus_to_a_hundredth_of_a_decibel(run: str, cuda: torch.device) -> None:
    data = Scenes(size=128, count_train=1, count_validation=1, count_test=6)
    metrics = ("PSNR", "SSIM", "AE", "CF")
    scores = [
        evaluate_run(load_any(run), data, metrics=metrics, device=device).summary["all"]
        for device in ("cpu", usable_device(cuda.type))
    ]
    for metric in metrics:
        assert scores[1][metric] == pytest.approx(scores[0][metric], abs=0.01), metric


def assert_alike(one: np.ndarray, other: np.ndarray) -> None:
    """Levels of 8 bits, apart by one at most: where a value is near the border of two."""
    assert one.shape == other.shape
    assert np.abs(one.astype(int) - other.astype(int)).max() <= 1
