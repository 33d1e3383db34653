"""Zhang17: network, stages, whose gradient ends where, hints and suggestions."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from batches import lab_batch
from crosschroma.datasets.base.batch import Batch
from crosschroma.datasets.base.color import lab_to_rgb, rgb_to_lab
from crosschroma.datasets.base.errors import UserError
from crosschroma.models.color.hint_points import HintPoint, points_to_hints
from crosschroma.models.zhang17.method import HintStage, Zhang17
from crosschroma.models.zhang17.network import Zhang17Network

SMALL = Zhang17.Config(width=8)
TRUNK = (*(f"block{number}" for number in range(1, 9)), "up8", "skip8")
DECODER = ("up9", "skip9", "block9", "up10", "skip10", "block10", "colors")


class Recorder:
    """A step that keeps the terms and the gradients."""

    def __init__(self, index: int) -> None:
        self.index = index

    def backward(self, terms: dict, optimizer: str) -> None:
        self.terms = terms
        sum(term.weight * term.value for term in terms.values()).backward()

    def update(self, optimizer: str) -> None:
        assert optimizer == "generator"


def test_outputs_are_ab_and_classes_at_a_quarter() -> None:
    network = Zhang17Network(8).eval()
    ab, classes = network(torch.rand(1, 4, 64, 96))
    assert ab.shape == (1, 2, 64, 96)
    assert classes.shape == (1, 529, 16, 24)
    assert ab.abs().max() <= 1


def test_blocks_end_with_batchnorm_and_two_are_dilated() -> None:
    network = Zhang17Network(8)
    for number in range(1, 10):
        block = network.get_submodule(f"block{number}")
        norms = [m for m in block.modules() if isinstance(m, torch.nn.BatchNorm2d)]
        assert norms == [block[-1]]
        convolutions = [m for m in block.modules() if isinstance(m, torch.nn.Conv2d)]
        assert {c.dilation for c in convolutions} == {(2, 2) if number in (5, 6) else (1, 1)}
    assert not [m for m in network.block10.modules() if isinstance(m, torch.nn.BatchNorm2d)]


def test_common_blocks_see_every_second_pixel() -> None:
    """Without the skips, what blocks 2 to 8 see of block 1 is its even pixels."""
    network = Zhang17Network(8).eval()
    seen = []
    network.block2.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    whole = []
    network.block1.register_forward_hook(lambda module, given, out: whole.append(out))
    network(torch.rand(1, 4, 16, 16))
    assert torch.equal(seen[0], whole[0][..., ::2, ::2])


def gradients(config: Zhang17.Config, term: str) -> set[str]:
    """The parts of the generator that hear one term in the config's first stage."""
    torch.manual_seed(0)
    method = Zhang17(config).train()
    terms = method.stage_losses(lab_batch(), config.stages[0])
    terms[term].value.backward()
    return {
        name
        for name, part in method.generator.named_children()
        if any(p.grad is not None and p.grad.abs().sum() > 0 for p in part.parameters())
    }


def test_stages_decide_whom_the_common_blocks_hear() -> None:
    classify = replace(SMALL, stages=(HintStage(name="classify", steps=1, lr=1e-3, hints=False),))
    assert gradients(classify, "cross_entropy_ab") == {*TRUNK, "classes"}
    assert gradients(classify, "huber_ab") == set(DECODER)
    regress = replace(SMALL, stages=(HintStage(name="regress", steps=1, lr=1e-3, hints=True),))
    assert gradients(regress, "huber_ab") == {*TRUNK, *DECODER}
    assert gradients(regress, "cross_entropy_ab") == {"classes"}


def staged() -> Zhang17.Config:
    stages = (
        HintStage(name="classify", steps=10, lr=1e-3, hints=False),
        HintStage(name="regress", steps=5, lr=1e-4, hints=True),
        HintStage(name="regress", steps=5, lr=1e-5, hints=True),
    )
    return replace(SMALL, stages=stages)


def test_stages_follow_one_another_and_the_last_goes_on() -> None:
    method = Zhang17(staged())
    lrs = [method.schedule.stage(index).lr for index in (0, 9, 10, 14, 15, 19, 20, 1000)]
    assert lrs == [1e-3, 1e-3, 1e-4, 1e-4, 1e-5, 1e-5, 1e-5, 1e-5]
    factors = [method.rate_factor(index) for index in (9, 10, 15)]
    assert factors == pytest.approx([1, 0.1, 0.01])
    assert method.optimizers()["generator"].param_groups[0]["lr"] == 1e-3
    parts = [method.schedule_part(index, 30) for index in (9, 10, 15, 29)]
    assert parts == [range(10), range(10, 15), range(15, 30), range(15, 30)]
    assert method.schedule_part(3, 8) == range(8)


def test_hints_are_shown_in_the_stages_that_have_them() -> None:
    method = Zhang17(replace(staged(), reveal_all=1.0)).train()
    seen = []
    method.generator.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    batch = lab_batch()
    for index in (9, 10):
        method.training_step(batch, Recorder(index))
    without, given = seen
    ab = rgb_to_lab(batch["rgb"])[:, 1:]
    for planes in seen:
        torch.testing.assert_close(planes[:, :1], batch["gray"] - 0.5)
    assert without[:, 1:3].abs().sum() == 0
    assert without[:, 3].unique().tolist() == [-0.5]
    torch.testing.assert_close(given[:, 1:3], ab / 110)
    assert given[:, 3].unique().tolist() == [0.5]


def test_losses_are_huber_in_ab_units_and_the_class_of_every_fourth_pixel() -> None:
    torch.manual_seed(0)
    method = Zhang17(SMALL).eval()
    batch = lab_batch(1, 16, 16)
    terms = method.stage_losses(batch, HintStage(name="regress", steps=1, lr=1e-3, hints=False))
    given = torch.cat(
        [batch["gray"] - 0.5, torch.zeros(1, 2, 16, 16), -torch.ones(1, 1, 16, 16) / 2], 1
    )
    found, logits = method.generator(given)
    ab = rgb_to_lab(batch["rgb"])[:, 1:]
    error = (110 * found - ab).abs()
    huber = torch.where(error < 1, error.square() / 2, error - 0.5).sum(1).mean()
    torch.testing.assert_close(terms["huber_ab"].value, huber)
    logs = logits.log_softmax(1)
    expected = 0.0
    for row in range(4):
        for column in range(4):
            a, b = ((ab[0, :, 4 * row, 4 * column] / 10).round() + 11).int().tolist()
            expected -= logs[0, 23 * a + b, row, column].item() / 16
    assert terms["cross_entropy_ab"].value.item() == pytest.approx(expected, rel=1e-4)


def test_pixels_that_do_not_count_teach_nothing() -> None:
    method = Zhang17(SMALL).eval()
    stage = HintStage(name="regress", steps=1, lr=1e-3, hints=False)
    batch = lab_batch(1, 16, 16)
    batch["valid"] = torch.zeros(1, 1, 16, 16)
    batch["valid"][..., :8] = 1
    before = method.stage_losses(batch, stage)
    batch["rgb"] = batch["rgb"].clone()
    batch["rgb"][..., 8:] = 0.5
    after = method.stage_losses(batch, stage)
    for name, term in before.items():
        assert term.value.item() == pytest.approx(after[name].value.item()), name
        assert term.value > 0


def test_odd_sizes_can_be_trained_on() -> None:
    method = Zhang17(SMALL).train()
    step = Recorder(0)
    method.training_step(lab_batch(2, 35, 45), step)
    assert set(step.terms) == {"huber_ab", "cross_entropy_ab"}


def test_l1_is_the_released_codes_loss() -> None:
    method = Zhang17(replace(SMALL, loss="l1")).eval()
    batch = lab_batch(1, 16, 16)
    stage = HintStage(name="regress", steps=1, lr=1e-3, hints=False)
    term = method.stage_losses(batch, stage)["l1_ab"]
    ab_hat = 110 * method.predict(batch)
    expected = (ab_hat - rgb_to_lab(batch["rgb"])[:, 1:]).abs().sum(1).mean()
    torch.testing.assert_close(term.value, expected)
    assert term.weight == pytest.approx(10 / 110)


def test_colorize_takes_hints_when_given() -> None:
    torch.manual_seed(0)
    method = Zhang17(SMALL).eval()
    batch = lab_batch(1, 33, 47)
    none = torch.zeros(1, 3, 33, 47)
    points = points_to_hints([HintPoint(x=20, y=9, a=60, b=-50, size=9)], 33, 47)
    automatic = method.colorize(batch)
    assert torch.equal(method.colorize(Batch(**batch, hints=none)), automatic)
    hinted = method.colorize(Batch(**batch, hints=points))
    assert hinted.shape == automatic.shape
    assert (hinted - automatic).abs().max() > 1e-3


def test_the_mask_of_weights_from_caffe_is_not_centred() -> None:
    seen = []
    for center in (0.5, 0.0):
        method = Zhang17(replace(SMALL, mask_center=center)).eval()
        method.generator.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
        method.predict(lab_batch(1, 16, 16))
    assert [planes[:, 3].unique().tolist() for planes in seen] == [[-0.5], [0.0]]


def test_hinted_colours_are_learnt() -> None:
    """Gray squares of one of two colours: only the hint tells which, and it is obeyed."""
    torch.manual_seed(0)
    stages = (HintStage(name="regress", steps=1, lr=3e-3, hints=True),)
    method = Zhang17(replace(SMALL, stages=stages, reveal_stop=0.1))
    optimizer = method.optimizers()["generator"]
    colors = torch.tensor([[30.0, 30.0], [-30.0, -30.0]])
    for _ in range(60):
        method.train().training_step(plain(colors[torch.randperm(2)]), Recorder(0))
        optimizer.step()
        optimizer.zero_grad()
    method.eval()
    gray = plain(colors)["gray"]
    for number, (a, b) in enumerate(colors.tolist()):
        hints = points_to_hints([HintPoint(x=8, y=8, a=a, b=b, size=5)], 16, 16)
        made = 110 * method.predict(Batch(gray=gray[number : number + 1], hints=hints))
        assert (made.mean((0, 2, 3)) - colors).square().sum(1).argmin() == number


def plain(ab: torch.Tensor) -> Batch:
    lab = torch.cat([torch.full((len(ab), 1), 60.0), ab], 1)[..., None, None].expand(-1, -1, 16, 16)
    rgb = lab_to_rgb(lab)
    return Batch(key=["plain"] * len(ab), rgb=rgb, gray=rgb_to_lab(rgb)[:, :1] / 100)


def test_global_hints_are_added_to_the_fourth_block() -> None:
    torch.manual_seed(0)
    method = Zhang17(replace(SMALL, global_hints=True)).eval()
    assert (
        list(method.networks()) == ["generator", "global_network"] == [*method.inference_networks]
    )
    seen, fourth = [], []
    method.generator.block4.register_forward_hook(lambda m, given, out: fourth.append(out))
    method.generator.block5.register_forward_pre_hook(lambda m, given: seen.append(given[0]))
    given = torch.rand(1, 316)
    batch = lab_batch(1, 16, 16)
    method.colorize(Batch(**batch, global_hints=given))
    method.colorize(batch)
    for index, hints in enumerate((given, torch.zeros(1, 316))):
        torch.testing.assert_close(seen[index], fourth[index] + method.global_network(hints))


def test_stages_without_hints_leave_the_global_network_as_it_was() -> None:
    """Else its BatchNorm would average over a constant, and automatic colours would shift."""
    config = replace(staged(), global_hints=True, drop_global=0.0)
    method = Zhang17(config).train()
    before = {n: value.clone() for n, value in method.global_network.state_dict().items()}
    method.training_step(lab_batch(), Recorder(0))
    assert all(torch.equal(before[n], v) for n, v in method.global_network.state_dict().items())
    method.training_step(lab_batch(), Recorder(10))
    assert any(not torch.equal(before[n], v) for n, v in method.global_network.state_dict().items())


def test_suggestions_are_of_the_pixel_that_is_named() -> None:
    torch.manual_seed(0)
    method = Zhang17(SMALL).eval()
    batch = lab_batch(1, 27, 38)
    assert method.class_logits(batch).shape == (1, 529, 7, 10)
    peaks = torch.full((1, 529, 7, 10), -1e4)
    peaks[:, 23 * 11 + 11] = 0.0  # gray
    peaks[0, 23 * 11 + 11, 2, 5], peaks[0, 23 * 16 + 14, 2, 5] = -1e4, 0.0  # a 50, b 30
    method.class_logits = lambda batch: peaks
    for x, y in ((20, 8), (21, 9), (19, 7)):
        [found] = method.suggest(batch, x, y)
        assert found.a > 20
        assert found.b > 10
    for x, y in ((16, 8), (23, 8), (20, 11), (37, 26)):
        [found] = method.suggest(batch, x, y)
        assert abs(found.a) < 2
    lightness = batch["gray"][0, 0, 26, 37].item()
    rgb = torch.tensor(method.suggest(batch, 37, 26)[0].rgb).view(1, 3, 1, 1) / 255
    assert rgb_to_lab(rgb)[0, 0].item() == pytest.approx(100 * lightness, abs=0.6)


def test_suggestions_heed_the_hints_so_far() -> None:
    torch.manual_seed(0)
    method = Zhang17(SMALL).eval()
    batch = lab_batch(1, 32, 32)
    hints = points_to_hints([HintPoint(x=16, y=16, a=60, b=60, size=9)], 32, 32)
    assert not torch.equal(
        method.class_logits(batch), method.class_logits(Batch(**batch, hints=hints))
    )


def test_suggestions_outside_the_picture_are_refused() -> None:
    with pytest.raises(UserError, match="x 40, y 3 lies outside the picture, which is 40 wide"):
        Zhang17(SMALL).eval().suggest(lab_batch(1), 40, 3)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Zhang17(Zhang17.Config(stages=())), "no stage trains"),
        (lambda: Zhang17.Config(reveal_stop=0.0), "reveal-stop 0.0"),
        (lambda: Zhang17.Config(reveal_all=1.5), "reveal-all 1.5"),
        (lambda: Zhang17.Config(drop_global=-1), "drop-global -1"),
        (
            lambda: HintStage(name="classify", steps=0, lr=1e-3, hints=False),
            "steps 0: must be",
        ),
        (
            lambda: HintStage(name="classify", steps=1, lr=0.0, hints=False),
            "lr 0.0: must be",
        ),
    ],
)
def test_settings_are_checked(make, text: str) -> None:
    with pytest.raises(UserError, match=text):
        make()
