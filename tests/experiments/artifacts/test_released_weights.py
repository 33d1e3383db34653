"""Released weights against the released architectures, written here from their descriptions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, cast

import pytest
import torch
import torch.nn.functional as F
from crosschroma.datasets.base.batch import Batch
from crosschroma.datasets.base.color import lab_to_rgb
from crosschroma.datasets.base.errors import UserError
from crosschroma.experiments.artifacts import released_weights
from crosschroma.models.color.ab_bins import ab_bins
from crosschroma.models.ddcolor.method import DDColor
from crosschroma.models.instance_aware.method import InstanceAware
from crosschroma.models.instance_aware.networks import Fusion
from crosschroma.models.zhang16.method import Zhang16
from crosschroma.models.zhang17.method import Zhang17
from torch import Tensor

Shapes = dict[str, tuple[int, ...]]
State = dict[str, Tensor]

TRANSPOSED = ("model8.0.weight", "model8up.0.weight", "model9up.0.weight", "model10up.0.weight")
SMALL: dict[str, Any] = {
    "dims": (24, 32, 48, 64), "depths": (1, 2, 4, 2), "nf": 32, "queries": 8, "hidden": 32,
    "feedforward": 48, "layers": 4,
}  # fmt: skip
SMALL_DDCOLOR: dict[str, Any] = {
    "encoder": "test_convnext", "width": 32, "queries": 8, "query_width": 32,
    "feedforward": 48, "layers": 4,
}  # fmt: skip
HEADS = 8


# names and shapes


def conv_(shapes: Shapes, name: str, out: int, channels: int, side: int) -> None:
    shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (out, channels, side, side), (out,)


def up_(shapes: Shapes, name: str, channels: int, out: int) -> None:
    shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (channels, out, 4, 4), (out,)


def spectral_(shapes: Shapes, name: str, out: int, channels: int, side: int, bias: bool) -> None:
    """``torch.nn.utils.spectral_norm``, the older of torch's two."""
    shapes[f"{name}.weight_orig"] = (out, channels, side, side)
    shapes[f"{name}.weight_u"], shapes[f"{name}.weight_v"] = (out,), (channels * side * side,)
    if bias:
        shapes[f"{name}.bias"] = (out,)


def linear_(shapes: Shapes, name: str, out: int, channels: int) -> None:
    shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (out, channels), (out,)


def norm_(shapes: Shapes, name: str, channels: int) -> None:
    shapes[f"{name}.weight"] = shapes[f"{name}.bias"] = (channels,)


def batch_norm_(shapes: Shapes, name: str, channels: int) -> None:
    norm_(shapes, name, channels)
    shapes[f"{name}.running_mean"] = shapes[f"{name}.running_var"] = (channels,)
    shapes[f"{name}.num_batches_tracked"] = ()


def body_shapes(planes: int, width: int) -> Shapes:
    """Blocks 1 to 7, which both networks of Zhang et al. share."""
    shapes, before = Shapes(), planes
    for block, (times, count) in enumerate(
        [(1, 2), (2, 2), (4, 3), (8, 3), (8, 3), (8, 3), (8, 3)], start=1
    ):
        for index in range(count):
            conv_(shapes, f"model{block}.{2 * index}", times * width, before, 3)
            before = times * width
        batch_norm_(shapes, f"model{block}.{2 * count}", before)
    return shapes


def zhang16_shapes(width: int = 64) -> Shapes:
    shapes = body_shapes(1, width)
    up_(shapes, "model8.0", 8 * width, 4 * width)
    conv_(shapes, "model8.2", 4 * width, 4 * width, 3)
    conv_(shapes, "model8.4", 4 * width, 4 * width, 3)
    conv_(shapes, "model8.6", 313, 4 * width, 1)
    shapes["model_out.weight"] = (2, 313, 1, 1)
    return shapes


def zhang17_shapes(width: int = 64) -> Shapes:
    w, shapes = width, body_shapes(4, width)
    up_(shapes, "model8up.0", 8 * w, 4 * w)
    conv_(shapes, "model3short8.0", 4 * w, 4 * w, 3)
    conv_(shapes, "model8.1", 4 * w, 4 * w, 3)
    conv_(shapes, "model8.3", 4 * w, 4 * w, 3)
    batch_norm_(shapes, "model8.5", 4 * w)
    up_(shapes, "model9up.0", 4 * w, 2 * w)
    conv_(shapes, "model2short9.0", 2 * w, 2 * w, 3)
    conv_(shapes, "model9.1", 2 * w, 2 * w, 3)
    batch_norm_(shapes, "model9.3", 2 * w)
    up_(shapes, "model10up.0", 2 * w, 2 * w)
    conv_(shapes, "model1short10.0", 2 * w, w, 3)
    conv_(shapes, "model10.1", 2 * w, 2 * w, 3)
    conv_(shapes, "model_class.0", 529, 4 * w, 1)
    conv_(shapes, "model_out.0", 2, 2 * w, 1)
    return shapes


def fusion_shapes(width: int = 64) -> Shapes:
    shapes = zhang17_shapes(width)
    factors = (1, 2, 4, 8, 8, 8, 8, 4, 4, 2, 2, 2, 2)
    heads = [(n, f * width) for n, f in zip(LAYERS.values(), factors, strict=True)]
    for name, channels in [*heads, ("weight_layerout", 2)]:
        for kind in ("simple_instance_conv", "simple_bg_conv"):
            conv_(shapes, f"{name}.{kind}.0", 16, channels, 3)
            conv_(shapes, f"{name}.{kind}.2", 16, 16, 3)
            conv_(shapes, f"{name}.{kind}.4", 1, 16, 3)
    return shapes


def convnext_shapes(dims: tuple[int, ...], depths: tuple[int, ...]) -> Shapes:
    shapes, arch = Shapes(), "encoder.arch"
    conv_(shapes, f"{arch}.downsample_layers.0.0", dims[0], 3, 4)
    norm_(shapes, f"{arch}.downsample_layers.0.1", dims[0])
    for stage, (dim, depth) in enumerate(zip(dims, depths, strict=True)):
        if stage:
            norm_(shapes, f"{arch}.downsample_layers.{stage}.0", dims[stage - 1])
            conv_(shapes, f"{arch}.downsample_layers.{stage}.1", dim, dims[stage - 1], 2)
        for block in range(depth):
            name = f"{arch}.stages.{stage}.{block}"
            shapes[f"{name}.gamma"] = (dim,)
            conv_(shapes, f"{name}.dwconv", dim, 1, 7)
            norm_(shapes, f"{name}.norm", dim)
            linear_(shapes, f"{name}.pwconv1", 4 * dim, dim)
            linear_(shapes, f"{name}.pwconv2", dim, 4 * dim)
        norm_(shapes, f"{arch}.norm{stage}", dim)
    norm_(shapes, f"{arch}.norm", dims[-1])
    return shapes


def query_shapes(nf: int, queries: int, hidden: int, feedforward: int, layers: int) -> Shapes:
    shapes, name = Shapes(), "decoder.color_decoder"
    for layer in range(layers):
        for attention, inner in (("cross", "multihead_attn"), ("self", "self_attn")):
            prefix = f"{name}.transformer_{attention}_attention_layers.{layer}"
            shapes[f"{prefix}.{inner}.in_proj_weight"] = (3 * hidden, hidden)
            shapes[f"{prefix}.{inner}.in_proj_bias"] = (3 * hidden,)
            linear_(shapes, f"{prefix}.{inner}.out_proj", hidden, hidden)
            norm_(shapes, f"{prefix}.norm", hidden)
        prefix = f"{name}.transformer_ffn_layers.{layer}"
        linear_(shapes, f"{prefix}.linear1", feedforward, hidden)
        linear_(shapes, f"{prefix}.linear2", hidden, feedforward)
        norm_(shapes, f"{prefix}.norm", hidden)
    norm_(shapes, f"{name}.decoder_norm", hidden)
    for table, rows in (("query_feat", queries), ("query_embed", queries), ("level_embed", 3)):
        shapes[f"{name}.{table}.weight"] = (rows, hidden)
    for index, channels in enumerate((nf, nf, nf // 2)):
        conv_(shapes, f"{name}.input_proj.{index}", hidden, channels, 1)
    for index, out in enumerate((hidden, hidden, nf // 2)):
        linear_(shapes, f"{name}.color_embed.layers.{index}", out, hidden)
    return shapes


def ddcolor_shapes(
    dims: tuple[int, ...] = (96, 192, 384, 768),
    depths: tuple[int, ...] = (3, 3, 9, 3),
    nf: int = 512,
    queries: int = 100,
    hidden: int = 256,
    feedforward: int = 2048,
    layers: int = 9,
) -> Shapes:
    shapes, before = convnext_shapes(dims, depths), dims[-1]
    for index, (after, skip) in enumerate(zip((nf, nf, nf // 2), dims[-2::-1], strict=True)):
        name = f"decoder.layers.{index}"
        spectral_(shapes, f"{name}.shuf.conv.0", 4 * after, before, 1, bias=False)
        batch_norm_(shapes, f"{name}.shuf.conv.1", 4 * after)
        batch_norm_(shapes, f"{name}.bn", skip)
        spectral_(shapes, f"{name}.conv.0", after, after + skip, 3, bias=False)
        batch_norm_(shapes, f"{name}.conv.2", after)
        before = after
    spectral_(shapes, "decoder.last_shuf.conv.0", 16 * before, before, 1, bias=True)
    shapes |= query_shapes(nf, queries, hidden, feedforward, layers)
    spectral_(shapes, "refine_net.0.0", 2, queries + 3, 1, bias=True)
    shapes["mean"] = shapes["std"] = (1, 3, 1, 1)
    return shapes


def random_state(shapes: Mapping[str, tuple[int, ...]], seed: int = 0) -> State:
    """Values under which every layer passes something on, and no two weights are alike."""
    generator, state = torch.Generator().manual_seed(seed), State()
    for name, shape in shapes.items():
        noise = torch.randn(shape, generator=generator)
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(7)
        elif len(shape) > 1:
            fan_in = math.prod(shape) / shape[1 if name in TRANSPOSED else 0]
            state[name] = noise * math.sqrt((8 if name in TRANSPOSED else 2) / fan_in)
        elif name.endswith((".weight", "running_var", "gamma")):
            state[name] = 1 + 0.2 * noise.clamp(-2, 2)
        else:
            state[name] = 0.2 * noise
    for name in [name for name in state if name.endswith("weight_orig")]:
        kernel, base = state[name].flatten(1), name.removesuffix("orig")
        v = F.normalize(kernel.T @ noise_like(kernel[:, 0]), dim=0)
        state[f"{base}v"], state[f"{base}u"] = v, F.normalize(kernel @ v, dim=0)
    if "model_out.weight" in state:
        state["model_out.weight"] = ab_bins().T.reshape(2, 313, 1, 1) / 110
    return state


def noise_like(tensor: Tensor) -> Tensor:
    return torch.randn(tensor.shape, generator=torch.Generator().manual_seed(1))


# the released forward passes


def conv(x: Tensor, state: State, name: str, **options: int) -> Tensor:
    return F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], **options)


def up(x: Tensor, state: State, name: str) -> Tensor:
    return F.conv_transpose2d(x, state[f"{name}.weight"], state[f"{name}.bias"], 2, 1)


def batch_norm(x: Tensor, state: State, name: str) -> Tensor:
    mean, var = state[f"{name}.running_mean"], state[f"{name}.running_var"]
    return F.batch_norm(x, mean, var, state[f"{name}.weight"], state[f"{name}.bias"])


def block(x: Tensor, state: State, number: int, count: int, stride: int = 1) -> Tensor:
    """Convolutions with ReLU, the stride at the last, then BatchNorm; 5 and 6 are dilated."""
    reach = 2 if number in (5, 6) else 1
    for index in range(count):
        step = stride if index == count - 1 else 1
        name = f"model{number}.{2 * index}"
        x = conv(x, state, name, stride=step, padding=reach, dilation=reach).relu()
    return batch_norm(x, state, f"model{number}.{2 * count}")


def forward16(lightness: Tensor, state: State, temperature: float = 1.0) -> Tensor:
    """L*, B1HW, to ab in ab units, as colorizers' eccv16."""
    x = (lightness - 50) / 100
    for number, count in enumerate((2, 2, 3, 3, 3, 3, 3), start=1):
        x = block(x, state, number, count, 2 if number < 4 else 1)
    x = up(x, state, "model8.0").relu()
    x = conv(x, state, "model8.2", padding=1).relu()
    x = conv(x, state, "model8.4", padding=1).relu()
    shares = (conv(x, state, "model8.6") / temperature).softmax(1)
    ab = F.conv2d(shares, state["model_out.weight"])
    return 110 * F.interpolate(ab, scale_factor=4, mode="bilinear", align_corners=False)


def as_it_is(place: str, x: Tensor) -> Tensor:
    return x


def forward17(
    given: Tensor, state: State, at: Callable[[str, Tensor], Tensor] = as_it_is
) -> tuple[Tensor, Tensor]:
    """The four normalised planes to ab in ab units and the classes, as colorizers' siggraph17."""
    x1 = at("conv1_2", block(given, state, 1, 2))
    x2 = at("conv2_2", block(x1[:, :, ::2, ::2], state, 2, 2))
    x3 = at("conv3_3", block(x2[:, :, ::2, ::2], state, 3, 3))
    x = x3[:, :, ::2, ::2]
    for number in (4, 5, 6, 7):
        x = at(f"conv{number}_3", block(x, state, number, 3))
    x = at("conv8_up", up(x, state, "model8up.0") + conv(x3, state, "model3short8.0", padding=1))
    x = conv(x.relu(), state, "model8.1", padding=1).relu()
    x = at("conv8_3", batch_norm(conv(x, state, "model8.3", padding=1).relu(), state, "model8.5"))
    classes = conv(x, state, "model_class.0")
    x = at("conv9_up", up(x, state, "model9up.0") + conv(x2, state, "model2short9.0", padding=1))
    x = conv(x.relu(), state, "model9.1", padding=1).relu()
    x = at("conv9_3", batch_norm(x, state, "model9.3"))
    x = up(x, state, "model10up.0") + conv(x1, state, "model1short10.0", padding=1)
    x = conv(at("conv10_up", x).relu(), state, "model10.1", padding=1)
    x = at("conv10_2", F.leaky_relu(x, 0.2))
    return 110 * conv(x, state, "model_out.0").tanh(), classes


LAYERS = {
    "conv1_2": "weight_layer", "conv2_2": "weight_layer2", "conv3_3": "weight_layer3",
    "conv4_3": "weight_layer4", "conv5_3": "weight_layer5", "conv6_3": "weight_layer6",
    "conv7_3": "weight_layer7", "conv8_up": "weight_layer8_1", "conv8_3": "weight_layer8_2",
    "conv9_up": "weight_layer9_1", "conv9_3": "weight_layer9_2",
    "conv10_up": "weight_layer10_1", "conv10_2": "weight_layer10_2",
}  # fmt: skip


def head(x: Tensor, state: State, name: str) -> Tensor:
    for index in (0, 2, 4):
        x = conv(x, state, f"{name}.{index}", padding=1).relu()
    return x


def fused(
    x: Tensor, instances: Tensor, state: State, name: str, corners: list[list[int]]
) -> Tensor:
    """InstColorization's WeightGenerator: what goes on of one picture's map, and its instances'."""
    stride = 64 // x.shape[-1]  # the test's picture
    maps, weights, inside = [], [], torch.zeros_like(x[:, :1])
    for number, box in enumerate(corners):
        left, top, right, bottom = (corner // stride for corner in box)
        instance = instances[number : number + 1]
        for given, places in (
            (instance, maps),
            (head(instance, state, f"{name}.simple_instance_conv"), weights),
        ):
            place = torch.zeros(1, given.shape[1], *x.shape[-2:])
            size = (bottom - top, right - left)
            place[..., top:bottom, left:right] = F.interpolate(given, size, mode="bilinear")
            places.append(place)
        inside[..., top:bottom, left:right] = 1
    weights.append(head(x, state, f"{name}.simple_bg_conv") + 1e5 * (1 - inside))
    shares = torch.cat(weights, 1).softmax(1)
    return sum(m * shares[:, k : k + 1] for k, m in enumerate([*maps, x]))  # pyright: ignore


def channels_norm(x: Tensor, state: State, name: str, eps: float = 1e-6) -> Tensor:
    """LayerNorm over the channels of BCHW."""
    weight, bias = (state[f"{name}.{n}"].view(1, -1, 1, 1) for n in ("weight", "bias"))
    centred = x - x.mean(1, keepdim=True)
    return weight * centred / (centred.square().mean(1, keepdim=True) + eps).sqrt() + bias


def linear(x: Tensor, state: State, name: str) -> Tensor:
    return F.linear(x, state[f"{name}.weight"], state[f"{name}.bias"])


def layer_norm(x: Tensor, state: State, name: str) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"])


def spectral(x: Tensor, state: State, name: str, padding: int = 0) -> Tensor:
    weight = state[f"{name}.weight_orig"]
    largest = state[f"{name}.weight_u"] @ weight.flatten(1) @ state[f"{name}.weight_v"]
    return F.conv2d(x, weight / largest, state.get(f"{name}.bias"), padding=padding)


def convnext(x: Tensor, state: State, depths: tuple[int, ...], eps: float) -> list[Tensor]:
    arch, maps = "encoder.arch", []
    x = conv(x, state, f"{arch}.downsample_layers.0.0", stride=4)
    x = channels_norm(x, state, f"{arch}.downsample_layers.0.1", eps)
    for stage, depth in enumerate(depths):
        if stage:
            x = channels_norm(x, state, f"{arch}.downsample_layers.{stage}.0", eps)
            x = conv(x, state, f"{arch}.downsample_layers.{stage}.1", stride=2)
        for index in range(depth):
            name = f"{arch}.stages.{stage}.{index}"
            y = conv(x, state, f"{name}.dwconv", padding=3, groups=x.shape[1])
            y = channels_norm(y, state, f"{name}.norm", eps).movedim(1, -1)
            y = linear(F.gelu(linear(y, state, f"{name}.pwconv1")), state, f"{name}.pwconv2")
            x = x + (state[f"{name}.gamma"] * y).movedim(-1, 1)
        maps.append(channels_norm(x, state, f"{arch}.norm{stage}"))
    return maps


def blurred(x: Tensor) -> Tensor:
    return F.avg_pool2d(F.pad(x, (1, 0, 1, 0), mode="replicate"), 2, 1)


def positions(height: int, width: int, channels: int) -> Tensor:
    """DETR's sines, normalised, HW x C."""
    table = torch.zeros(height, width, channels)
    half = channels // 2
    for channel in range(half):
        wavelength = 10_000 ** (2 * (channel // 2) / half)
        wave = torch.cos if channel % 2 else torch.sin
        rows = 2 * math.pi * torch.arange(1, height + 1) / height / wavelength
        columns = 2 * math.pi * torch.arange(1, width + 1) / width / wavelength
        table[:, :, channel] = wave(rows)[:, None]
        table[:, :, half + channel] = wave(columns)[None]
    return table.flatten(0, 1)


def attention(q: Tensor, k: Tensor, v: Tensor, state: State, name: str) -> Tensor:
    """B x N x C each."""
    weights = state[f"{name}.in_proj_weight"].chunk(3)
    biases = state[f"{name}.in_proj_bias"].chunk(3)
    q, k, v = (
        F.linear(x, w, b).unflatten(-1, (HEADS, -1)).transpose(1, 2)
        for x, w, b in zip((q, k, v), weights, biases, strict=True)
    )
    found = (q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1) @ v
    return linear(found.transpose(1, 2).flatten(2), state, f"{name}.out_proj")


def painted(maps: list[Tensor], pixels: Tensor, state: State, layers: int) -> Tensor:
    name = "decoder.color_decoder"
    values, places = [], []
    for index, x in enumerate(maps):
        value = conv(x, state, f"{name}.input_proj.{index}").flatten(2).mT
        values.append(value + state[f"{name}.level_embed.weight"][index])
        places.append(positions(*x.shape[-2:], values[-1].shape[-1]))
    queries = state[f"{name}.query_feat.weight"].expand(len(pixels), -1, -1)
    embed = state[f"{name}.query_embed.weight"]
    for layer in range(layers):
        value, place = values[layer % 3], places[layer % 3]
        prefix = f"{name}.transformer_cross_attention_layers.{layer}"
        seen = attention(queries + embed, value + place, value, state, f"{prefix}.multihead_attn")
        queries = layer_norm(queries + seen, state, f"{prefix}.norm")
        prefix = f"{name}.transformer_self_attention_layers.{layer}"
        placed = queries + embed
        seen = attention(placed, placed, queries, state, f"{prefix}.self_attn")
        queries = layer_norm(queries + seen, state, f"{prefix}.norm")
        prefix = f"{name}.transformer_ffn_layers.{layer}"
        wide = linear(queries, state, f"{prefix}.linear1").relu()
        queries = queries + linear(wide, state, f"{prefix}.linear2")
        queries = layer_norm(queries, state, f"{prefix}.norm")
    colors = layer_norm(queries, state, f"{name}.decoder_norm")
    for index in range(3):
        colors = linear(colors, state, f"{name}.color_embed.layers.{index}")
        colors = colors.relu() if index < 2 else colors
    return torch.einsum("bqc,bchw->bqhw", colors, pixels)


def forward_ddcolor(
    rgb: Tensor,
    state: State,
    depths: tuple[int, ...],
    layers: int,
    encoder_gray: float | None = None,
    eps: float = 1e-6,
) -> Tensor:
    """A gray picture in sRGB, B3HW, to ab in ab units; the encoder's input and eps may differ."""
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    picture = (rgb - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
    given = picture if encoder_gray is None else (rgb - encoder_gray) / encoder_gray
    *skips, x = convnext(given, state, depths, eps)
    maps = []
    for index in range(3):
        name = f"decoder.layers.{index}"
        y = batch_norm(spectral(x, state, f"{name}.shuf.conv.0"), state, f"{name}.shuf.conv.1")
        y = blurred(F.pixel_shuffle(y.relu(), 2))
        joined = torch.cat([y, batch_norm(skips.pop(), state, f"{name}.bn")], 1).relu()
        x = spectral(joined, state, f"{name}.conv.0", padding=1).relu()
        x = batch_norm(x, state, f"{name}.conv.2")
        maps.append(x)
    pixels = blurred(F.pixel_shuffle(spectral(x, state, "decoder.last_shuf.conv.0").relu(), 4))
    return spectral(
        torch.cat([painted(maps, pixels, state, layers), picture], 1), state, "refine_net.0.0"
    )


# tests


def gray_batch(height: int = 24, width: int = 40) -> Batch:
    generator = torch.Generator().manual_seed(2)
    gray = torch.rand(2, 1, height, width, generator=generator)
    return Batch(key=["a", "b"], gray=gray)


def close(found: Tensor, wanted: Tensor) -> None:
    """In ab units; and there is colour that differs from pixel to pixel."""
    assert wanted.std() > 0.5
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("temperature", [None, 0.38])
def test_zhang16_paints_as_the_released_network(temperature: float | None) -> None:
    state, batch = random_state(zhang16_shapes(8)), gray_batch()
    state["model8.6.weight"] *= 5  # decided enough for the temperature to count
    settings = {} if temperature is None else {"temperature": temperature}
    method = cast(Zhang16, released_weights.zhang16([state], settings))
    assert method.config.temperature == (temperature or 1)
    with torch.no_grad():
        close(110 * method.predict(batch), forward16(100 * batch["gray"], state, temperature or 1))


@pytest.mark.parametrize("center", [None, 0.5])
def test_zhang17_paints_as_the_released_network(center: float | None) -> None:
    state, batch = random_state(zhang17_shapes(8)), gray_batch()
    generator = torch.Generator().manual_seed(3)
    mask = (torch.rand(2, 1, 24, 40, generator=generator) > 0.8).float()
    ab = mask * torch.rand(2, 2, 24, 40, generator=generator)
    batch["hints"] = torch.cat([ab, mask], dim=1)
    settings = {} if center is None else {"mask_center": center}
    method = cast(Zhang17, released_weights.zhang17([state], settings))
    given = torch.cat([batch["gray"] - 0.5, ab, mask - (center or 0)], dim=1)
    with torch.no_grad():
        wanted, classes = forward17(given, state)
        close(110 * method.predict(batch), wanted)
        torch.testing.assert_close(method.class_logits(batch), classes, rtol=1e-3, atol=1e-4)


def test_ddcolor_paints_as_the_released_network() -> None:
    """On timm's smallest ConvNeXt, which differs in the two numbers that are named here."""
    state = random_state(ddcolor_shapes(**SMALL))
    method = cast(DDColor, released_weights.ddcolor([state], SMALL_DDCOLOR))
    batch = gray_batch(64, 96)
    rgb = lab_to_rgb(F.pad(100 * batch["gray"], (0, 0, 0, 0, 0, 2)), "none")
    with torch.no_grad():
        wanted = forward_ddcolor(rgb, state, SMALL["depths"], 4, encoder_gray=0.5, eps=1e-5)
        close(110 * method.predict(batch), wanted)


def instcolor_states(width: int) -> tuple[State, State, State]:
    """GComp, G and GF; in training only the last block and the heads of GF part from GComp."""
    picture, instance = (random_state(zhang17_shapes(width), seed) for seed in (0, 1))
    fusion = random_state(fusion_shapes(width), 2)
    for name in fusion:
        if name.startswith("weight_layer") and name.endswith("4.bias"):
            fusion[name] += 0.5  # behind it is a ReLU
        if name in picture and not name.startswith(("model10.", "model_")):
            fusion[name] = picture[name]
    return picture, instance, fusion


def test_instcolor_paints_as_the_released_networks() -> None:
    picture, instance, fusion = instcolor_states(4)
    method = released_weights.instcolor([picture, instance, fusion], {"crop_size": 32})
    batch, corners = gray_batch(64, 64), [[8, 16, 40, 48], [24, 0, 56, 32]]
    batch["boxes"] = [torch.tensor(corners, dtype=torch.float32), torch.zeros(0, 4)]
    given = F.pad(batch["gray"] - 0.5, (0, 0, 0, 0, 0, 2))
    given = F.pad(given, (0, 0, 0, 0, 0, 1), value=-0.5)  # the mask, centred
    crops = torch.cat(
        [given[:1, :, top:bottom, left:right] for left, top, right, bottom in corners]
    )
    seen: dict[str, Tensor] = {}

    def keep(place: str, x: Tensor) -> Tensor:
        seen[place] = x
        return x

    def at(place: str, x: Tensor) -> Tensor:
        return fused(x, seen[place], fusion, LAYERS[place], corners)

    with torch.no_grad():
        found = 110 * cast(InstanceAware, method).predict(batch)
        forward17(crops, instance, keep)
        close(found[:1], forward17(given[:1], fusion, at)[0])
        close(found[1:], forward17(given[1:], picture)[0])


def test_instcolor_needs_branches_of_one_training() -> None:
    picture, instance, fusion = instcolor_states(4)
    fusion["model3.2.weight"] = fusion["model3.2.weight"] + 1
    with pytest.raises(
        UserError, match=r"not of one training, which leaves model3\.2\.weight alike"
    ):
        released_weights.instcolor([picture, instance, fusion], {})
    fusion["model3.2.weight"] = picture["model3.2.weight"]
    del fusion["weight_layer8_1.simple_bg_conv.2.bias"]
    with pytest.raises(UserError, match=r"1 missing: weight_layer8_1\.simple_bg_conv\.2\.bias$"):
        released_weights.instcolor([picture, instance, fusion], {})


def test_instcolor_has_the_published_sizes() -> None:
    shapes = fusion_shapes()
    heads = {n: math.prod(s) for n, s in shapes.items() if n.startswith("weight_layer")}
    unused = sum(size for name, size in heads.items() if "layerout" in name)
    assert sum(heads.values()) - unused == 1_078_266
    with torch.device("meta"):
        fusion = Fusion(64)
        own = {*zhang17_shapes()} - {n for n in shapes if n.startswith(("model10.", "model_"))}
        given = {n: torch.empty(s) for n, s in shapes.items() if n not in own}
    released_weights.adopt(fusion, given, released_weights.FUSION, "meta")


LARGE = ((192, 384, 768, 1536), (3, 3, 27, 3))
PUBLISHED = [
    (released_weights.zhang16, zhang16_shapes(), 32_235_385 + 626, ""),
    (released_weights.zhang17, zhang17_shapes(), 34_187_027, ""),
    # with the LayerNorm that the authors' code does not use
    (released_weights.ddcolor, ddcolor_shapes(), 55_005_104 + 2 * 768, "convnext_tiny.fb_in22k"),
    (
        released_weights.ddcolor,
        ddcolor_shapes(*LARGE),
        227_866_256 + 2 * 1536,
        "convnext_large.fb_in22k",
    ),
]
NOT_LEARNT = ("running_mean", "running_var", "num_batches_tracked", "weight_u", "weight_v")


@pytest.mark.parametrize(("build", "shapes", "parameters", "encoder"), PUBLISHED)
def test_published_sizes_fit(build, shapes: Shapes, parameters: int, encoder: str) -> None:
    learnt = {n: s for n, s in shapes.items() if not n.endswith(NOT_LEARNT)}
    assert sum(math.prod(s) for n, s in learnt.items() if n not in ("mean", "std")) == parameters
    with torch.device("meta"):
        # the meta device cannot tell whether the bins are right
        given = {n: torch.empty(s) for n, s in shapes.items() if n != "model_out.weight"}
        method = build([given], {})
    assert getattr(method.config, "encoder", "").replace("none", "") == encoder
    if encoder:
        model = method.generator.encoder.model
        assert model.pretrained_cfg["mean"] == (0.485, 0.456, 0.406)
        assert {m.eps for m in model.modules() if isinstance(m, torch.nn.LayerNorm)} == {1e-6}


def test_ddcolor_needs_an_encoder_that_the_authors_had() -> None:
    with pytest.raises(UserError, match=r"no ConvNeXt begins with 0 channels"):
        released_weights.ddcolor([{}], {})


def test_missing_surplus_and_reshaped_weights_are_named() -> None:
    state = random_state(zhang16_shapes(4))
    del state["model5.2.bias"], state["model8.6.weight"]
    state["model9.0.weight"] = torch.zeros(1)
    state["model3.4.weight"] = torch.zeros(16, 16, 5, 5)
    with pytest.raises(UserError) as caught:
        released_weights.zhang16([state], {})
    text = str(caught.value)
    assert "2 missing: model5.2.bias, model8.6.weight" in text
    assert "1 surplus: model9.0.weight" in text
    assert "model3.4.weight (16, 16, 5, 5) instead of (16, 16, 3, 3)" in text


def test_the_other_network_is_refused() -> None:
    with pytest.raises(UserError, match=r"surplus: model8\.0\.weight"):
        released_weights.zhang17([random_state(zhang16_shapes(4))], {})


def test_weights_without_counters_are_taken() -> None:
    """torch before 0.4.1 saved no counter of batches."""
    state = random_state(zhang16_shapes(4))
    old = {n: v for n, v in state.items() if not n.endswith("num_batches_tracked")}
    ours = cast(Zhang16, released_weights.zhang16([old], {})).generator.state_dict()
    same = cast(Zhang16, released_weights.zhang16([state], {})).generator.state_dict()
    assert torch.equal(ours["blocks.4.2.weight"], same["blocks.4.2.weight"])
    assert (ours["blocks.0.4.num_batches_tracked"], same["blocks.0.4.num_batches_tracked"]) == (
        0,
        7,
    )


def test_other_bins_are_refused() -> None:
    state = random_state(zhang16_shapes(4))
    state["model_out.weight"] = state["model_out.weight"].flip(1)
    with pytest.raises(UserError, match="does not hold the 313 colours"):
        released_weights.zhang16([state], {})
