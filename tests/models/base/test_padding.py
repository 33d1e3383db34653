from __future__ import annotations

import pytest
import torch
from crosschroma.models.base.padding import pad_and_crop


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 32), (31, 33), (64, 64)])
def test_any_size_comes_back_unchanged(size: tuple[int, int]) -> None:
    image = torch.rand(2, 1, *size)
    seen = []

    def network(padded: torch.Tensor) -> torch.Tensor:
        seen.append(padded.shape[-2:])
        return padded

    assert torch.equal(pad_and_crop(network, image, 32), image)
    assert all(side % 32 == 0 for side in seen[0])


def test_padding_mirrors_without_repeating_the_border() -> None:
    image = torch.arange(3.0).view(1, 1, 1, 3)
    padded = []
    pad_and_crop(lambda x: padded.append(x) or x, image, 8)
    assert padded[0][0, 0, 0].tolist() == [2, 1, 0, 1, 2, 1, 0, 1]
