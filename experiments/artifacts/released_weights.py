"""Networks that authors released, as networks of ours: by the names and shapes of their weights."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from ...datasets.base.color import AB_SCALE
from ...datasets.base.errors import UserError
from ...models.base.method import Method
from ...models.color.ab_bins import ab_bins
from ...models.ddcolor.method import DDColor
from ...models.instance_aware.method import InstanceAware
from ...models.zhang16.method import Zhang16
from ...models.zhang17.method import Zhang17
from ...models.zhang17.network import PLACES

State = Mapping[str, Tensor]
Settings = Mapping[str, Any]

_SHOWN = 40  # names of one kind in an error
_BIN_TOLERANCE = 0.5  # ab units; bins are 10 apart
_DECODING = "model_out.weight"  # zhang16's fixed convolution from bins to ab/110
_COUNTER = ".num_batches_tracked"  # torch before 0.4.1 did not save it, and nothing here reads it
# the released encoders by channels and depth of the third stage, as timm names them
_CONVNEXTS = {(96, 9): "tiny", (96, 27): "small", (128, 27): "base", (192, 27): "large"}


class Names(NamedTuple):
    """How a released network names what a network of ours has.

    Attributes:
        rules: pairs of a regular expression for the beginning of our names and of what stands
            there in the released ones; the first that matches is taken.
        endings: the same for the ends.
        spare: released names that may be there and are not needed.
        own: our names that the released file lacks, which keep their values.
    """

    rules: tuple[tuple[str, str], ...]
    endings: tuple[tuple[str, str], ...] = ()
    spare: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()

    def released(self, name: str) -> str:
        """The released name of a weight of ours."""
        for pattern, replacement in self.rules:
            name, count = re.subn(f"^{pattern}", replacement, name)
            if count:
                break
        for pattern, replacement in self.endings:
            name = re.sub(f"{pattern}$", replacement, name)
        return name


ZHANG16 = Names(
    rules=(
        *((rf"blocks\.{index}\.", f"model{index + 1}.") for index in range(7)),
        (r"up\.", "model8."),
        (r"head\.", "model8.6."),
    ),
    spare=frozenset({_DECODING}),
    own=frozenset({"prior"}),
)
ZHANG17 = Names(
    rules=(
        (r"block(\d+)\.", r"model\1."),
        (r"up(\d+)\.", r"model\1up.0."),
        (r"skip8\.", "model3short8.0."),
        (r"skip9\.", "model2short9.0."),
        (r"skip10\.", "model1short10.0."),
        (r"colors\.", "model_out.0."),
        (r"classes\.", "model_class.0."),
    )
)
# InstColorization's branches; its code runs their head of classes, and leaves its output unused
BRANCH = ZHANG17._replace(spare=frozenset({"model_class.0.weight", "model_class.0.bias"}))
_WEIGHING = {"instance": "simple_instance_conv", "background": "simple_bg_conv"}
_LAYERS = ("", "2", "3", "4", "5", "6", "7", "8_1", "8_2", "9_1", "9_2", "10_1", "10_2")
FUSION = Names(
    rules=(
        *(
            (rf"{kind}_heads\.{place}\.", f"weight_layer{number}.{released}.")
            for kind, released in _WEIGHING.items()
            for place, number in zip(PLACES, _LAYERS, strict=True)
        ),
        (r"block10\.", "model10."),
        (r"colors\.", "model_out.0."),
    ),
    spare=BRANCH.spare
    | {
        f"weight_layerout.{released}.{index}.{kind}"
        for released in _WEIGHING.values()
        for index in (0, 2, 4)
        for kind in ("weight", "bias")
    },
    own=frozenset({"trained"}),
)
_QUERIES = "decoder.color_decoder."
DDCOLOR = Names(
    rules=(
        (r"encoder\.model\.stem_(\d)\.", r"encoder.arch.downsample_layers.0.\1."),
        (
            r"encoder\.model\.stages_(\d)\.downsample\.(\d)\.",
            r"encoder.arch.downsample_layers.\1.\2.",
        ),
        (
            r"encoder\.model\.stages_(\d)\.blocks\.(\d+)\.conv_dw\.",
            r"encoder.arch.stages.\1.\2.dwconv.",
        ),
        (
            r"encoder\.model\.stages_(\d)\.blocks\.(\d+)\.mlp\.fc(\d)\.",
            r"encoder.arch.stages.\1.\2.pwconv\3.",
        ),
        (r"encoder\.model\.stages_(\d)\.blocks\.(\d+)\.", r"encoder.arch.stages.\1.\2."),
        (r"encoder_norms\.(\d)\.", r"encoder.arch.norm\1."),
        (r"merges\.(\d)\.up\.conv\.", r"decoder.layers.\1.shuf.conv.0."),
        (r"merges\.(\d)\.up\.norm\.", r"decoder.layers.\1.shuf.conv.1."),
        (r"merges\.(\d)\.norm\.", r"decoder.layers.\1.bn."),
        (r"merges\.(\d)\.conv\.", r"decoder.layers.\1.conv."),
        (r"last_up\.conv\.", "decoder.last_shuf.conv.0."),
        (r"queries\.content\.", f"{_QUERIES}query_feat."),
        (r"queries\.place\.", f"{_QUERIES}query_embed."),
        (r"queries\.level\.", f"{_QUERIES}level_embed."),
        (r"queries\.project\.", f"{_QUERIES}input_proj."),
        (
            r"queries\.layers\.(\d+)\.cross_attention\.",
            rf"{_QUERIES}transformer_cross_attention_layers.\1.multihead_attn.",
        ),
        (
            r"queries\.layers\.(\d+)\.cross_norm\.",
            rf"{_QUERIES}transformer_cross_attention_layers.\1.norm.",
        ),
        (
            r"queries\.layers\.(\d+)\.self_attention\.",
            rf"{_QUERIES}transformer_self_attention_layers.\1.self_attn.",
        ),
        (
            r"queries\.layers\.(\d+)\.self_norm\.",
            rf"{_QUERIES}transformer_self_attention_layers.\1.norm.",
        ),
        (r"queries\.layers\.(\d+)\.wide\.", rf"{_QUERIES}transformer_ffn_layers.\1.linear1."),
        (r"queries\.layers\.(\d+)\.narrow\.", rf"{_QUERIES}transformer_ffn_layers.\1.linear2."),
        (r"queries\.layers\.(\d+)\.norm\.", rf"{_QUERIES}transformer_ffn_layers.\1.norm."),
        (r"queries\.norm\.", f"{_QUERIES}decoder_norm."),
        *((rf"queries\.color\.{2 * i}\.", f"{_QUERIES}color_embed.layers.{i}.") for i in range(3)),
        (r"refine\.", "refine_net.0.0."),
    ),
    endings=(
        (r"parametrizations\.weight\.original", "weight_orig"),
        (r"parametrizations\.weight\.0\._([uv])", r"weight_\1"),
    ),
    spare=frozenset({"encoder.arch.norm.weight", "encoder.arch.norm.bias", "mean", "std"}),
)


def adopt(network: nn.Module, state: State, names: Names, what: str) -> None:
    """Give a network of ours the weights of a released one.

    Args:
        network: changed in place.
        state: the released weights by their released names.
        names: of that network.
        what: the file and the network, for the error.

    Raises:
        UserError: naming, in the released names, what is missing, what is surplus, and what has
            another shape.
    """
    current = network.state_dict()
    renamed = {names.released(name): name for name in current if name not in names.own}
    missing = [n for n in renamed if n not in state and not n.endswith(_COUNTER)]
    surplus = [n for n in state if n not in renamed and n not in names.spare]
    reshaped = [
        f"{n} {tuple(state[n].shape)} instead of {tuple(current[ours].shape)}"
        for n, ours in renamed.items()
        if n in state and state[n].shape != current[ours].shape
    ]
    kinds = {"missing": missing, "surplus": surplus, "of another shape": reshaped}
    faults = [
        f"{len(tensors)} {kind}: {_listed(tensors)}" for kind, tensors in kinds.items() if tensors
    ]
    if faults:
        raise UserError(
            f"{what}: these are not the released network's weights; {'; '.join(faults)}"
        )
    weights = {ours: state[n] for n, ours in renamed.items() if n in state}
    network.load_state_dict({**current, **weights})


def zhang16(states: Sequence[State], settings: Settings) -> Method:
    """``Zhang16`` with the weights of the authors' second version, for PyTorch.

    It decodes at a temperature of 1, as the authors' code for PyTorch does, unless ``settings``
    say otherwise. The prior, of which the file has none and colouring needs none, is ours.

    Args:
        states: the released weights of its one file.
        settings: of ``Zhang16.Config``, over the released ones.

    Raises:
        UserError: as ``adopt``'s; or its bins are not the 313 that we know.
    """
    (state,) = states
    released = {"width": _channels(state, "model1.0.weight", 64), "temperature": 1.0}
    config = Zhang16.Config(neighbours=10, lr=3e-5, **{**released, **settings})
    method = cast(Zhang16, config.build())
    adopt(method.generator, state, ZHANG16, "zhang16")
    if _DECODING in state:
        _check_bins(state[_DECODING])
    return method.eval()


def zhang17(states: Sequence[State], settings: Settings) -> Method:
    """``Zhang17`` with the authors' main network, for PyTorch.

    The mask of hints is given to it as it is, 0 or 1: the weights were converted from Caffe. For
    those that were trained with PyTorch, ``settings`` name a ``mask_center`` of 0.5.

    Args:
        states: the released weights of its one file.
        settings: of ``Zhang17.Config``, over the released ones.

    Raises:
        UserError: as ``adopt``'s.
    """
    (state,) = states
    released = {"width": _channels(state, "model1.0.weight", 64), "mask_center": 0.0}
    method = cast(Zhang17, Zhang17.Config(**{**released, **settings}).build())
    adopt(method.generator, state, ZHANG17, "zhang17")
    return method.eval()


def ddcolor(states: Sequence[State], settings: Settings) -> Method:
    """``DDColor`` with the authors' weights, tiny or large by what is given.

    Args:
        states: the released weights of its one file.
        settings: of ``DDColor.Config``, over the released ones.

    Raises:
        UserError: as ``adopt``'s; or the encoder is none of ConvNeXt's sizes.
    """
    (state,) = states
    released = {} if "encoder" in settings else {"encoder": _convnext(state)}
    method = cast(DDColor, DDColor.Config(**{**released, **settings}).build())
    adopt(method.generator, state, DDCOLOR, "ddcolor")
    return method.eval()


def instcolor(states: Sequence[State], settings: Settings) -> Method:
    """``InstanceAware`` with the authors' weights.

    Args:
        states: the released weights of the picture's branch (GComp), of the instances' (G) and of
            the fusion (GF), whose blocks 1 to 9 are those of GComp.
        settings: of ``InstanceAware.Config``, over the released ones.

    Raises:
        UserError: as ``adopt``'s; or GF's blocks 1 to 9 are others.
    """
    picture, instance, fusion = states
    released = {"width": _channels(picture, "model1.0.weight", 64)}
    method = cast(InstanceAware, InstanceAware.Config(**{**released, **settings}).build())
    adopt(method.generator, picture, BRANCH, "instcolor's GComp")
    adopt(method.instance, instance, BRANCH, "instcolor's G")
    fusion_names = {FUSION.released(name) for name in method.fusion.state_dict()} | FUSION.spare
    common = [n for n in picture if n not in fusion_names and not n.endswith(_COUNTER)]
    differing = [n for n in common if n not in fusion or not torch.equal(fusion[n], picture[n])]
    if differing:
        raise UserError(
            "instcolor: GF and GComp are not of one training, which leaves "
            f"{_listed(differing)} alike"
        )
    joining = {
        name: value for name, value in fusion.items() if name not in picture or name in fusion_names
    }
    adopt(method.fusion, joining, FUSION, "instcolor's GF")
    method.fusion.trained.fill_(True)
    return method.eval()


METHODS: dict[str, Callable[[Sequence[State], Settings], Method]] = {
    "zhang16": zhang16,
    "zhang17": zhang17,
    "ddcolor": ddcolor,
    "instcolor": instcolor,
}


def _channels(state: State, name: str, usual: int) -> int:
    """Of a first convolution; the usual number where it is missing, which ``adopt`` reports."""
    return len(state[name]) if name in state and state[name].ndim else usual


def _convnext(state: State) -> str:
    stem = "encoder.arch.downsample_layers.0.0.weight"
    depth = sum(
        re.fullmatch(r"encoder\.arch\.stages\.2\.\d+\.gamma", name) is not None for name in state
    )
    size = _channels(state, stem, 0), depth
    if size not in _CONVNEXTS:
        raise UserError(
            f"ddcolor: no ConvNeXt begins with {size[0]} channels in {stem} and has {depth} blocks "
            "encoder.arch.stages.2.N; is this a file of DDColor's generator?"
        )
    return f"convnext_{_CONVNEXTS[size]}.fb_in22k"


def _check_bins(decoding: Tensor) -> None:
    bins = ab_bins()
    colours = AB_SCALE * decoding.float().flatten(1).T
    if colours.shape != bins.shape or not torch.allclose(
        colours, bins, rtol=0, atol=_BIN_TOLERANCE
    ):
        raise UserError(
            f"zhang16: {_DECODING} does not hold the 313 colours, divided by 110, in the order of "
            "the authors' pts_in_hull.npy; without them the classes cannot be told apart"
        )


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
