"""The distance of images in the feature maps of a trained classifier."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Protocol, cast

import torch
from torch import Tensor, nn

from ..datasets.base.errors import UserError, unknown
from .pretrained.published_weights import PublishedFile, published_state
from .pretrained.squeezenet import SQUEEZENET, SqueezeNet
from .pretrained.tensor_file import read_named_tensors
from .pretrained.timm_features import trained_timm_features
from .pretrained.torchvision_import import ensure_torchvision
from .trained import TrainedLoss

Distance = Literal["l1", "mse", "squared_l2"]

VGGS = {
    "vgg16": PublishedFile("vgg16-397923af.pth", "397923af"),
    "vgg16_bn": PublishedFile("vgg16_bn-6c64b313.pth", "6c64b313"),
}
DEFAULT_LAYERS = {
    "vgg16": {"relu1_2": 1.0, "relu2_2": 1.0, "relu3_3": 1.0, "relu4_3": 1.0},
    "vgg16_bn": {f"conv{level}_1": 2.0 ** (level - 5) for level in range(1, 6)},
    SQUEEZENET: {"conv1": 1.0, "fire4": 1.0, "fire8": 1.0},
}
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's RGB in [0,1]
_REMEDY = (
    "name another file as the weights of the perceptual loss, take another backbone (vgg16, "
    "vgg16_bn, squeezenet1_0, or one of timm), or give the loss the weight 0"
)


class _Backbone(Protocol):
    """A frozen classifier's lower part."""

    layers: tuple[str, ...]  # the names of its maps

    def __call__(self, rgb: Tensor) -> dict[str, Tensor]:
        """Maps by name of B3HW sRGB in [0,1]."""
        ...


class PerceptualLoss(TrainedLoss):
    """Weighted sum over layers of the distance between the feature maps of two images.

    Paper: Johnson et al. 2016, "Perceptual Losses for Real-Time Style Transfer and
    Super-Resolution", section 3.1 (``mse``). DDColor, ColorFormer and DeOldify take L1.
    Differs: computed in float32 whatever the training's precision; SqueezeNet is padded.

    Args:
        backbone: ``vgg16`` or ``vgg16_bn`` (torchvision's), ``squeezenet1_0``, or a model of timm.
        weights: ``imagenet``, or a file: torchvision's checkpoint, SqueezeNet's npz, or timm's
            checkpoint. ``imagenet`` is torchvision's and timm's download, and SqueezeNet's file
            below ``$CROSSCHROMA_DATA``.
        layers: weight of each layer by its name; those of ``DEFAULT_LAYERS`` unless given, or all
            that timm gives. VGG has ``conv1_1 bn1_1 relu1_1 ... pool5`` (``bn`` in ``vgg16_bn``
            only), SqueezeNet ``conv1 fire2 ... fire9``, a model of timm the names of its stages.
        distance: in a layer: ``l1`` and ``mse`` are means over all elements; ``squared_l2`` is the
            squared length of the difference over channels, averaged over places (channels x mse).

    Raises:
        UserError: an unknown distance, or one that is no layer of VGG or SqueezeNet; the names of
            timm's are checked by ``load``.
    """

    def __init__(
        self,
        backbone: str = "vgg16",
        weights: str = "imagenet",
        layers: Mapping[str, float] | None = None,
        distance: Distance = "l1",
    ) -> None:
        super().__init__()
        if distance not in Distance.__args__:
            raise UserError(unknown("distance of features", distance, Distance.__args__))
        self.name, self.weights, self.distance = backbone, weights, distance
        self.layers = dict(layers or DEFAULT_LAYERS.get(backbone, {}))
        if backbone in VGGS:
            self._check(_vgg_layers(batch_norm=backbone == "vgg16_bn"))
        elif backbone == SQUEEZENET:
            self._check(("conv1", *(f"fire{number}" for number in range(2, 10))))
        self.backbone: nn.Module | None = None

    def load(self) -> str:
        backbone, found = self._backbone()
        given = cast(_Backbone, backbone)
        self.layers = self.layers or dict.fromkeys(given.layers, 1.0)
        self._check(given.layers)
        self.backbone = backbone.eval().requires_grad_(False)
        return f"perceptual loss on {self.name}: {found}"

    def forward(self, rgb_hat: Tensor, rgb: Tensor) -> Tensor:
        """The distance, a scalar from 0.

        Args:
            rgb_hat: B3HW sRGB in [0,1]; gradients flow to it alone.
            rgb: the same shape.

        Raises:
            UserError: ``load`` was not called.
        """
        return torch.stack(
            [self.layers[name] * value for name, value in self.distances(rgb_hat, rgb).items()]
        ).sum()

    def distances(self, rgb_hat: Tensor, rgb: Tensor) -> dict[str, Tensor]:
        """The unweighted distance in each layer, by its name; see ``forward``."""
        if self.backbone is None:
            raise UserError(
                "perceptual loss: its weights are loaded where training starts; call load()"
            )
        with torch.autocast(rgb_hat.device.type, enabled=False):
            ours = self.backbone(rgb_hat.float())
            with torch.no_grad():
                true = self.backbone(rgb.float())
            return {name: self._distance(ours[name] - true[name]) for name in self.layers}

    def _distance(self, error: Tensor) -> Tensor:
        if self.distance == "l1":
            return error.abs().mean()
        squares = error.square()
        return squares.mean() if self.distance == "mse" else squares.sum(1).mean()

    def _check(self, known: tuple[str, ...]) -> None:
        for name in self.layers:
            if name not in known:
                raise UserError(unknown(f"layer of {self.name}", name, known))

    def _backbone(self) -> tuple[nn.Module, str]:
        """The network with its weights, and which these are."""
        if self.name in VGGS:
            return _vgg(self.name, self.weights, self.layers)
        if self.name == SQUEEZENET:
            network = _SqueezeNet()
            return network, network.load_published(self.weights, _REMEDY)
        network = trained_timm_features(self.name, self.weights, _REMEDY)
        return _Timm(network), f"{self.weights} weights of timm's {self.name}"


class _SqueezeNet(SqueezeNet):
    layers = ("conv1", *(f"fire{number}" for number in range(2, 10)))

    def __init__(self) -> None:
        super().__init__(in_channels=3)

    def forward(self, rgb: Tensor) -> dict[str, Tensor]:
        return self.maps(2 * rgb - 1)


class _Normalised(nn.Module):
    """Brings RGB in [0,1] to the mean and deviation that a network was trained with."""

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1))

    def normalised(self, rgb: Tensor) -> Tensor:
        return (rgb - self.get_buffer("mean")) / self.get_buffer("std")


class _Vgg(_Normalised):
    def __init__(self, features: nn.Sequential, names: tuple[str, ...]) -> None:
        super().__init__(_MEAN, _STD)
        self.features, self.layers = features, names

    def forward(self, rgb: Tensor) -> dict[str, Tensor]:
        feature, maps = self.normalised(rgb), {}
        for name, layer in zip(self.layers, self.features, strict=True):
            # torchvision's ReLU would overwrite the map that came before it
            feature = feature.relu() if isinstance(layer, nn.ReLU) else layer(feature)
            maps[name] = feature
        return maps


class _Timm(_Normalised):
    def __init__(self, model: Any) -> None:
        config = model.pretrained_cfg
        super().__init__(config.get("mean", _MEAN), config.get("std", _STD))
        self.model = model
        self.layers = tuple(model.feature_info.module_name())

    def forward(self, rgb: Tensor) -> dict[str, Tensor]:
        return dict(zip(self.layers, self.model(self.normalised(rgb)), strict=True))


def _vgg_layers(batch_norm: bool) -> tuple[str, ...]:
    """The names of the layers of VGG16's convolutional part, in order."""
    names: list[str] = []
    for level, convolutions in enumerate((2, 2, 3, 3, 3), start=1):
        for number in range(1, convolutions + 1):
            kinds = ("conv", "bn", "relu") if batch_norm else ("conv", "relu")
            names += [f"{kind}{level}_{number}" for kind in kinds]
        names.append(f"pool{level}")
    return tuple(names)


def _vgg(name: str, weights: str, layers: Mapping[str, float]) -> tuple[nn.Module, str]:
    """VGG16 up to the last of ``layers``."""
    try:
        imagenet = weights == "imagenet"
        state = published_state(VGGS[name]) if imagenet else read_named_tensors(Path(weights))
    except UserError as error:
        raise UserError(f"perceptual loss on {name}: {error}; or {_REMEDY}") from error
    ensure_torchvision()
    from torchvision import models

    names = _vgg_layers(batch_norm=name == "vgg16_bn")
    # the classifier, nine tenths of the weights, is neither made nor read
    with torch.device("meta"):
        whole = cast(nn.Sequential, getattr(models, name)(weights=None).features)
    features = nn.Sequential(*list(whole)[: 1 + max(names.index(layer) for layer in layers)])
    # the published file is older than the counter of batches, which evaluation does not use
    keys = {key for key in features.state_dict() if not key.endswith("num_batches_tracked")}
    vgg_state = {
        key: state[f"features.{key}"].float() for key in keys if f"features.{key}" in state
    }
    try:
        features.load_state_dict(vgg_state, assign=True)
    except RuntimeError as error:
        raise UserError(f"{weights} holds no weights of torchvision's {name}: {error}") from error
    file = VGGS[name].file if imagenet else Path(weights).name
    return _Vgg(features, names[: len(features)]), f"weights of {file}"
