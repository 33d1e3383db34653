from __future__ import annotations

import pytest
import torch
from crosschroma.datasets.base.errors import UserError
from crosschroma.models.layers.patchgan import PatchGAN
from torch import Tensor, nn
from torch.nn.utils import parametrize


@pytest.fixture
def critic() -> PatchGAN:
    torch.manual_seed(0)
    return PatchGAN(3, 8, norm="spectral")


def convolutions(critic: PatchGAN) -> list[nn.Module]:
    return [module for module in critic.body if isinstance(module, nn.Conv2d)]


def largest_singular_values(critic: PatchGAN) -> list[float]:
    """Of the weights as they are used; reading them in training would be a power iteration."""
    critic.eval()
    weights = [conv.weight for conv in convolutions(critic) if parametrize.is_parametrized(conv)]
    return [torch.linalg.matrix_norm(weight.flatten(1), 2).item() for weight in weights]


def noise(count: int, channels: int, side: int = 64) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(count, channels, side, side, generator=generator)


def test_parameters_of_the_spectral_critic() -> None:
    with torch.device("meta"):
        critic = PatchGAN(3, 64, norm="spectral")
    assert sum(p.numel() for p in critic.parameters()) == 2_763_841


def test_only_the_inner_convolutions_are_normalised(critic: PatchGAN) -> None:
    normalised = [parametrize.is_parametrized(conv) for conv in convolutions(critic)]
    assert normalised == [False, True, True, True, False]
    kinds = {type(module) for module in critic.body}
    assert not kinds & {nn.BatchNorm2d, nn.InstanceNorm2d, nn.GroupNorm, nn.Identity}


def test_training_forwards_bring_the_largest_singular_value_to_one(critic: PatchGAN) -> None:
    for conv in convolutions(critic)[1:-1]:
        nn.init.normal_(conv.parametrizations.weight.original, std=0.3)
    assert min(largest_singular_values(critic)) > 2
    critic.train()
    for _ in range(15):
        critic(noise(1, 3))
    values = largest_singular_values(critic)
    assert len(values) == 3
    assert values == pytest.approx([1, 1, 1], abs=0.1)


def test_a_critic_that_only_judges_does_not_change(critic: PatchGAN) -> None:
    critic.eval()
    before = {name: x.clone() for name, x in critic.state_dict().items()}
    assert torch.equal(critic(noise(1, 3)), critic(noise(1, 3)))
    assert all(torch.equal(x, before[name]) for name, x in critic.state_dict().items())
    critic.train()(noise(1, 3))
    assert not all(torch.equal(x, before[name]) for name, x in critic.state_dict().items())


def test_images_are_judged_together_in_their_order(critic: PatchGAN) -> None:
    critic.eval()
    image = noise(2, 3)
    logits = critic(image)
    assert logits.shape == (2, 1, 6, 6)
    assert torch.equal(critic(image[:, :1], image[:, 1:]), logits)
    assert torch.equal(critic(*image.split(1, dim=1)), logits)
    assert not torch.equal(critic(image[:, 1:], image[:, :1]), logits)


def test_every_parameter_of_the_spectral_critic_is_trained(critic: PatchGAN) -> None:
    critic(noise(2, 3)).square().mean().backward()
    silent = [name for name, p in critic.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []


def test_an_unknown_norm_is_named() -> None:
    with pytest.raises(UserError, match="spectrum"):
        PatchGAN(3, 8, norm="spectrum")  # pyright: ignore[reportArgumentType]
