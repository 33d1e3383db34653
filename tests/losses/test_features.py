from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from crosschroma.losses.features import descriptors, feature_loss
from torch import Tensor


def images(count: int, channels: int, height: int, width: int, seed: int = 0) -> Tensor:
    """Noise in [0.1,1]: no pixel is black, where a descriptor would have no direction."""
    generator = torch.Generator().manual_seed(seed)
    shape = (count, channels, height, width)
    return 0.1 + 0.9 * torch.rand(shape, generator=generator, dtype=torch.float64)


def naive_descriptors(image: Tensor, scale: int) -> np.ndarray:
    pixels = image.numpy()
    count, channels, height, width = pixels.shape
    rows, columns = height // scale, width // scale
    cells = np.zeros((count, channels, rows, columns))
    out = np.zeros((count, 9, channels, rows, columns))
    for image_index, channel in product(range(count), range(channels)):
        plane, coarse = pixels[image_index, channel], cells[image_index, channel]
        for i, j in product(range(rows), range(columns)):
            cell = plane[i * scale : (i + 1) * scale, j * scale : (j + 1) * scale]
            coarse[i, j] = sum(cell.flat) / scale**2
        for i, j in product(range(rows), range(columns)):
            around = [
                coarse[min(max(i + down, 0), rows - 1), min(max(j + right, 0), columns - 1)]
                for down, right in product((-1, 0, 1), repeat=2)
            ]
            differences = [value - coarse[i, j] for value in around[:4] + around[5:]]
            out[image_index, :, channel, i, j] = [sum(around) / 9, *differences]
    return out.reshape(count, 9 * channels, rows, columns)


def naive_loss(prediction: Tensor, target: Tensor, scales: tuple[int, ...]) -> tuple[float, float]:
    squared, angle = [], []
    for scale in scales:
        ours, true = naive_descriptors(prediction, scale), naive_descriptors(target, scale)
        lengths = np.sqrt((ours**2).sum(1) * (true**2).sum(1))
        squared.append(((ours - true) ** 2).mean())
        angle.append(1 - ((ours * true).sum(1) / lengths).mean())
    return sum(squared) / len(scales), sum(angle) / len(scales)


@pytest.mark.parametrize("scale", [1, 2, 4, 8])
def test_descriptors_are_the_neighbourhoods_of_the_averaged_cells(scale: int) -> None:
    image = images(2, 3, 17, 12)
    found = descriptors(image, scale)
    np.testing.assert_allclose(found.numpy(), naive_descriptors(image, scale), atol=1e-14)


@pytest.mark.parametrize(
    ("size", "scales"),
    [
        ((17, 12), (1, 2, 4, 8)),
        ((8, 8), (1, 2, 4, 8)),
        ((7, 30), (1, 2, 4)),
        ((5, 3), (1, 2)),
        ((1, 1), (1,)),
    ],
)
def test_the_loss_averages_the_scales_that_fit(
    size: tuple[int, int], scales: tuple[int, ...]
) -> None:
    prediction, target = images(2, 3, *size, seed=1), images(2, 3, *size)
    squared, angle = feature_loss(prediction, target)
    wanted = naive_loss(prediction, target, scales)
    assert (squared.item(), angle.item()) == pytest.approx(wanted, rel=1e-4)


def test_equal_images_cost_nothing() -> None:
    image = images(2, 3, 16, 20)
    squared, angle = feature_loss(image, image)
    assert squared == 0
    assert angle.abs() < 1e-6


def test_the_angle_is_blind_to_a_gain_of_the_whole_image_and_to_no_other_change() -> None:
    target = images(1, 3, 16, 20)
    squared, angle = feature_loss(0.5 * target, target)
    assert angle.abs() < 1e-6
    black = feature_loss(torch.zeros_like(target), target)[0]
    assert squared.item() == pytest.approx(0.25 * black.item(), rel=1e-5)
    cast = target * torch.tensor([1.0, 0.5, 1.0]).view(3, 1, 1)
    for changed in (target + 0.3, cast, target.flip(-1)):
        assert feature_loss(changed, target)[1] > 5e-3
    assert feature_loss(-target, target)[1].item() == pytest.approx(2, abs=1e-5)


def test_half_precision_is_compared_in_float32() -> None:
    prediction, target = images(1, 3, 16, 16, seed=1).bfloat16(), images(1, 3, 16, 16).bfloat16()
    found = feature_loss(prediction, target)
    assert [x.dtype for x in found] == [torch.float32] * 2
    assert found == feature_loss(prediction.float(), target.float())


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("flat_target", [True, False])
def test_constant_images_have_finite_gradients(level: float, flat_target: bool) -> None:
    prediction = torch.full((1, 3, 16, 16), level, requires_grad=True)
    target = torch.full((1, 3, 16, 16), level) if flat_target else images(1, 3, 16, 16)
    for part in feature_loss(prediction, target):
        (gradient,) = torch.autograd.grad(part, prediction, retain_graph=True)
        assert gradient.isfinite().all()
        assert flat_target or gradient.any()
