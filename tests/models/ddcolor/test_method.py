"""DDColor: network, losses, training step."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from batches import smooth_batch
from crosschroma.datasets.base.color import lab_to_rgb, rgb_to_lab
from crosschroma.datasets.base.errors import UserError
from crosschroma.losses.colorfulness import colorfulness_loss
from crosschroma.losses.terms import Terms
from crosschroma.models.base.domain import DomainName
from crosschroma.models.base.generator import MultiScale
from crosschroma.models.cocolor.method import CoColor
from crosschroma.models.ddcolor.color_queries import ColorQueryDecoder, sine_positions
from crosschroma.models.ddcolor.method import DDColor, enhanced
from crosschroma.models.ddcolor.network import DDColorCritic
from torch import Tensor, nn

LARGE = "convnext_large.fb_in22k"


def tiny(domain: DomainName = "gray", **changes) -> DDColor:
    torch.manual_seed(0)
    return DDColor(replace(DDColor.Config(domain=domain).smoke(), **changes))


class Recorder:
    """The engine's side of a step: gradients are made, terms kept."""

    def __init__(self, method: DDColor) -> None:
        self.index, self.method = 0, method
        self.terms: dict[str, Terms] = {}
        self.reached: dict[str, set[str]] = {}

    def backward(self, terms: Terms, optimizer: str) -> None:
        self.terms[optimizer] = terms
        torch.stack([term.weight * term.value for term in terms.values()]).sum().backward()

    def update(self, optimizer: str) -> None:
        named = self.method.named_parameters()
        self.reached[optimizer] = {
            name.split(".")[0] for name, p in named if p.grad is not None and bool(p.grad.any())
        }
        self.method.zero_grad()

    def frozen(self, *networks: str):
        frozen = [self.method.get_submodule(name) for name in networks]
        for network in frozen:
            network.requires_grad_(False)
        return _Thaw(frozen)


class _Thaw:
    def __init__(self, networks: list[nn.Module]) -> None:
        self.networks = networks

    def __enter__(self) -> None: ...

    def __exit__(self, *exc: object) -> None:
        for network in self.networks:
            network.requires_grad_(True)


# the paper's figures, in millions
@pytest.mark.parametrize(
    ("config", "parameters", "published"),
    [
        (DDColor.Config(), 55_005_104, 55.0),
        (DDColor.Config(encoder=LARGE), 227_866_256, 227.9),
    ],
)
def test_published_sizes(config: DDColor.Config, parameters: int, published: float) -> None:
    with torch.device("meta"):
        found = config.build().parameter_counts()["generator"]
    assert found == parameters
    assert round(found / 1e6, 1) == published


def test_shapes_of_the_published_network() -> None:
    """Its pixel decoder has 512, 512 and 256 channels at 1/16, 1/8 and 1/4, then 256 at 1/1."""
    with torch.device("meta"):
        method = DDColor.Config(perceptual="none").build()
        maps = method.generator.encode(torch.zeros(1, 1, 256, 256))
        shapes = [tuple(x.shape[1:]) for x in maps]
        assert shapes == [(3, 256, 256), (96, 64, 64), (192, 32, 32), (384, 16, 16), (768, 8, 8)]
        feature, seen = maps[-1], []
        for merge, skip in zip(method.generator.merges, maps[-2:0:-1], strict=True):
            feature = merge(feature, skip)
            seen.append(tuple(feature.shape[1:]))
        assert seen == [(512, 16, 16), (512, 32, 32), (256, 64, 64)]
        assert method.generator.last_up(feature).shape == (1, 256, 256, 256)
        assert method.discriminator(torch.zeros(1, 3, 256, 256)).shape == (1, 1, 13, 13)
    assert len(method.generator.queries.layers) == 9
    assert method.stride == 32


def test_sine_positions_by_hand() -> None:
    """8 channels: two wavelengths, a hundredfold apart; place 4 is row 2 of 2, column 2 of 3."""
    positions = sine_positions(2, 3, 8, torch.device("cpu"))
    assert positions.shape == (6, 8)
    row, column = 2 * math.pi * 2 / 2, 2 * math.pi * 2 / 3
    expected = [
        f(angle / slower)
        for angle in (row, column)
        for slower in (1, 100)
        for f in (math.sin, math.cos)
    ]
    torch.testing.assert_close(positions[4], torch.tensor(expected), atol=1e-5, rtol=0)


def queries(layers: int) -> tuple[ColorQueryDecoder, list[Tensor], Tensor]:
    torch.manual_seed(0)
    decoder = ColorQueryDecoder((6, 5, 4), 7, 3, 8, 2, 16, layers).eval()
    maps = [torch.randn(2, c, s, s + 1) for c, s in ((6, 2), (5, 4), (4, 8))]
    return decoder, maps, torch.randn(2, 7, 32, 36)


@pytest.mark.parametrize("layers", [1, 2, 3, 5])
def test_layers_look_at_the_scales_in_turn(layers: int) -> None:
    decoder, maps, pixels = queries(layers)
    painted = decoder(maps, pixels)
    for scale in range(3):
        changed = [x + 1 if i == scale else x for i, x in enumerate(maps)]
        assert torch.equal(decoder(changed, pixels), painted) == (scale >= layers)


def test_a_query_layer_by_the_formula() -> None:
    """Cross-attention, then self-attention, then the feedforward part, each normalised after."""
    decoder, maps, pixels = queries(1)
    layer, width = decoder.layers[0], 8

    def attended(attention: nn.MultiheadAttention, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        weights, biases = attention.in_proj_weight.chunk(3), attention.in_proj_bias.chunk(3)
        q, k, v = (
            (x @ w.T + b).unflatten(-1, (2, 4)).transpose(1, 2)
            for x, w, b in zip((q, k, v), weights, biases, strict=True)
        )
        shares = torch.softmax(q @ k.transpose(-1, -2) / 2, dim=-1)  # sqrt of 4 channels a head
        return attention.out_proj((shares @ v).transpose(1, 2).flatten(2))

    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        value = decoder.project[0](maps[0]).flatten(2).transpose(1, 2) + decoder.level.weight[0]
        key = value + sine_positions(2, 3, width, torch.device("cpu"))
        x, place = decoder.content.weight.expand(2, 3, 8), decoder.place.weight
        x = layer.cross_norm(x + attended(layer.cross_attention, x + place, key, value))
        x = layer.self_norm(x + attended(layer.self_attention, x + place, x + place, x))
        x = layer.norm(x + layer.narrow(layer.wide(x).relu()))
        colors = decoder.color(decoder.norm(x))
        expected = (colors @ pixels.flatten(2)).view(2, 3, 32, 36)
        torch.testing.assert_close(decoder(maps, pixels), expected, atol=1e-4, rtol=1e-4)


def test_the_encoder_sees_the_gray_picture_of_that_lightness() -> None:
    """Three equal channels of sRGB, by ImageNet's moments."""
    level = torch.tensor([0.2, 0.5, 0.9])
    gray = rgb_to_lab(level.view(3, 1, 1, 1).expand(3, 3, 32, 32))[:, :1] / 100
    moments = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    expected = (level[:, None] - moments[0]) / moments[1]
    for domain, plane in (("gray", gray), ("nir", level.view(3, 1, 1, 1).expand(3, 1, 32, 32))):
        picture = tiny(domain).generator.encode(2 * plane - 1)[0]
        torch.testing.assert_close(picture[:, :, 3, 4], expected, atol=2e-3, rtol=0)


def test_the_encoders_maps_are_normalised_over_channels() -> None:
    maps = tiny().generator.encode(smooth_batch()["gray"] * 2 - 1)[1:]
    assert [x.shape[-1] for x in maps] == [16, 8, 4, 2]
    for x in maps:
        torch.testing.assert_close(x.mean(1), torch.zeros_like(x[:, 0]), atol=1e-5, rtol=0)
        assert ((x.square().mean(1) - 1).abs() < 0.05).all()


def test_the_refinement_puts_out_cie_ab() -> None:
    method, batch = tiny().eval(), smooth_batch()
    with torch.no_grad():
        before = method.predict(batch)
        method.generator.refine.bias.add_(torch.tensor([30.0, -20.0]))
        output = 110 * method.predict(batch)
    lab = torch.cat([100 * batch["gray"], output], dim=1)
    torch.testing.assert_close(
        method.colorize(batch), lab_to_rgb(lab, gamut="chroma"), atol=1e-5, rtol=0
    )
    shift = torch.tensor([30.0, -20.0]).view(1, 2, 1, 1).expand_as(output)
    torch.testing.assert_close(output - 110 * before, shift, atol=1e-3, rtol=0)


def test_two_halves_of_the_generator_make_the_whole() -> None:
    generator = tiny().generator.eval()
    assert isinstance(generator, MultiScale)
    given = smooth_batch()["gray"] * 2 - 1
    maps = generator.encode(given)
    assert maps[-1].shape[1] == generator.coarsest_channels
    assert torch.equal(generator.decode(maps), generator(given))
    maps[-1] = maps[-1] + torch.randn_like(maps[-1])
    assert not torch.equal(generator.decode(maps), generator(given))


@pytest.mark.parametrize(
    ("encoder", "stride"), [("test_convnext", 32), ("squeezenet1_0", 16), ("resnet10t", 32)]
)
def test_any_encoder_of_four_halving_maps_serves(encoder: str, stride: int) -> None:
    method = tiny(encoder=encoder).eval()
    assert method.stride == stride
    assert method.load_pretrained() == ""
    assert method.config.learnt_from == ""
    with torch.no_grad():
        assert method.colorize(smooth_batch(1, 50, 50)).shape == (1, 3, 50, 50)


def test_encoder_weights_come_from_a_file(tmp_path: Path) -> None:
    import timm

    torch.manual_seed(1)
    trained = timm.create_model("test_convnext")
    torch.save(trained.state_dict(), tmp_path / "weights.pth")
    method = tiny(encoder_weights=str(tmp_path / "weights.pth"))
    ours = method.generator.encoder.model
    assert not torch.equal(ours.stem_0.weight, trained.stem[0].weight)
    assert "weights.pth" in method.load_pretrained()
    assert "weights.pth" in method.config.learnt_from
    assert torch.equal(ours.stem_0.weight, trained.stem[0].weight)
    last = trained.stages[3].blocks[0].mlp.fc2.weight
    assert torch.equal(ours.stages_3.blocks[0].mlp.fc2.weight, last)


def test_unsuited_settings_are_named() -> None:
    with pytest.raises(UserError, match=r"last 4 maps halve in size; vit_tiny_patch16_224 has"):
        tiny(encoder="vit_tiny_patch16_224")
    with pytest.raises(UserError, match=r"30 channels with 4 heads.*query-width"):
        tiny(query_width=30)
    with pytest.raises(UserError, match=r"at least 64 pixels, not 32.*critic-blocks"):
        DDColorCritic(4, 3)(torch.zeros(1, 3, 64, 32))
    assert DDColorCritic(4, 3)(torch.zeros(1, 3, 64, 64)).shape == (1, 1, 1, 1)


def test_enhanced_by_hand() -> None:
    rgb = torch.tensor([0.8, 0.4, 0.1]).view(1, 3, 1, 1)
    luma = 0.2989 * 0.8 + 0.587 * 0.4 + 0.114 * 0.1
    expected = torch.tensor([luma + 1.2 * (x - luma) for x in (0.8, 0.4, 0.1)])
    torch.testing.assert_close(enhanced(rgb, 1.2).flatten(), expected.clamp(0, 1))
    assert torch.allclose(enhanced(rgb, 1.0), rgb)
    assert enhanced(rgb, 9.0).flatten().tolist() == [1, 0, 0]
    assert enhanced(rgb, 0.0).flatten().tolist() == pytest.approx([luma] * 3)


class Asked(nn.Module):
    """A perceptual loss that keeps what it was asked."""

    def forward(self, rgb_hat: Tensor, rgb: Tensor) -> Tensor:
        self.rgb_hat, self.rgb = rgb_hat, rgb
        return (rgb_hat - rgb).abs().mean()


@pytest.mark.parametrize("domain", ["gray", "nir"])
def test_terms_of_a_step(domain: DomainName) -> None:
    method, batch = tiny(domain).train(), smooth_batch()
    asked = Asked()
    method.perceptual = asked  # pyright: ignore
    step = Recorder(method)
    output = method.predict(batch).detach()
    method.training_step(batch, step)
    terms = step.terms["generator"]
    l1 = "l1_ab" if domain == "gray" else "l1_rgb"
    weights = {name: term.weight for name, term in terms.items()}
    assert weights == {l1: 0.1, "perceptual": 5.0, "colorfulness": 0.5, "adv_g": 1.0}
    assert list(step.terms["discriminator"]) == ["adv_d"]
    true = rgb_to_lab(batch["rgb"])[:, 1:] if domain == "gray" else 110 * (2 * batch["rgb"] - 1)
    # another forward pass in training mode: the power iterations have moved on a little
    assert terms[l1].value.item() == pytest.approx((110 * output - true).abs().mean().item(), 0.02)
    torch.testing.assert_close(asked.rgb, enhanced(batch["rgb"], 1.2))
    assert terms["colorfulness"].value.item() == pytest.approx(
        colorfulness_loss(asked.rgb_hat).item()
    )
    assert step.reached == {"generator": {"generator"}, "discriminator": {"discriminator"}}


def test_the_critic_judges_enhanced_photographs_against_predictions() -> None:
    """It learns on what the generator made before its own update, and on enhanced targets."""
    method, batch = tiny().train(), smooth_batch()
    seen: list[Tensor] = []
    method.discriminator.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    method.training_step(batch, Recorder(method))
    made, real, fake = seen
    assert made.requires_grad
    assert not fake.requires_grad
    assert torch.equal(made, fake)
    torch.testing.assert_close(real, enhanced(batch["rgb"], 1.2))


def test_pixels_that_do_not_count_are_equal_to_the_target() -> None:
    method, batch = tiny("nir").train(), smooth_batch()
    batch["valid"] = torch.ones(2, 1, 64, 64)
    batch["valid"][..., :20] = 0
    asked = method.perceptual = Asked()  # pyright: ignore
    step = Recorder(method)
    method.training_step(batch, step)
    same = (asked.rgb_hat == asked.rgb).all(1)
    assert same[..., :20].all()
    assert not same[..., 20:].any()


def test_what_it_has_learnt_from_names_encoder_and_loss() -> None:
    assert DDColor.Config().learnt_from == (
        "encoder convnext_tiny.fb_in22k: imagenet; loss on vgg16_bn: imagenet"
    )
    assert DDColor.Config(encoder_weights="none", weight_perceptual=0.0).learnt_from == ""


def test_weights_of_zero_leave_terms_and_networks_out() -> None:
    method = tiny(
        weight_adv=0.0, weight_colorfulness=0.0, weight_perceptual=0.0, perceptual="vgg16"
    )
    assert list(method.networks()) == list(method.optimizers()) == ["generator"]
    assert method.load_losses() == ""
    assert {name.split(".")[0] for name, _ in method.named_parameters()} == {"generator"}
    step = Recorder(method.train())
    method.training_step(smooth_batch(), step)
    assert list(step.terms["generator"]) == ["l1_ab"]
    assert step.reached == {"generator": {"generator"}}


def test_the_perceptual_networks_weights_are_not_needed_to_colour() -> None:
    method = tiny(perceptual="vgg16_bn")
    assert not any(name.startswith("perceptual") for name in method.state_dict())
    assert method.eval().colorize(smooth_batch(1)).isfinite().all()


def test_nothing_pushes_colours_further_out_of_gamut() -> None:
    """Far outside sRGB only L1 has a gradient, and it points back."""
    method, batch = tiny(weight_l1=0.0).train(), smooth_batch()
    with torch.no_grad():
        method.generator.refine.bias.copy_(torch.tensor([3000.0, 3000.0]))
    step = Recorder(method)
    step.update = lambda _: None  # pyright: ignore
    method.training_step(batch, step)
    assert method.generator.refine.bias.grad.abs().max() == 0
    method.zero_grad()
    method.config = replace(method.config, weight_l1=0.1)
    method.training_step(batch, step)
    assert (method.generator.refine.bias.grad > 0).all()


def test_learning_rates_are_halved_at_a_fifth_and_then_each_tenth() -> None:
    method = tiny()
    factors = [method.rate_factor(step) for step in (0, 79_999, 80_000, 119_999, 120_000, 399_999)]
    assert factors == [1, 1, 0.5, 0.5, 0.25, 0.5**8]
    assert tiny(halvings=()).rate_factor(10**6) == 1


def test_optimizers_are_the_papers() -> None:
    paper = DDColor.Config()
    rates = {name: getattr(paper, name) for name in ("lr", "critic_lr", "weight_decay")}
    generator, critic = tiny(**rates).optimizers().values()
    expected = {"lr": 1e-4, "betas": (0.9, 0.99)}
    assert isinstance(generator, torch.optim.AdamW)
    assert {**expected, "weight_decay": 0.01}.items() <= generator.param_groups[0].items()
    assert type(critic) is torch.optim.Adam
    assert {**expected, "weight_decay": 0}.items() <= critic.param_groups[0].items()


def test_nir_is_learnt() -> None:
    method, batch = tiny("nir"), smooth_batch(1)
    method.config = replace(method.config, weight_adv=0.0, weight_colorfulness=0.0)
    optimizer = method.optimizers()["generator"]

    def error() -> float:
        with torch.no_grad():
            return (method.eval().colorize(batch) - batch["rgb"]).abs().mean().item()

    before, step = error(), Recorder(method)
    step.update = lambda _: None  # pyright: ignore
    for _ in range(50):
        optimizer.zero_grad()
        method.train().training_step(batch, step)
        optimizer.step()
    assert error() < 0.75 * before


def test_serves_as_a_colorizer_of_cocolor() -> None:
    plain = {"weight_adv": 0.0, "weight_perceptual": 0.0}
    torch.manual_seed(0)
    method = (
        CoColor.Config(
            nir_colorizer=DDColor.Config(domain="nir", **plain),
            gray_colorizer=DDColor.Config(domain="gray", **plain),
            feature_exchange=True,
        )
        .smoke()
        .build()
    )
    rgb = method.eval().colorize(smooth_batch(1, 50, 50))
    assert rgb.shape == (1, 3, 50, 50)
    assert rgb.isfinite().all()
