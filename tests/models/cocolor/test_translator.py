from __future__ import annotations

import pytest
import torch
from crosschroma.models.cocolor.translator import Translator


def plane(*size: int) -> torch.Tensor:
    return torch.rand(2, 1, *size, generator=torch.Generator().manual_seed(0))


def silent(translator: Translator) -> Translator:
    """The same with a correction of 0."""
    for parameter in translator.body[-1].parameters():
        torch.nn.init.zeros_(parameter)
    return translator


@pytest.mark.parametrize("size", [(32, 32), (33, 50), (45, 31)])
def test_any_size_comes_back_as_levels(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    found = Translator(4, 1)(plane(*size))
    assert found.shape == (2, 1, *size)
    assert found.min() > 0
    assert found.max() < 1


def test_without_correction_the_plane_stays() -> None:
    given = plane(21, 34)
    found = silent(Translator(4, 1))(given)
    torch.testing.assert_close(found, given.clamp(0.01, 0.99))


def test_black_and_white_can_be_moved() -> None:
    """The logit of 0 is infinite: no correction would reach it, and its gradient would be NaN."""
    translator = silent(Translator(4, 1))
    given = torch.tensor([0.0, 1.0]).repeat(64).view(1, 1, 8, 16).requires_grad_()
    with torch.no_grad():
        translator.body[-1].bias.fill_(5.0)  # pyright: ignore
    found = translator(given)
    assert found[0, 0, 0, 0] > 0.5
    found.sum().backward()
    assert given.grad.isfinite().all()  # pyright: ignore


def test_images_of_a_batch_keep_apart() -> None:
    torch.manual_seed(0)
    translator, both = Translator(4, 2), plane(24, 24)
    torch.testing.assert_close(translator(both)[1:], translator(both[1:]), atol=1e-6, rtol=0)


def test_it_learns_what_levels_alone_cannot_tell() -> None:
    """One level, made brighter where there is texture: foliage in NIR."""
    torch.manual_seed(0)
    translator, given = Translator(8, 1), torch.full((2, 1, 16, 16), 0.5)
    given[..., :8] += 0.2 * (plane(16, 8) - 0.5)
    true = given.clone()
    true[..., :8] += 0.3
    optimizer = torch.optim.Adam(translator.parameters(), lr=1e-2)
    before = (translator(given) - true).abs().mean().item()
    for _ in range(40):
        loss = (translator(given) - true).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < before / 3
