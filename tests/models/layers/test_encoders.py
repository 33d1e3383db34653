"""Pretrained encoders of one plane."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from crosschroma.datasets.base.errors import UserError
from crosschroma.models.encoder_unet import EncoderUNet, EncoderUNetGenerator
from crosschroma.models.layers.encoders import SqueezeNetEncoder, build_encoder


def weights_file(path: Path) -> dict[str, np.ndarray]:
    """Random weights of SqueezeNet v1.0 under the names of the published conversion."""
    rng = np.random.default_rng(0)
    made: dict[str, np.ndarray] = {}

    def conv(name: str, out_channels: int, in_channels: int, side: int) -> None:
        shape = (out_channels, in_channels, side, side)
        evenly_spaced = (2 / (in_channels * side**2)) ** 0.5
        made[f"{name}.weight"] = (evenly_spaced * rng.standard_normal(shape)).astype(np.float16)
        made[f"{name}.bias"] = rng.standard_normal(out_channels).astype(np.float16)

    conv("conv1", 96, 3, 7)
    width = 96
    for index, (squeeze, expand) in enumerate(
        [(16, 64)] * 2 + [(32, 128)] * 2 + [(48, 192)] * 2 + [(64, 256)] * 2
    ):
        conv(f"fire{index + 2}/conv1x1_1", squeeze, width, 1)
        conv(f"fire{index + 2}/conv1x1_2", expand, squeeze, 1)
        conv(f"fire{index + 2}/conv3x3_2", expand, squeeze, 3)
        width = 2 * expand
    np.savez(path, **made)
    return made


def test_a_plane_gives_what_its_three_channels_would(tmp_path: Path) -> None:
    made = weights_file(tmp_path / "weights.npz")
    encoder = SqueezeNetEncoder()
    assert encoder.load_pretrained(str(tmp_path / "weights.npz")) == (
        "ImageNet weights of weights.npz"
    )
    plane = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    bgr = 127.5 * (plane + 1) - torch.tensor([104.0, 117, 123]).view(1, 3, 1, 1)
    given = {name: torch.from_numpy(x).float() for name, x in made.items()}
    shifted = bgr[..., 1:, 1:]  # without padding, a kernel starts two rows on
    first = F.relu(F.conv2d(shifted, given["conv1.weight"], given["conv1.bias"], 2))
    maps = [127.5 * feature for feature in encoder(plane)]
    torch.testing.assert_close(maps[0][..., 2:31, 2:31], first, rtol=1e-3, atol=1e-2)
    assert [tuple(x.shape[1:]) for x in maps] == [
        (96, 32, 32), (256, 16, 16), (512, 8, 8), (512, 4, 4),
    ]  # fmt: skip
    squeezed = F.max_pool2d(maps[0], 3, 2, 1)
    for index in (2, 3, 4):
        squeezed = fire(squeezed, given, f"fire{index}")
    torch.testing.assert_close(maps[1], squeezed, rtol=1e-4, atol=1e-2)


def fire(x: torch.Tensor, given: dict[str, torch.Tensor], name: str) -> torch.Tensor:
    """A fire module by the published names."""

    def conv(x: torch.Tensor, part: str, padding: int = 0) -> torch.Tensor:
        weight, bias = given[f"{name}/{part}.weight"], given[f"{name}/{part}.bias"]
        return F.relu(F.conv2d(x, weight, bias, padding=padding))

    x = conv(x, "conv1x1_1")
    return torch.cat([conv(x, "conv1x1_2"), conv(x, "conv3x3_2", 1)], dim=1)


def test_the_shared_weights_know_photographs(shared_data: Path) -> None:
    """Trained filters answer to edges, not to a flat plane; random ones hardly differ."""
    encoder = SqueezeNetEncoder()
    encoder.load_pretrained(str(shared_data / "weights" / "squeezenet1_0_imagenet_fp16.npz"))
    rows = torch.arange(64).view(1, 1, 64, 1).expand(1, 1, 64, 64)
    stripes = ((rows // 4) % 2).float() * 2 - 1
    answers = [encoder(plane)[0][..., 8:-8, 8:-8] for plane in (stripes, torch.zeros_like(stripes))]
    assert answers[0].mean() > 3 * answers[1].mean()


def test_missing_and_foreign_weights_are_named(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("CROSSCHROMA_DATA", str(tmp_path))
    with pytest.raises(UserError, match=r"no SqueezeNet weights at .*encoder-weights none"):
        SqueezeNetEncoder().load_pretrained("imagenet")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(UserError, match=r"other\.npz holds no SqueezeNet"):
        SqueezeNetEncoder().load_pretrained(str(tmp_path / "other.npz"))
    (tmp_path / "broken.npz").write_bytes(b"PK")
    with pytest.raises(UserError, match=r"broken\.npz is refused: it is damaged"):
        SqueezeNetEncoder().load_pretrained(str(tmp_path / "broken.npz"))
    with pytest.raises(UserError, match="'resnet19'"):
        build_encoder("resnet19")
    with pytest.raises(UserError, match=r"timm's resnet10t cannot be had.*encoder-weights none"):
        EncoderUNet.Config(encoder="resnet10t").build().load_pretrained()


@pytest.mark.parametrize("name", ["squeezenet1_0", "resnet10t", "convnext_atto"])
def test_any_encoder_gives_the_pictures_size(name: str) -> None:
    """ConvNeXt's finest map is at 1/4."""
    method = EncoderUNet.Config(encoder=name, encoder_weights="none", width=4).build().eval()
    assert method.load_pretrained() == ""
    plane = torch.rand(1, 1, 50, 70, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        rgb = method.colorize({"key": ["a"], "nir": plane})
        mirrored = method.colorize({"key": ["a"], "nir": plane.flip(-1)})
    assert rgb.shape == (1, 3, 50, 70)
    torch.testing.assert_close(mirrored.flip(-1), rgb, atol=1e-5, rtol=0)


def test_a_trained_encoder_keeps_its_averages() -> None:
    given = torch.rand(4, 1, 64, 64) * 2 - 1
    for frozen in (True, False):
        generator = EncoderUNetGenerator("resnet18", 2, 4, 0.0, "batch", frozen).train()
        before = {name: value.clone() for name, value in generator.named_buffers()}
        generator(given)
        changed = {n for n, v in generator.named_buffers() if not torch.equal(v, before[n])}
        assert any(name.startswith("decoder.") for name in changed)
        assert any(name.startswith("encoder.") for name in changed) is not frozen
