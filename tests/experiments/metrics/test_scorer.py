"""Check values, agreement with scikit-image, and the scorer's handling of batches and processes."""

from __future__ import annotations

import math
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from crosschroma.datasets.base.errors import DataError, UserError
from crosschroma.experiments.metrics import color as color_metrics
from crosschroma.experiments.metrics import definitions
from crosschroma.experiments.metrics import image as image_metrics
from crosschroma.experiments.metrics import lpips as lpips_metric
from crosschroma.experiments.metrics.definitions import METRICS, metric_of, protocol_of
from crosschroma.experiments.metrics.image import MetricUnavailableError
from crosschroma.experiments.metrics.scorer import Scorer, eight_bits, merge_rows, summarize
from crosschroma.losses import lpips as lpips_loss
from crosschroma.losses.pretrained.published_weights import PublishedFile, sha256
from skimage.color import rgb2lab
from skimage.metrics import structural_similarity

QUICK = [name for name in METRICS if not name.startswith("LPIPS")]


def images(count: int = 3, height: int = 24, width: int = 31, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 5, 6, generator=generator, dtype=torch.float64)
    fine = torch.rand(count, 3, height, width, generator=generator, dtype=torch.float64)
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")
    return 0.8 * smooth + 0.2 * fine


def as_numpy(image: torch.Tensor) -> np.ndarray:
    return image.permute(1, 2, 0).numpy()


def test_psnr_of_a_tenth_is_twenty_db() -> None:
    x = 0.8 * images()
    assert torch.allclose(image_metrics.psnr(x, x + 0.1), torch.full((3,), 20.0).double())


def test_psnr_is_the_rmse_in_db() -> None:
    x, y = images(seed=1), images(seed=2)
    expected = -20 * image_metrics.rmse(x, y).log10()
    assert torch.allclose(image_metrics.psnr(x, y), expected, atol=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_psnr_of_clipped_images_is_never_negative(seed: int) -> None:
    """A seed report printed -150 dB: impossible for images in [0,1], however wrong."""
    generator = torch.Generator().manual_seed(seed)
    scale = 10.0 ** (seed % 5)
    pair = [(scale * torch.randn(2, 3, 9, 9, generator=generator)).clamp(0, 1) for _ in range(2)]
    assert (image_metrics.psnr(pair[0].double(), pair[1].double()) >= 0).all()


def test_psnr_extremes() -> None:
    black, white = torch.zeros(1, 3, 8, 8).double(), torch.ones(1, 3, 8, 8).double()
    assert image_metrics.psnr(black, white).item() == 0
    assert image_metrics.psnr(white, white).item() == image_metrics.PSNR_CAP_DB


def test_error_means() -> None:
    x = torch.zeros(1, 3, 2, 2).double()
    y = x.clone()
    y[0, 0, 0, 0] = 0.6
    assert image_metrics.mae(x, y).item() == pytest.approx(0.6 / 12)
    assert image_metrics.mse(x, y).item() == pytest.approx(0.36 / 12)
    assert image_metrics.rmse(x, y).item() == pytest.approx(0.6 / math.sqrt(12))


def test_ssim7_is_scikit_images_default() -> None:
    x, y = images(seed=1), images(seed=2)
    expected = [
        structural_similarity(as_numpy(a), as_numpy(b), channel_axis=-1, data_range=1)
        for a, b in zip(x, y, strict=True)
    ]
    assert image_metrics.ssim7(x, y).tolist() == pytest.approx(expected, abs=1e-12)


def test_ssim_is_the_gaussian_window_of_the_paper() -> None:
    """scikit-image crops what it padded; ours is float32, good for 1e-5."""
    x, y = images(seed=1), images(seed=2)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    expected = [
        structural_similarity(as_numpy(a), as_numpy(b), channel_axis=-1, data_range=1, **options)
        for a, b in zip(x, y, strict=True)
    ]
    assert image_metrics.ssim(x, y).tolist() == pytest.approx(expected, abs=1e-5)


def test_angular_error_in_degrees() -> None:
    red = torch.tensor([1.0, 0, 0]).double().view(1, 3, 1, 1).expand(1, 3, 4, 4)
    green = red.roll(1, dims=1)
    yellow = red + green
    assert color_metrics.angular_error(red, green).item() == pytest.approx(90)
    assert color_metrics.angular_error(red, yellow).item() == pytest.approx(45, abs=1e-3)
    assert color_metrics.angular_error(0.5 * red, red).item() == pytest.approx(0, abs=0.2)
    assert color_metrics.angular_error(0 * red, red).item() == pytest.approx(90)


def test_accuracy_needs_both_norms() -> None:
    """.13 in one channel passes, in all three the Euclidean norm is .225, .15 fails the maximum."""
    x = torch.zeros(1, 3, 1, 3).double()
    y = x.clone()
    y[0, 0, 0, 0], y[0, :, 0, 1], y[0, 0, 0, 2] = 0.13, 0.13, 0.15
    assert image_metrics.accuracy(x, y).item() == pytest.approx(1 / 3)


def test_ab_moments_are_those_of_scikit_images_lab() -> None:
    x = images()
    lab = np.stack([rgb2lab(as_numpy(image)) for image in x])
    a, b = lab[..., 1], lab[..., 2]
    expected = np.stack([f(c, axis=(1, 2)) for c in (a, b) for f in (np.mean, np.std)], axis=1)
    assert np.allclose(color_metrics.ab_moments(x).numpy(), expected, atol=1e-3)


def test_colorfulness_both_ways() -> None:
    x = images()
    for image, signed, absolute in zip(
        x, color_metrics.colorfulness(x), color_metrics.colorfulness_abs(x), strict=True
    ):
        red, green, blue = (255 * image.numpy()).reshape(3, -1)
        rg, yb = red - green, (red + green) / 2 - blue
        for p, q, value in ((rg, yb, signed), (abs(rg), abs(yb), absolute)):
            expected = np.hypot(p.std(), q.std()) + 0.3 * np.hypot(p.mean(), q.mean())
            assert value.item() == pytest.approx(expected)
    gray = x[:, :1].expand_as(x)
    assert color_metrics.colorfulness(gray).abs().max() < 1e-12


def test_deltas_of_colorfulness_differ_by_convention() -> None:
    """One image too colourful and one too dull: the means agree, the images do not."""
    rows = [
        {"key": "x", "CF": 30.0, "CF_true": 20.0},
        {"key": "y", "CF": 10.0, "CF_true": 21.0},
    ]
    summary = summarize(rows)["all"]
    assert summary["dCF"] == pytest.approx(0.5)
    assert summary["dCF_image"] == pytest.approx(10.5)


def test_ab_std_ratio_sees_half_the_colour() -> None:
    x = images()
    gray = x.mean(1, keepdim=True)
    scorer = Scorer(["ab_std_ratio"])
    scorer.update(["x", "y", "z"], gray + (x - gray) / 2, x)
    assert summarize(scorer.rows())["all"]["ab_std_ratio"] == pytest.approx(0.5, abs=0.05)


def test_batch_equals_one_by_one() -> None:
    x, y = images(seed=1), images(seed=2)
    together, single = Scorer(QUICK), Scorer(QUICK)
    together.update(["a", "b", "c"], x, y)
    for i, key in enumerate("abc"):
        single.update([key], x[i : i + 1], y[i : i + 1])
    for one, other in zip(together.rows(), single.rows(), strict=True):
        assert one == pytest.approx(other)
    assert list(summarize(together.rows())["all"]) == list(summarize(single.rows())["all"])


def test_prediction_counts_as_if_saved_as_png() -> None:
    """Half precision, values beyond [0,1] and fractions of a level score as the 8-bit picture."""
    x, y = images(seed=1), images(seed=2)
    raw = 1.3 * x - 0.1
    saved = (raw.clamp(0, 1) * 255).round().byte().double() / 255
    scores = []
    for prediction in (raw, saved):
        scorer = Scorer(["PSNR", "AE"])
        scorer.update(["a", "b", "c"], prediction, y)
        scores.append(scorer.rows())
    assert scores[0] == scores[1]
    assert torch.equal(eight_bits(raw), saved)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_non_finite_prediction_names_its_image(value: float) -> None:
    x = images()
    x[1, 0, 3, 3] = value
    with pytest.raises(DataError, match=r"prediction for second holds NaN"):
        Scorer(["PSNR"]).update(["first", "second", "third"], x, images())


def test_size_mismatch_names_its_image() -> None:
    with pytest.raises(DataError, match=r"first: the prediction is \(3, 3, 24, 31\)"):
        Scorer(["PSNR"]).update(["first", "second", "third"], images(), images(width=32))


def test_typo_in_a_metric_name() -> None:
    with pytest.raises(UserError, match=r"unknown metric 'SSM'; did you mean SSIM"):
        Scorer(["PSNR", "SSM"])


def test_tiny_images_have_no_ssim_but_the_rest() -> None:
    scorer = Scorer(["PSNR", "SSIM", "SSIM7"])
    scorer.update(["small"], images(1, 8, 8), images(1, 8, 8, seed=1))
    scorer.update(["large"], images(1, 16, 16), images(1, 16, 16, seed=1))
    scorer.update(["pixel"], images(1, 1, 1), images(1, 1, 1, seed=1))
    rows = {row["key"]: row for row in scorer.rows()}
    assert rows["small"]["SSIM"] is None
    assert rows["small"]["SSIM7"] is not None
    assert rows["large"]["SSIM"] is not None
    assert rows["pixel"]["PSNR"] > 0
    assert "11 x 11" in scorer.unavailable["SSIM"]
    assert summarize(scorer.rows(), {"big": ["large"]})["all"]["SSIM"] is None
    assert summarize(scorer.rows(), {"big": ["large"]})["big"]["SSIM"] is not None


def test_merge_drops_the_samplers_repeats() -> None:
    first = [{"key": "b", "PSNR": 2.0}, {"key": "a", "PSNR": 1.0}]
    second = [{"key": "c", "PSNR": 3.0}, {"key": "b", "PSNR": 9.0}]
    merged = merge_rows([first, second])
    assert [(row["key"], row["PSNR"]) for row in merged] == [("a", 1.0), ("b", 2.0), ("c", 3.0)]
    assert summarize(merged, {"ends": ["a", "c"]}) == {"all": {"PSNR": 2.0}, "ends": {"PSNR": 2.0}}


def test_summary_refuses_what_it_cannot_average() -> None:
    with pytest.raises(UserError, match="no images were scored"):
        summarize([])
    with pytest.raises(UserError, match="subset leaked: no row for b"):
        summarize([{"key": "a", "PSNR": 1.0}], {"leaked": ["a", "b"]})


def test_every_metric_is_described() -> None:
    assert metric_of("CF_abs_true").name == "CF_abs"
    assert metric_of("b_std").name == "ab"
    for metric in METRICS.values():
        kinds = (metric.pair, metric.image, metric.labelled, metric.features, metric.rows)
        assert sum(kind is not None for kind in kinds) == 1
        assert metric.protocol
    assert set(protocol_of(["PSNR", "a_std", "b_std"])) == {"rounding", "PSNR", "ab"}


def test_lpips_without_weights_is_a_reason_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(torch.hub, "download_url_to_file", pytest.fail)
    scorer = Scorer(["LPIPS-alex", "LPIPS-vgg", "PSNR"])
    scorer.update(["a", "b", "c"], images(height=32, width=32), images(height=32, width=32, seed=1))
    assert all(row["LPIPS-alex"] is None and row["PSNR"] > 0 for row in scorer.rows())
    assert summarize(scorer.rows())["all"]["LPIPS-vgg"] is None
    assert "alexnet-owt-7be5be79.pth" in scorer.unavailable["LPIPS-alex"]
    assert "hub/checkpoints" in scorer.unavailable["LPIPS-alex"]
    assert str(tmp_path) not in scorer.unavailable["LPIPS-alex"]


def test_lpips_reports_a_failed_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_args: object, **_kwargs: object) -> None:
        raise socket.gaierror("no route to a name server")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with pytest.raises(MetricUnavailableError, match="download failed: no route"):
        lpips_metric.lpips(images(), images(), "squeeze")


def random_alexnet(path: Path) -> None:
    from crosschroma.losses.pretrained.torchvision_import import ensure_torchvision

    ensure_torchvision()
    from torchvision.models import alexnet

    path.parent.mkdir(parents=True)
    state = alexnet(weights=None).features.state_dict()
    torch.save({f"features.{name}": value for name, value in state.items()}, path)


def test_lpips_refuses_weights_that_are_not_the_published_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "checkpoints" / lpips_loss.BACKBONES["alex"].file
    random_alexnet(path)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(MetricUnavailableError, match="not the published file"):
        lpips_metric.lpips(images(), images(), "alex")


def test_lpips_takes_the_backbone_from_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the hash of a stand-in file: the network holds that file's weights and measures."""
    path = tmp_path / "checkpoints" / lpips_loss.BACKBONES["alex"].file
    random_alexnet(path)
    backbone = PublishedFile(path.name, sha256(path)[:8])
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setitem(lpips_loss.BACKBONES, "alex", backbone)
    lpips_metric.load_lpips.cache_clear()
    x, y = images(height=40, width=40), images(height=40, width=40, seed=1)
    try:
        distance = lpips_metric.lpips(x, y, "alex")
        model = lpips_metric.load_lpips("alex", x.device)
    finally:
        lpips_metric.load_lpips.cache_clear()  # no other test may meet these weights
    saved = torch.load(path, weights_only=True)
    assert torch.equal(model.get_parameter("net.slice5.10.weight"), saved["features.10.weight"])
    assert distance.shape == (3,)
    assert (distance > 0).all()


TWO_PROCESSES = """
import os, sys, torch
from types import SimpleNamespace
from crosschroma.experiments.metrics.scorer import Scorer
rank = int(sys.argv[1])
torch.distributed.init_process_group("gloo", rank=rank, world_size=2, init_method=sys.argv[2])
scorer = Scorer(["MSE"])
keys = [["a", "c"], ["b", "a"]][rank]
scorer.update(keys, torch.full((2, 3, 4, 4), float(rank)), torch.zeros(2, 3, 4, 4))
rows, _ = scorer.gather(SimpleNamespace(global_rank=rank, world_size=2))
torch.distributed.barrier()
torch.distributed.destroy_process_group()
print(rows)
"""


def test_an_oracle_of_tone_forgives_gain_and_offset_of_channels_and_nothing_else() -> None:
    target = images(2)
    gains = torch.tensor([0.5, 0.8, 0.3], dtype=torch.float64).view(1, 3, 1, 1)
    psnr, angle = (METRICS[f"{name}-tone"].pair for name in ("PSNR", "AE"))
    assert psnr is not None
    assert angle is not None
    assert psnr(0.1 + gains * target, target).tolist() == [100.0, 100.0]
    assert angle(0.1 + gains * target, target).max() < 0.5
    # mirrored, the colours are at the wrong places: what numpy's polyfit leaves
    wrong = target.flip(-1)
    left = []
    for p, t in zip(wrong.flatten(0, 1).flatten(1), target.flatten(0, 1).flatten(1), strict=True):
        line = np.polyval(np.polyfit(p, t, 1), p).clip(0, 1)
        left.append(((line - t.numpy()) ** 2).mean())
    expected = -10 * np.log10(np.reshape(left, (2, 3)).mean(1))
    np.testing.assert_allclose(psnr(wrong, target).numpy(), expected, atol=1e-9)
    flat = torch.full_like(target, 0.2)
    means = target.mean(dim=(2, 3), keepdim=True).expand_as(target)
    torch.testing.assert_close(image_metrics.with_tone_of(flat, target), means)


@pytest.mark.ddp
def test_two_processes_share_their_rows(tmp_path: Path) -> None:
    store = f"file://{tmp_path}/store"
    started = [
        subprocess.Popen(
            [sys.executable, "-c", TWO_PROCESSES, str(rank), store],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        for rank in range(2)
    ]
    expected = str([{"key": k, "MSE": v} for k, v in (("a", 0.0), ("b", 1.0), ("c", 0.0))])
    assert [process.communicate(timeout=120)[0].strip() for process in started] == [expected] * 2


def test_names_that_tables_print() -> None:
    """results/ and the tables hold these names: a change breaks what is on file."""
    named = {"PSNR", "SSIM", "SSIM7", "AE", "MAE", "RMSE", "MSE", "LPIPS-alex", "ACC", "CF", "dCF"}
    assert named <= set(definitions.METRICS)
