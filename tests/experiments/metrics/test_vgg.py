"""VGG-16's verdict on pictures: classes from paths, the middle of the picture, no weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from crosschroma.experiments.metrics import vgg as vgg_metric
from crosschroma.experiments.metrics.scorer import Scorer, summarize
from crosschroma.experiments.metrics.vgg import _resized, vgg_top1
from crosschroma.losses.pretrained.torchvision_import import ensure_torchvision
from torch import Tensor

FIRST, SECOND, LAST = "n01440764", "n01443537", "n15075141"  # tench, goldfish, toilet tissue


@pytest.fixture
def redness(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that knows red pictures as class 0, others as class 999."""

    def verdict(image: Tensor) -> Tensor:
        logits = torch.zeros(len(image), 1000)
        logits[:, 0] = image[:, 0].mean((1, 2))
        logits[:, 999] = image[:, 1].mean((1, 2))
        return logits

    monkeypatch.setattr(vgg_metric, "load_vgg", lambda _device: verdict)


def plain(*colors: tuple[float, float, float]) -> Tensor:
    return torch.tensor(colors).double()[:, :, None, None].expand(-1, -1, 40, 60)


RED, GREEN = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)


@pytest.mark.usefixtures("redness")
def test_pictures_whose_class_comes_first_count() -> None:
    keys = [f"val/{FIRST}/a.JPEG", f"val/{LAST}/b.JPEG", f"{LAST}_7.JPEG", f"{SECOND}/c.JPEG"]
    assert vgg_top1(keys, plain(RED, RED, GREEN, RED)).tolist() == [100, 0, 100, 0]


@pytest.mark.usefixtures("redness")
def test_rows_hold_the_verdict_on_the_truth_as_well() -> None:
    scorer = Scorer(["VGG top-1"])
    keys = [f"val/{FIRST}/{name}.JPEG" for name in "ab"]
    scorer.update(keys, plain(RED, GREEN), plain(RED, RED))
    summary = summarize(scorer.rows())["all"]
    assert summary == {"VGG top-1": 50.0, "VGG top-1_true": 100.0}


def reason_for(key: str) -> str:
    scorer = Scorer(["VGG top-1"])
    scorer.update([key], plain(RED), plain(RED))
    assert summarize(scorer.rows())["all"]["VGG top-1"] is None
    return scorer.unavailable["VGG top-1"]


@pytest.mark.usefixtures("redness")
def test_paths_without_a_class_are_a_reason() -> None:
    assert "one folder a class" in reason_for("val/ILSVRC2012_val_00000001.JPEG")
    assert "none of the 1000 classes" in reason_for("val/n00000000/a.JPEG")


def test_without_weights_there_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", pytest.fail)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    vgg_metric.load_vgg.cache_clear()
    assert "vgg16-397923af.pth" in reason_for(f"val/{FIRST}/a.JPEG")


def test_the_network_takes_its_weights_from_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """All zeros but one bias of the last layer decides for that class (and takes no memory)."""
    ensure_torchvision()
    from torchvision.models import vgg16

    with torch.device("meta"):
        shapes = {
            name: value.shape for name, value in vgg16(init_weights=False).state_dict().items()
        }
    state = {name: torch.zeros(1).expand(shape) for name, shape in shapes.items()}
    state["classifier.6.bias"] = torch.zeros(1000).index_fill_(0, torch.tensor(1), 1.0)
    monkeypatch.setattr(vgg_metric, "published_state", lambda *_args, **_options: state)
    vgg_metric.load_vgg.cache_clear()
    try:
        found = vgg_top1([f"{SECOND}/a", f"{FIRST}/a"], plain(RED, RED))
    finally:
        vgg_metric.load_vgg.cache_clear()  # no other test may meet these weights
    assert found.tolist() == [100, 0]


@pytest.mark.parametrize(("height", "width"), [(256, 256), (300, 500), (90, 64)])
def test_the_middle_of_the_picture_is_seen(height: int, width: int) -> None:
    ramp = torch.linspace(0, 1, width).expand(1, 3, height, width)
    seen = _resized(ramp)
    assert seen.shape == (1, 3, 224, 224)
    side = width * 256 / min(height, width)
    assert seen.mean().item() == pytest.approx(0.5, abs=1e-2)
    assert (seen.max() - seen.min()).item() == pytest.approx(224 / side, abs=0.02)


def test_shrinking_averages_stripes() -> None:
    stripes = (torch.arange(768) % 2).float().expand(1, 3, 768, 768)
    assert (_resized(stripes) - 0.5).abs().max() < 0.1
