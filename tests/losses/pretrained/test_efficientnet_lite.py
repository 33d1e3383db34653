"""Our EfficientNet-Lite is timm's: names, fresh weights, random numbers taken, and every bit."""

from __future__ import annotations

import pytest
import torch
from crosschroma.losses.pretrained.efficientnet_lite import NAMES, EfficientNetLite
from crosschroma.losses.pretrained.timm_features import timm_features
from crosschroma.losses.pretrained.torchvision_import import ensure_torchvision
from torch import nn


def both(name: str, **options: object) -> tuple[nn.Module, EfficientNetLite]:
    """Timm's and ours from the same random numbers; checks that as many are left."""
    ensure_torchvision()
    import timm

    torch.manual_seed(3)
    theirs, next_number = timm.create_model(name, features_only=True, **options), torch.rand(1)
    torch.manual_seed(3)
    ours = timm_features(name, **options)
    assert torch.equal(torch.rand(1), next_number)
    assert isinstance(ours, EfficientNetLite)
    return theirs, ours


@pytest.mark.parametrize("name", [NAMES[0], NAMES[2]])
@pytest.mark.parametrize("options", [{}, {"in_chans": 1, "out_indices": (1, 2, 3)}], ids=str)
def test_it_is_timms(name: str, options: dict[str, object]) -> None:
    theirs, ours = both(name, **options)
    state = theirs.state_dict()
    assert list(ours.state_dict()) == list(state)
    assert all(torch.equal(value, state[key]) for key, value in ours.state_dict().items())
    info = theirs.feature_info
    assert ours.feature_info.channels() == info.channels()
    assert ours.feature_info.reduction() == info.reduction()
    assert all(theirs.pretrained_cfg[key] == value for key, value in ours.pretrained_cfg.items())
    for training in (True, False):
        theirs.train(training), ours.train(training)
        # odd sides: TensorFlow's padding is one-sided
        image = torch.randn(2, ours.conv_stem.in_channels, 75, 62)
        maps = ours(image)
        for one, other in zip(maps, theirs(image), strict=True):
            assert torch.equal(one, other)
        sides = [-(-75 // reduction) for reduction in ours.feature_info.reduction()]
        assert [one.shape[2] for one in maps] == sides


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_each_size_takes_timms_weights(name: str) -> None:
    theirs, ours = both(name)
    image = torch.randn(1, 3, 64, 64)
    ours.load_state_dict(theirs.state_dict())
    for one, other in zip(ours.eval()(image), theirs.eval()(image), strict=True):
        assert torch.equal(one, other)
