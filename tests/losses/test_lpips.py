"""LPIPS as a loss; the network itself is tested with the metric (experiments/test_metrics)."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from crosschroma.datasets.base.errors import UserError
from crosschroma.experiments.metrics import lpips as lpips_metric
from crosschroma.losses import lpips
from crosschroma.losses.lpips import LpipsLoss
from crosschroma.losses.pretrained.published_weights import PublishedFile, sha256
from crosschroma.losses.pretrained.torchvision_import import ensure_torchvision


@pytest.fixture
def squeezenet_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random weights in the place of torchvision's SqueezeNet 1.1."""
    ensure_torchvision()
    from torchvision.models import squeezenet1_1

    torch.manual_seed(0)
    path = tmp_path / "checkpoints" / lpips.BACKBONES["squeeze"].file
    path.parent.mkdir()
    torch.save(squeezenet1_1(weights=None).state_dict(), path)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    published = PublishedFile(path.name, sha256(path)[:8])
    monkeypatch.setitem(lpips.BACKBONES, "squeeze", published)


def test_it_is_the_mean_of_the_metric(squeezenet_file: None) -> None:
    generator = torch.Generator().manual_seed(0)
    rgb_hat, rgb = (torch.rand(2, 3, 40, 48, generator=generator) for _ in range(2))
    loss = LpipsLoss("squeeze")
    assert list(loss.parameters()) == []
    assert "squeezenet1_1" in loss.load()
    lpips_metric.load_lpips.cache_clear()
    try:
        wanted = lpips_metric.lpips(rgb_hat, rgb, "squeeze").mean()
    finally:
        lpips_metric.load_lpips.cache_clear()  # no other test may meet these weights
    found = loss.train()(rgb_hat.requires_grad_(), rgb)
    assert wanted > 0
    torch.testing.assert_close(found, wanted)
    found.backward()
    assert rgb_hat.grad is not None
    assert rgb_hat.grad.abs().sum() > 0
    assert all(p.grad is None for p in loss.parameters())


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(UserError, match=r"no vgg16-397923af\.pth"):
        LpipsLoss().load()
    with pytest.raises(UserError, match="LPIPS backbone 'vgg19'; did you mean vgg"):
        LpipsLoss("vgg19").load()
    with pytest.raises(UserError, match=r"call load\(\)"):
        LpipsLoss()(torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 32, 32))
