"""The perceptual loss, on stand-ins for the published weights where these are not at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from crosschroma.datasets.base.errors import UserError
from crosschroma.losses import perceptual
from crosschroma.losses.perceptual import PerceptualLoss
from crosschroma.losses.pretrained.torchvision_import import ensure_torchvision
from torch import Tensor

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


def images(side: int = 32) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.rand(2, 3, side, side, generator=generator) for _ in range(2))  # pyright: ignore


@pytest.fixture(scope="module")
def vgg_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Random weights under torchvision's names; like the published file, without a counter."""
    ensure_torchvision()
    from torchvision.models import vgg

    folder, files = tmp_path_factory.mktemp("vgg"), {}
    for name in ("vgg16", "vgg16_bn"):
        torch.manual_seed(0)
        features = vgg.make_layers(vgg.cfgs["D"], batch_norm=name.endswith("bn"))
        for module in features:
            if isinstance(module, torch.nn.BatchNorm2d):
                torch.nn.init.uniform_(module.running_mean, -1, 1)  # pyright: ignore
                torch.nn.init.uniform_(module.weight, 0.5, 2)
        state = {f"features.{k}": v for k, v in features.state_dict().items() if "num_b" not in k}
        files[name] = folder / f"{name}.pth"
        torch.save(state, files[name])
    return files


def by_hand(state: dict[str, Tensor], rgb: Tensor, batch_norm: bool) -> dict[str, Tensor]:
    """Maps of the first two levels of VGG16, from the weights alone."""
    x, made, index = (rgb - MEAN) / STD, {}, 0
    for level in (1, 2):
        for number in (1, 2):
            x = F.conv2d(
                x, state[f"features.{index}.weight"], state[f"features.{index}.bias"], 1, 1
            )
            made[f"conv{level}_{number}"] = x
            index += 1
            if batch_norm:
                moments = [state[f"features.{index}.running_{m}"] for m in ("mean", "var")]
                affine = [state[f"features.{index}.{m}"] for m in ("weight", "bias")]
                x = made[f"bn{level}_{number}"] = F.batch_norm(x, *moments, *affine)
                index += 1
            x = made[f"relu{level}_{number}"] = F.relu(x)
            index += 1
        x, index = F.max_pool2d(x, 2), index + 1
        made[f"pool{level}"] = x
    return made


@pytest.mark.parametrize("name", ["vgg16", "vgg16_bn"])
@pytest.mark.parametrize("distance", ["l1", "mse", "squared_l2"])
def test_vgg_by_hand(name: str, distance: str, vgg_files: dict[str, Path]) -> None:
    layers = {"conv1_1": 0.5, "relu1_2": 1.0, "conv2_2": 2.0, "pool2": 3.0}
    if name == "vgg16_bn":
        layers["bn2_1"] = 4.0
    loss = PerceptualLoss(name, str(vgg_files[name]), layers, distance)  # pyright: ignore
    assert loss.load() == f"perceptual loss on {name}: weights of {name}.pth"
    rgb_hat, rgb = images()
    state = torch.load(vgg_files[name], weights_only=True)
    ours, true = (by_hand(state, x, name == "vgg16_bn") for x in (rgb_hat, rgb))
    wanted = 0.0
    for layer, weight in layers.items():
        error = ours[layer] - true[layer]
        if distance == "l1":
            wanted += weight * error.abs().mean()
        else:
            channels = error.shape[1] if distance == "squared_l2" else 1
            wanted += weight * channels * error.square().mean()
    torch.testing.assert_close(loss.train()(rgb_hat, rgb), wanted, rtol=1e-4, atol=0)
    assert loss(rgb, rgb) == 0


def test_only_the_needed_part_is_kept(vgg_files: dict[str, Path]) -> None:
    loss = PerceptualLoss("vgg16", str(vgg_files["vgg16"]), {"relu1_2": 1.0})
    assert list(loss.parameters()) == []
    loss.load()
    assert sum(p.numel() for p in loss.parameters()) == 64 * 28 + 64 * 577
    assert not any(p.requires_grad for p in loss.parameters())


def test_gradients_reach_the_prediction_alone(vgg_files: dict[str, Path]) -> None:
    loss = PerceptualLoss("vgg16_bn", str(vgg_files["vgg16_bn"]), {"relu2_2": 1.0})
    loss.load()
    buffers = {name: b.clone() for name, b in loss.named_buffers()}
    rgb_hat, rgb = (x.requires_grad_() for x in images())
    loss.train()(rgb_hat, rgb).backward()
    assert rgb_hat.grad is not None
    assert rgb_hat.grad.abs().sum() > 0
    assert rgb.grad is None
    assert all(torch.equal(b, buffers[name]) for name, b in loss.named_buffers())


def test_half_precision_is_computed_in_full(vgg_files: dict[str, Path]) -> None:
    loss = PerceptualLoss("vgg16", str(vgg_files["vgg16"]), {"relu2_2": 1.0})
    loss.load()
    rgb_hat, rgb = images()
    wanted = loss(rgb_hat.bfloat16().float(), rgb)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(loss(rgb_hat.bfloat16(), rgb), wanted)


def test_squeezenet_sees_photographs(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """BGR minus Caffe's mean, as the file's network was trained; colour errors count."""
    monkeypatch.setenv("CROSSCHROMA_DATA", str(shared_data))
    loss = PerceptualLoss("squeezenet1_0")
    assert "squeezenet1_0_imagenet_fp16.npz" in loss.load()
    with np.load(shared_data / "weights" / "squeezenet1_0_imagenet_fp16.npz") as file:
        weight, bias = (torch.from_numpy(file[f"conv1.{k}"]).float() for k in ("weight", "bias"))
    rgb, _ = images()
    assert loss.backbone is not None
    bgr = 255 * rgb.flip(1) - torch.tensor([104.0, 117.0, 123.0]).view(1, 3, 1, 1)
    wanted = F.relu(F.conv2d(bgr[..., 1:, 1:], weight, bias, 2))[..., :13, :13]
    found = loss.backbone(rgb)["conv1"][..., 2:15, 2:15]  # where no padding is seen
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-3)
    gray = rgb.mean(1, keepdim=True).expand_as(rgb)
    assert loss(gray, rgb) > loss(0.5 * (gray + rgb), rgb) > loss(rgb, rgb)


def test_any_model_of_timm(tmp_path: Path) -> None:
    ensure_torchvision()
    import timm

    torch.manual_seed(0)
    model = timm.create_model("resnet10t", features_only=True)
    torch.save(timm.create_model("resnet10t").state_dict(), tmp_path / "resnet10t.pth")
    loss = PerceptualLoss("resnet10t", str(tmp_path / "resnet10t.pth"))
    assert "timm's resnet10t" in loss.load()
    assert list(loss.layers) == list(model.feature_info.module_name())  # pyright: ignore
    model.load_state_dict(loss.backbone.model.state_dict())  # pyright: ignore
    rgb_hat, rgb = images(64)
    with torch.no_grad():
        maps = [model.eval()((x - MEAN) / STD) for x in (rgb_hat, rgb)]
    wanted = sum((a - b).abs().mean() for a, b in zip(*maps, strict=True))
    torch.testing.assert_close(loss(rgb_hat, rgb), wanted)
    with pytest.raises(UserError, match=r"unknown layer of resnet10t 'relu1_2'"):
        PerceptualLoss("resnet10t", str(tmp_path / "resnet10t.pth"), {"relu1_2": 1.0}).load()


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setenv("CROSSCHROMA_DATA", str(tmp_path))
    with pytest.raises(UserError, match=r"no vgg16_bn-6c64b313\.pth .*pytorch\.org.*squeezenet1_0"):
        PerceptualLoss("vgg16_bn").load()
    with pytest.raises(UserError, match=r"no SqueezeNet weights at .*another backbone"):
        PerceptualLoss("squeezenet1_0").load()
    with pytest.raises(UserError, match=r"resnet10t cannot be had.*huggingface\.co/timm/resnet10t"):
        PerceptualLoss("resnet10t").load()
    with pytest.raises(UserError, match=r"timm's vgg16_b cannot be had: .*another backbone"):
        PerceptualLoss("vgg16_b").load()
    with pytest.raises(UserError, match=r"no file .*mine\.pth"):
        PerceptualLoss("vgg16", str(tmp_path / "mine.pth")).load()
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "part.pth")
    with pytest.raises(UserError, match=r"part\.pth holds no weights of torchvision's vgg16"):
        PerceptualLoss("vgg16", str(tmp_path / "part.pth")).load()
    with pytest.raises(UserError, match=r"call load\(\)"):
        PerceptualLoss("vgg16")(*images())


def test_unknown_names_are_refused_at_once() -> None:
    with pytest.raises(UserError, match=r"layer of vgg16 'bn1_1'"):
        PerceptualLoss("vgg16", layers={"bn1_1": 1.0})
    with pytest.raises(UserError, match="did you mean fire4"):
        PerceptualLoss("squeezenet1_0", layers={"fire44": 1.0})
    with pytest.raises(UserError, match="distance of features 'l2'"):
        PerceptualLoss(distance="l2")  # pyright: ignore
    assert perceptual.DEFAULT_LAYERS["vgg16_bn"]["conv1_1"] == 1 / 16
