"""The Fréchet distance in closed form, the two networks' pooling and input, values by subset."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from crosschroma.datasets.base.errors import UserError
from crosschroma.experiments.metrics import definitions
from crosschroma.experiments.metrics import fid as fid_metric
from crosschroma.experiments.metrics.fid import frechet_distance, inception_features
from crosschroma.experiments.metrics.image import MetricUnavailableError
from crosschroma.experiments.metrics.scorer import Scorer, summarize
from crosschroma.losses.pretrained.torchvision_import import ensure_torchvision
from torch import Tensor


def normal(count: int, size: int, seed: int) -> Tensor:
    return torch.randn(count, size, generator=torch.Generator().manual_seed(seed)).double()


def whitened(features: Tensor) -> Tensor:
    """With mean 0 and exactly the unit matrix as (sample) covariance."""
    centred = features - features.mean(0)
    return torch.linalg.qr(centred).Q * (len(features) - 1) ** 0.5


# the distance


@pytest.mark.parametrize("count", [200, 13])
def test_distance_of_axis_parallel_gaussians(count: int) -> None:
    """|m1 - m2|² + sum (s1 - s2)²."""
    first, second = (torch.tensor([1.0, 2, 0.5, 3]), torch.tensor([2.0, 2, 1, 0.1]))
    shift = torch.tensor([1.0, 0, -2, 0])
    found = frechet_distance(
        whitened(normal(count, 4, 0)) * first + shift, whitened(normal(50, 4, 1)) * second
    )
    assert found == pytest.approx(5 + 1 + 0.25 + 2.9**2, rel=1e-9)


def test_distance_of_covariances_that_do_not_commute() -> None:
    """Against the trace of the root of C1 C2 by its eigenvalues; unequal numbers of images."""
    x = normal(60, 5, 0) @ normal(5, 5, 2) + 1
    y = normal(90, 5, 1) @ normal(5, 5, 3)
    one, two = (np.cov(each.numpy(), rowvar=False) for each in (x, y))
    shared = np.sqrt(np.linalg.eigvals(one @ two).real).sum()
    means = (x.mean(0) - y.mean(0)).square().sum().item()
    expected = means + np.trace(one) + np.trace(two) - 2 * shared
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-9)


def test_fewer_images_than_features_is_no_obstacle() -> None:
    """Singular covariances: three images in a plane of 40 dimensions, the same turned upright."""
    flat = torch.zeros(3, 40).double()
    flat[:, :2] = torch.tensor([[0.0, 0], [2, 0], [0, 2]])
    moved = flat.roll(2, dims=1)  # into two other dimensions: nothing shared
    evenly_spaced = 2 * flat.var(0).sum().item()
    means = (flat.mean(0) - moved.mean(0)).square().sum().item()
    assert frechet_distance(flat, moved) == pytest.approx(means + evenly_spaced)
    assert frechet_distance(flat, flat) == pytest.approx(0, abs=1e-12)


def test_single_precision_features_lose_nothing_more() -> None:
    """Large equal means: float32 sums would leave errors of the size of the distance."""
    x = (1000 + normal(500, 8, 0)).float()
    y = (1000 + 1.01 * normal(500, 8, 1)).float()
    assert frechet_distance(x, y) == pytest.approx(
        frechet_distance(x.double() - 1000, y.double() - 1000), rel=1e-6
    )


def test_one_image_has_no_distance() -> None:
    with pytest.raises(UserError, match="at least two images"):
        frechet_distance(normal(1, 4, 0), normal(5, 4, 1))


# the networks


@pytest.fixture
def random_weights(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Networks that hold random weights, for what does not depend on them."""
    ensure_torchvision()
    from torchvision.models import Inception3

    def state(published: object, download: bool) -> dict[str, Tensor]:
        assert not download
        torch.manual_seed(0)
        tf = published is fid_metric.NETWORKS["tf"]
        options = {"num_classes": 1008, "aux_logits": False} if tf else {}
        return Inception3(init_weights=False, **options).state_dict()

    monkeypatch.setattr(fid_metric, "published_state", state)
    load = fid_metric.load_inception
    load.cache_clear()
    yield
    load.cache_clear()  # no other test may meet these weights


@pytest.mark.usefixtures("random_weights")
def test_inputs_of_the_two_backends(monkeypatch: pytest.MonkeyPatch) -> None:
    """tf sees [-1,1]; tv, for CT2's and DDColor's slip, what ImageNet's mean makes of [.5,1]."""
    given: list[Tensor] = []
    monkeypatch.setattr(fid_metric, "load_inception", lambda *_: lambda x: given.append(x) or x)
    colors = torch.tensor([0.0, 0.5, 1.0]).view(3, 1, 1, 1).expand(3, 3, 8, 8)
    inception_features(colors, "tf")
    inception_features(colors, "tv")
    tf, tv = given
    assert tf.shape == tv.shape == (3, 3, 299, 299)
    assert tf[:, 0, 0, 0].tolist() == pytest.approx([-1, 0, 1])
    for channel, (mean, std) in enumerate(((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))):
        expected = [(std / 0.5) * half + (mean - 0.5) / 0.5 for half in (0.5, 0.75, 1.0)]
        assert tv[:, channel, 9, 9].tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.usefixtures("random_weights")
def test_features_of_both_networks() -> None:
    image = torch.rand(2, 3, 40, 50, generator=torch.Generator().manual_seed(0)).double()
    found = {name: inception_features(image, name) for name in fid_metric.NETWORKS}
    for features in found.values():
        assert features.shape == (2, 2048)
        assert features.dtype == torch.float32
        assert not torch.equal(features[0], features[1])


@pytest.mark.usefixtures("random_weights")
def test_the_tensorflow_networks_pooling() -> None:
    """Means over the pixels inside; the last block takes the maximum, the one before does not."""
    network = fid_metric.load_inception("tf", torch.device("cpu"))
    plain = fid_metric.load_inception("tv", torch.device("cpu"))
    cases = {
        "Mixed_5b": (192, lambda x: F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)),
        "Mixed_6e": (768, lambda x: F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)),
        "Mixed_7b": (1280, lambda x: F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)),
        "Mixed_7c": (2048, lambda x: F.max_pool2d(x, 3, 1, 1)),
    }
    for name, (channels, pool) in cases.items():
        feature = torch.rand(1, channels, 5, 6, generator=torch.Generator().manual_seed(0))
        block = network.get_submodule(name)
        inner = block.get_submodule("block")
        branch = inner.get_submodule("branch_pool")
        expected = branch(pool(feature))
        found = block(feature)
        assert found.shape == plain.get_submodule(name)(feature).shape
        torch.testing.assert_close(found[:, -expected.shape[1] :], expected)
        others = inner(feature)[:, : -expected.shape[1]]
        assert torch.equal(found[:, : -expected.shape[1]], others)
        assert not torch.allclose(inner(feature), found)


# the scorer


@pytest.fixture
def by_mean_color(monkeypatch: pytest.MonkeyPatch) -> None:
    """FID of the mean colour, which needs no weights."""
    fid = replace(definitions.METRICS["FID-tf"], features=lambda image: image.mean((2, 3)))
    monkeypatch.setitem(definitions.METRICS, "FID-tf", fid)  # pyright: ignore


def pictures(count: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    levels = torch.randint(256, (count, 3, 1, 1), generator=generator)
    return (levels / 255).double().expand(-1, -1, 4, 4)


@pytest.mark.usefixtures("by_mean_color")
def test_the_set_and_each_subset_have_their_own_distance() -> None:
    x, y = pictures(6, 0), pictures(6, 1)
    keys = list("abcdef")
    scorer = Scorer(["FID-tf", "PSNR"])
    scorer.update(keys[:4], x[:4], y[:4])
    scorer.update(keys[4:], x[4:], y[4:])
    scorer.update(keys[:1], 0 * x[:1], y[:1] * 0 + 1)  # a repeat
    rows, features = scorer.gather(SimpleNamespace(global_rank=0, world_size=1))
    assert all("FID-tf" not in row for row in rows)
    summary = summarize(rows, {"some": ["a", "b", "f"], "one": ["a"]}, features)
    mean = (x.mean((2, 3)).float(), y.mean((2, 3)).float())
    assert summary["some"]["FID-tf"] != summary["all"]["FID-tf"]
    assert summary["one"]["FID-tf"] is None
    chosen = torch.tensor([1, 2, 5])
    rest = summarize(rows, {"rest": ["b", "c", "f"]}, features)["rest"]["FID-tf"]
    assert rest == pytest.approx(frechet_distance(mean[0][chosen], mean[1][chosen]), rel=1e-5)


@pytest.mark.usefixtures("by_mean_color")
def test_processes_share_their_features(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = pictures(4, 0), pictures(4, 1)
    alone, first, second = Scorer(["FID-tf"]), Scorer(["FID-tf"]), Scorer(["FID-tf"])
    alone.update(list("abcd"), x, y)
    first.update(list("abc"), x[:3], y[:3])
    second.update(list("cd"), x[2:], y[2:])  # an image that both have seen

    def all_gather(parts: list, own: object) -> None:
        parts[:] = [own, (second.rows(), second._features)]

    monkeypatch.setattr(torch.distributed, "all_gather_object", all_gather)
    shared = first.gather(SimpleNamespace(global_rank=0, world_size=2))
    whole = alone.gather(SimpleNamespace(global_rank=0, world_size=1))
    summaries = [summarize(rows, None, features) for rows, features in (shared, whole)]
    assert summaries[0]["all"]["FID-tf"] is not None
    assert summaries[0] == summaries[1]


def test_without_weights_there_is_a_reason_and_no_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is downloaded, and random weights are never used."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", pytest.fail)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    fid_metric.load_inception.cache_clear()
    scorer = Scorer(["FID-tf", "FID-tv", "PSNR"])
    scorer.update(list("abc"), pictures(3, 0), pictures(3, 1))
    rows, features = scorer.gather(SimpleNamespace(global_rank=0, world_size=1))
    summary = summarize(rows, None, features)["all"]
    assert summary["FID-tf"] is None
    assert summary["FID-tv"] is None
    assert summary["PSNR"] is not None
    assert "pytorch-fid/releases" in scorer.unavailable["FID-tf"]
    assert "inception_v3_google-1a9a5a14.pth" in scorer.unavailable["FID-tv"]
    assert str(tmp_path) not in scorer.unavailable["FID-tf"]


def test_weights_that_are_not_the_published_ones_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    fid_metric.load_inception.cache_clear()
    path = tmp_path / "checkpoints" / fid_metric.NETWORKS["tf"].file
    path.parent.mkdir()
    torch.save({}, path)
    with pytest.raises(MetricUnavailableError, match="not the published file"):
        inception_features(torch.zeros(2, 3, 8, 8), "tf")
