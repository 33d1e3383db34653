"""The network that classifies colour: sizes, targets, decoding, what a checkpoint keeps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
import torch
import torch.nn.functional as F
from crosschroma.datasets.base.batch import Batch
from crosschroma.datasets.base.color import lab_to_rgb, rgb_to_lab
from crosschroma.datasets.base.errors import UserError
from crosschroma.losses.rebalanced import rebalancing_weights
from crosschroma.models.base.weights import FORMAT
from crosschroma.models.color.ab_bins import ab_bins, nearest_bins
from crosschroma.models.color.ab_prior import AbPrior, load_prior
from crosschroma.models.zhang16.method import Zhang16
from crosschroma.models.zhang16.network import Zhang16Generator
from torch import Tensor, nn

BINS = ab_bins()
SMALL = Zhang16.Config(width=4)


def built(**settings: object) -> Zhang16:
    torch.manual_seed(0)
    return cast(Zhang16, replace(SMALL, **settings).build())  # pyright: ignore


def batch_of(lab: Tensor) -> Batch:
    """B3HW Lab, within sRGB."""
    rgb = lab_to_rgb(lab, "none")
    keys = [str(index) for index in range(len(lab))]
    return Batch(key=keys, rgb=rgb, gray=rgb_to_lab(rgb)[:, :1] / 100)


def plain(a: float, b: float, height: int = 16, width: int = 16) -> Tensor:
    """1 x 3 x H x W Lab of one colour with L* = 60."""
    return torch.tensor([60.0, a, b]).view(1, 3, 1, 1).expand(1, 3, height, width)


class Fixed(nn.Module):
    """A generator that says the same of every pixel, whatever it is given."""

    def __init__(self, outputs: Tensor, prior: Tensor | None = None) -> None:
        super().__init__()
        self.outputs = nn.Parameter(outputs)
        self.register_buffer("prior", prior)

    def forward(self, lightness: Tensor) -> Tensor:
        batch, _, height, width = lightness.shape
        return self.outputs.view(1, -1, 1, 1).expand(batch, -1, height // 4, width // 4)


def logits(**shares: float) -> Tensor:
    """Logits of a distribution over bins named ``a_b`` (m for minus)."""
    out = torch.full((len(BINS),), -1e4)
    for name, share in shares.items():
        a, b = (int(word.replace("m", "-")) for word in name[1:].split("_"))
        out[number(a, b)] = torch.tensor(share).log()
    return out


def number(a: float, b: float) -> int:
    return int(nearest_bins(torch.tensor([a, b]).numpy()))


# the network


def test_scales_and_dilations_are_the_papers() -> None:
    generator = Zhang16Generator(313, 2, None).eval()
    shapes = []
    for block in (*generator.blocks, generator.up):
        block.register_forward_hook(lambda _m, _i, out: shapes.append(tuple(out.shape[1:])))
    assert generator(torch.zeros(1, 1, 64, 48)).shape == (1, 313, 16, 12)
    assert [channels for channels, *_ in shapes] == [2, 4, 8, 16, 16, 16, 16, 8]
    assert [64 // height for _, height, _ in shapes] == [2, 4, 8, 8, 8, 8, 8, 4]
    dilations = [cast(nn.Conv2d, block[0]).dilation[0] for block in generator.blocks]  # pyright: ignore
    assert dilations == [1, 1, 1, 1, 2, 2, 1]


def test_initial_outputs_are_undecided() -> None:
    generator = Zhang16Generator(313, 16, None).eval()
    found = generator(torch.rand(1, 1, 64, 64) - 0.5)
    assert found.std() < 1
    assert found.std() > 1e-3


# decoding


def test_temperature_goes_from_the_mean_to_the_mode() -> None:
    """Two bins with shares 1/3 and 2/3: T = .5 squares them to 1/5 and 4/5."""
    for temperature, share in ((1.0, 2 / 3), (0.5, 0.8), (1e-3, 1.0), (0.0, 1.0)):
        method = built(temperature=temperature)
        method.generator = Fixed(logits(n40_10=2 / 3, nm20_m10=1 / 3))
        found = 110 * method.predict(batch_of(plain(0, 0)))
        expected = share * torch.tensor([40.0, 10]) + (1 - share) * torch.tensor([-20.0, -10])
        assert found.shape == (1, 2, 16, 16)
        torch.testing.assert_close(found.mean((0, 2, 3)), expected, atol=1e-3, rtol=0)


def test_decoded_colours_are_painted_under_the_given_lightness() -> None:
    method = built(loss="rebalanced")
    method.generator = Fixed(logits(n20_30=1.0))
    torch.manual_seed(0)
    lightness = 40 + 20 * torch.rand(1, 1, 21, 30)
    batch = batch_of(torch.cat([lightness, torch.zeros(1, 2, 21, 30)], 1))
    lab = rgb_to_lab(method.colorize(batch))
    assert lab.shape[-2:] == (21, 30)
    assert (lab[:, :1] - lightness).abs().max() < 0.1
    assert (lab[:, 1:] - torch.tensor([20.0, 30]).view(1, 2, 1, 1)).abs().max() < 0.1


def test_regression_paints_what_its_two_channels_say() -> None:
    method = built(loss="l2")
    method.generator = Fixed(torch.tensor([20.0, -30]) / 110)
    found = 110 * method.predict(batch_of(plain(0, 0)))
    assert (found - torch.tensor([20.0, -30]).view(1, 2, 1, 1)).abs().max() < 1e-4


# losses


def loss(method: Zhang16, batch: Batch) -> float:
    (term,) = method.losses(batch).values()
    return term.value.item()


def test_losses_are_named_by_their_kind() -> None:
    batch = batch_of(plain(20, 20))
    names = [list(built(loss=kind).losses(batch)) for kind in ("rebalanced", "plain", "l2")]
    assert names == [["rebalanced_cross_entropy_ab"], ["cross_entropy_ab"], ["mse_ab"]]


def test_targets_are_colours_of_the_picture_and_no_mixtures() -> None:
    """A chessboard of two colours, 4 x 4 pixels a field: what is learnt are these two bins."""
    fields = torch.zeros(1, 1, 4, 4)
    fields[..., ::2, ::2] = fields[..., 1::2, 1::2] = 1
    board = F.interpolate(fields, scale_factor=4)
    lab = board * plain(40, 30) + (1 - board) * plain(-20, -10)
    method = built(loss="plain", neighbours=1)
    method.generator = Fixed(logits(n40_30=0.5, nm20_m10=0.5))
    assert loss(method, batch_of(lab)) == pytest.approx(0.6931, abs=1e-3)


def test_a_target_is_the_colour_in_the_middle_of_its_cell() -> None:
    """The pixel at row and column 2 of each 4 x 4 cell, half a pixel off the middle."""
    lab = plain(-20, -10).clone()
    lab[..., 2::4, 2::4] = plain(40, 30)[..., 2::4, 2::4]
    method = built(loss="plain", neighbours=1)
    method.generator = Fixed(logits(n40_30=1.0))
    assert loss(method, batch_of(lab)) == pytest.approx(0, abs=1e-4)


def test_rare_colours_weigh_more() -> None:
    """The loss of a plain picture is its bin's weight times that without weights."""
    prior = load_prior("imagenet-sample", 5, 5.0)
    weights = rebalancing_weights(prior, 0.5)
    undecided = torch.zeros(len(BINS))
    for a, b in ((0, 10), (60, 50)):
        batch = batch_of(plain(a, b))
        losses = []
        for kind in ("plain", "rebalanced"):
            method = built(loss=kind)
            method.generator = Fixed(undecided.clone(), prior)
            losses.append(loss(method, batch))
        assert losses[1] / losses[0] == pytest.approx(weights[number(a, b)].item(), rel=1e-4)
    assert weights[number(60, 50)] > 5 * weights[number(0, 10)]


@pytest.mark.parametrize("kind", ["rebalanced", "plain", "l2"])
def test_gray_pictures_teach_nothing(kind: str) -> None:
    """Up to 5 ab units is gray; beside a coloured picture it does not change the loss."""
    method = built(loss=kind)
    outputs = torch.randn(2 if kind == "l2" else len(BINS))
    method.generator = Fixed(outputs, load_prior("imagenet-sample", 5, 5.0))
    coloured = plain(30, -20)
    alone = loss(method, batch_of(coloured))
    assert loss(method, batch_of(plain(4.9, -4.9))) == 0
    assert loss(method, batch_of(torch.cat([coloured, plain(4.9, 0)]))) == pytest.approx(alone)
    assert loss(method, batch_of(torch.cat([coloured, plain(5.1, 0)]))) != pytest.approx(alone)


def test_masked_pixels_do_not_count() -> None:
    lab = torch.cat([plain(40, 30, 16, 8), plain(-20, -10, 16, 8)], dim=3)
    method = built(loss="plain", neighbours=1)
    method.generator = Fixed(logits(n40_30=1.0))
    batch = batch_of(lab)
    assert loss(method, batch) > 1
    valid = torch.zeros(1, 1, 16, 16)
    valid[..., :8] = 1
    assert loss(method, Batch(**batch, valid=valid)) == pytest.approx(0, abs=1e-4)


def test_odd_sizes_lose_their_last_pixels_in_training() -> None:
    method = built(loss="plain").train(False)
    whole = torch.cat([plain(30, 20), plain(-30, 20)], dim=2)
    wider = F.pad(whole, (0, 5, 0, 3), mode="replicate")
    assert loss(method, batch_of(wider)) == pytest.approx(loss(method, batch_of(whole)), rel=1e-5)


def test_regression_by_hand() -> None:
    """Errors of 11 and 22 ab units: (0.1² + 0.2²) / 2."""
    method = built(loss="l2")
    method.generator = Fixed(torch.zeros(2))
    assert loss(method, batch_of(plain(11, 22))) == pytest.approx(0.025, rel=1e-3)


# the prior and the weights of another run


def prior_file(folder: Path) -> Path:
    path = folder / "prior.json"
    counts = torch.arange(1, len(BINS) + 1).tolist()
    path.write_text(AbPrior(data="made up", images=1, counts=tuple(counts)).to_json())
    return path


def test_a_prior_from_a_file_travels_in_the_weights(tmp_path: Path) -> None:
    path = prior_file(tmp_path)
    expected = load_prior(str(path), 5, 5.0)
    method = built(prior=str(path))
    assert str(path) in method.load_pretrained()
    path.unlink()
    again = built(prior=str(path))  # as a checkpoint is loaded: without its file
    again.generator.load_state_dict(method.generator.state_dict())
    torch.testing.assert_close(again.generator.prior, expected)
    batch = batch_of(plain(60, 50))
    assert loss(again.eval(), batch) == loss(method.eval(), batch)


def test_a_new_run_needs_the_priors_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no prior '.*none\.json'.*crosschroma data prior"):
        built(prior=str(tmp_path / "none.json")).load_pretrained()


def test_only_the_rebalanced_loss_has_a_prior() -> None:
    names = [built(loss=kind).generator.state_dict().keys() for kind in ("plain", "l2")]
    assert all("prior" not in keys for keys in names)
    assert built(loss="l2").load_pretrained() == ""


def saved(method: Zhang16, path: Path, kind: str) -> None:
    """As the engine writes best.pt, and last.pt with and without averages."""
    state = {name: value + 0 for name, value in method.generator.state_dict().items()}
    other = {name: 0 * value for name, value in state.items()}
    average = {"n_averaged": torch.tensor(3)} | {f"module.{n}": v for n, v in state.items()}
    content = {
        "best": {"inference": {"generator": state}},
        "last": {"networks": {"generator": state}, "average": None},
        "averaged": {"networks": {"generator": other}, "average": {"generator": average}},
    }
    torch.save({"format": FORMAT, **content[kind]}, path)


@pytest.mark.parametrize("kind", ["best", "last", "averaged"])
def test_regression_starts_from_the_classifier(kind: str, tmp_path: Path) -> None:
    """The paper's "L2, ft": all but the head is taken over."""
    path = tmp_path / "run.pt"
    classifier = built(loss="rebalanced")
    saved(classifier, path, kind)
    torch.manual_seed(1)
    tuned = cast(Zhang16, replace(SMALL, loss="l2", start=str(path)).build())
    head = tuned.generator.get_parameter("head.weight").clone()
    assert "all but the head" in tuned.load_pretrained()
    theirs = classifier.generator.state_dict()
    for name, value in tuned.generator.state_dict().items():
        if not name.startswith("head."):
            assert torch.equal(value, theirs[name]), name
    assert torch.equal(tuned.generator.get_parameter("head.weight"), head)
    assert tuned.config.learnt_from == f"zhang16 run: {path.parent.name}"  # pyright: ignore


def test_a_classifier_that_starts_from_another_keeps_its_own_prior(tmp_path: Path) -> None:
    saved(built(prior="imagenet-sample"), tmp_path / "run.pt", "best")
    method = built(prior="uniform", start=str(tmp_path / "run.pt"))
    method.load_pretrained()
    torch.testing.assert_close(method.generator.prior, torch.full((313,), 1 / 313))


def test_starts_that_do_not_fit_are_named(tmp_path: Path) -> None:
    path = tmp_path / "run.pt"
    saved(built(width=8), path, "best")
    with pytest.raises(UserError, match=r"--method\.start .*does not fit .*--method\.width"):
        built(start=str(path)).load_pretrained()
    empty = ({"format": FORMAT, **content} for content in ({"inference": {}}, {"networks": {}}))
    for content in (*empty, {"inference": {"generator": {}}}, [1]):
        torch.save(content, path)
        with pytest.raises(UserError, match=r"--method\.start .*no checkpoint with a generator"):
            built(start=str(path)).load_pretrained()
    path.write_bytes(b"no checkpoint")
    with pytest.raises(UserError, match="no checkpoint with a generator"):
        built(start=str(path)).load_pretrained()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"loss": "l1"}, "must be one of rebalanced, plain, l2"),
        ({"neighbours": 0}, "neighbours 0: must be 1 to 313"),
        ({"sigma": 0.0}, "must be positive"),
        ({"uniform": 1.5}, "uniform 1.5: must be 0 to 1"),
        ({"temperature": -0.1}, "must not be negative"),
    ],
)
def test_impossible_settings_are_named(settings: dict, said: str) -> None:
    with pytest.raises(UserError, match=said):
        Zhang16.Config(**settings)
