"""Hints on a pretrained encoder: what carries them, and that the method learns to follow them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from batches import lab_batch, smooth_batch
from crosschroma.datasets.base.batch import Batch
from crosschroma.datasets.base.color import lab_to_rgb
from crosschroma.models.color.hint_points import HintPoint, points_to_hints
from crosschroma.models.zhang17.encoder_network import (
    EncoderHintNetwork,
    HintAttention,
    pooled_hints,
)
from crosschroma.models.zhang17.method import HintStage, Zhang17
from torch import nn

ENCODER = "tf_efficientnet_lite0"
SMALL = Zhang17.Config(
    encoder=ENCODER,
    encoder_weights="none",
    encoder_lr=1.0,
    width=4,
    stages=(HintStage(name="both", steps=1, lr=3e-3, hints=True),),
)


def test_pooled_hints_are_means_of_what_is_given() -> None:
    hints = torch.zeros(1, 3, 4, 4)
    hints[0, :, 0, 0] = torch.tensor([0.5, -0.25, 1.0])
    hints[0, :, 1, 1] = torch.tensor([0.1, 0.25, 1.0])
    pooled = pooled_hints(hints, 2)
    assert pooled.shape == (1, 4, 2, 2)
    assert torch.allclose(pooled[0, :, 0, 0], torch.tensor([0.3, 0.0, 1.0, 0.5]))
    assert pooled[0, :, 0, 1].tolist() == [0, 0, 0, 0]
    assert torch.equal(pooled_hints(hints, 1), torch.cat([hints, hints[:, 2:]], dim=1))


def test_outputs_are_ab_and_classes_at_a_quarter() -> None:
    network = EncoderHintNetwork(ENCODER, 4, frozen_averages=False).eval()
    ab, classes = network(torch.rand(1, 4, 64, 96))
    assert ab.shape == (1, 2, 64, 96)
    assert classes.shape == (1, 529, 16, 24)
    assert ab.abs().max() <= 1


def test_attention_gives_nothing_without_hints_and_their_mean_with() -> None:
    attention = HintAttention(8)
    feature, hints = torch.rand(2, 8, 4, 6), torch.zeros(2, 4, 4, 6)
    assert attention(feature, hints).abs().max() == 0
    hints[1, :, 2, 3] = torch.tensor([0.5, -0.25, 1.0, 0.1])
    carried = attention(feature, hints).view(2, 4, 3, 4, 6)
    assert carried[0].abs().max() == 0
    weight = carried[1, :, 2]
    assert weight.min() > 0
    assert weight.max() < 1
    assert torch.allclose(carried[1, :, 0], 0.5 * weight)
    assert torch.allclose(carried[1, :, 1], -0.25 * weight)


def test_attention_follows_likeness_and_nearness() -> None:
    attention = HintAttention(2)
    nn.init.zeros_(attention.query.bias)
    nn.init.zeros_(attention.key.bias)
    for layer in (attention.query, attention.key):
        layer.weight.data.zero_()
        layer.weight.data[::16, 0] = 8.0  # the first number of every head's key
    feature = torch.ones(1, 2, 1, 16)
    feature[..., 8:] = -1.0  # two halves that are unlike
    hints = torch.zeros(1, 4, 1, 16)
    hints[0, :, 0, 0] = torch.tensor([1.0, 0.0, 1.0, 1.0])
    weight = attention(feature, hints).view(4, 3, 16)[:, 2]
    far_reaching, near = weight[0], weight[3]
    assert far_reaching[7] > 0.99 > 0.01 > far_reaching[8]
    assert near[0] > 0.99
    assert near[7] < near[1]


def test_a_picture_of_more_cells_than_attention_reaches_has_finite_colours() -> None:
    network = EncoderHintNetwork(ENCODER, 4, frozen_averages=False).eval()
    inputs = torch.rand(1, 4, 160, 160)  # 400 cells, all with hints
    inputs[:, 3] = 1
    with torch.no_grad():
        assert network(inputs)[0].isfinite().all()


@pytest.mark.parametrize(
    ("name", "classes", "colors", "trunk"),
    [("classify", True, True, "classes"), ("regress", True, True, "colors")],
)
def test_the_trunk_hears_the_loss_of_its_stage(name, classes, colors, trunk) -> None:
    method = Zhang17(SMALL).train()
    hinted = HintStage(name=name, steps=1, lr=1e-3, hints=False)
    terms = method.stage_losses(lab_batch(2, 64), hinted)
    silent = "huber_ab" if trunk == "classes" else "cross_entropy_ab"
    terms[silent].value.backward()
    encoder = method.generator.encoder
    assert all(p.grad is None or not p.grad.any() for p in encoder.parameters())
    terms[({"huber_ab", "cross_entropy_ab"} - {silent}).pop()].value.backward()
    assert any(p.grad is not None and p.grad.any() for p in encoder.parameters())


def test_averages_of_a_trained_encoder_stay() -> None:
    trained = EncoderHintNetwork(ENCODER, 4, frozen_averages=True).train()
    norms = [m for m in trained.encoder.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms
    assert not any(norm.training for norm in norms)


def test_training_makes_it_follow_hints() -> None:
    """After some steps a hint changes its own place to about its colour, and places far away."""
    torch.manual_seed(0)
    method = Zhang17(replace(SMALL, reveal_stop=0.2, reveal_all=0.3, weight_classes=0.1)).train()
    gray, stage = 0.2 + 0.6 * smooth_batch(2)["gray"], SMALL.stages[0]
    optimizer = method.optimizers()["generator"]
    for _ in range(40):
        ab = 60 * torch.rand(2, 2, 1, 1) - 30  # anew in each step, so that only hints tell it
        rgb = lab_to_rgb(torch.cat([100 * gray, ab.expand(-1, -1, 64, 64)], dim=1))
        optimizer.zero_grad()
        terms = method.stage_losses(Batch(rgb=rgb, gray=gray), stage)
        sum(term.weight * term.value for term in terms.values()).backward()
        optimizer.step()
    method.eval()
    results = []
    for b in (-25.0, 25.0):
        hints = points_to_hints([HintPoint(x=32, y=32, a=0, b=b, size=9)], 64, 64)
        with torch.no_grad():
            prediction = 110 * method.predict(Batch(gray=gray[:1], hints=hints))[0, 1]
        results.append((prediction[32, 32].item(), prediction[5, 5].item()))
    (low, far_low), (high, far_high) = results
    assert high - low > 20
    assert far_high - far_low > 5  # the colour is carried to the corner
