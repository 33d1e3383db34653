"""NoGAN: the critic, the phases, whose turn it is, growing pictures."""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from crosschroma.datasets.base.batch import Batch
from crosschroma.datasets.base.color import rgb_to_lab
from crosschroma.datasets.base.errors import UserError
from crosschroma.models.nogan.critic import Critic
from crosschroma.models.nogan.method import NoGan, Phase, shrunk

PHASES = tuple(Phase(name=n, steps=10, lr=1e-3, size=64) for n in ("generator", "critic", "gan"))
SMALL = replace(NoGan.Config(), critic_width=4).smoke()
SMALL = replace(SMALL, phases=PHASES, critic_width=4, weight_decay=0.0)


def make_batch(side: int = 64, count: int = 2) -> Batch:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, 3, 4, 4, generator=generator)
    rgb = torch.nn.functional.interpolate(coarse, (side, side), mode="bilinear")
    keys = [str(index) for index in range(count)]
    return Batch(key=keys, rgb=rgb, gray=rgb_to_lab(rgb)[:, :1] / 100)


class Recorder:
    """A step that trains, and notes what was updated and frozen."""

    def __init__(self, method: NoGan, index: int = 0) -> None:
        self.method, self.index, self.optimizers = method, index, method.optimizers()
        self.updated: list[str] = []
        self.rested: tuple[str, ...] = ()
        self.terms: dict = {}

    def backward(self, terms: dict, optimizer: str) -> None:
        self.terms = terms
        sum(term.weight * term.value for term in terms.values()).backward()

    def update(self, optimizer: str) -> None:
        self.updated.append(optimizer)
        self.optimizers[optimizer].step()
        self.method.zero_grad()

    @contextmanager
    def frozen(self, *networks: str):
        self.rested = networks
        modules = [self.method.get_submodule(name) for name in networks]
        for module in modules:
            module.requires_grad_(False)
        yield
        for module in modules:
            module.requires_grad_(True)


@pytest.fixture
def method() -> NoGan:
    torch.manual_seed(0)
    return NoGan(SMALL).train()


def run(method: NoGan, indices: range, batch: Batch | None = None) -> list[str]:
    """Train some steps; the optimisers in turn."""
    step = Recorder(method)
    for step.index in indices:
        method.train().training_step(batch or make_batch(), step)
    return step.updated


def test_critic_is_fastais() -> None:
    critic = Critic(4, 0.15).eval()
    assert [critic(torch.rand(1, 3, side, side)).shape[-1] for side in (64, 128, 192)] == [1, 5, 9]
    critic = Critic(8, 0.15)
    w = [8, 16, 32, 64]
    expected = 3 * 16 * w[0] + w[0] + 9 * w[3] ** 2 + w[3] + 16 * w[3]
    for before, after in itertools.pairwise(w):
        expected += 9 * before**2 + before + 16 * before * after + after
    expected += 2 * w[1] * (w[1] // 8) + w[1] ** 2 + 1  # attention after the first block
    assert sum(p.numel() for p in critic.parameters()) == expected
    dropouts = [m.p for m in critic.modules() if isinstance(m, torch.nn.Dropout2d)]
    assert dropouts == [0.075, 0.15, 0.15, 0.15]


def test_critics_kernels_have_spectral_norm_one() -> None:
    critic = Critic(8, 0.0).train()
    for _ in range(25):
        critic(torch.rand(1, 3, 64, 64))
    for module in critic.modules():
        if isinstance(module, torch.nn.Conv2d):
            norm = torch.linalg.matrix_norm(module.weight.flatten(1), 2)
            assert norm.item() == pytest.approx(1, abs=0.05)


def states(method: NoGan) -> dict[str, dict[str, torch.Tensor]]:
    return {
        name: {key: value.clone() for key, value in network.state_dict().items()}
        for name, network in method.networks().items()
    }


def changed(before: dict, after: dict) -> list[str]:
    """Networks of which anything, running averages too, is not what it was."""
    return [
        name
        for name, state in after.items()
        if any(not torch.equal(value, before[name][key]) for key, value in state.items())
    ]


def test_phases_train_the_one_then_the_other(method: NoGan) -> None:
    before = states(method)
    assert run(method, range(1)) == ["pretrain"]
    after = states(method)
    assert any(not torch.equal(v, before["generator"][n]) for n, v in after["generator"].items())
    assert all(
        torch.equal(v, before["discriminator"][n]) for n, v in after["discriminator"].items()
    )
    assert run(method, range(10, 11)) == ["critic"]
    last = states(method)
    assert all(torch.equal(v, after["generator"][n]) for n, v in last["generator"].items())
    assert any(
        not torch.equal(v, after["discriminator"][n]) for n, v in last["discriminator"].items()
    )


def test_the_critic_learns_from_true_pictures_and_made_ones(method: NoGan) -> None:
    batch, seen = make_batch(), []
    made = method.eval().colorize(batch)
    method.discriminator.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    step = Recorder(method, 10)
    method.train().training_step(batch, step)
    real, fake = seen
    assert torch.equal(real, batch["rgb"])
    # colours outside sRGB are clipped for the critic and lose chroma for a user
    assert (fake - made).abs().mean() < 0.01
    assert (fake - batch["rgb"]).abs().mean() > 0.05
    assert list(step.terms) == ["critic/adv_d"]


def test_a_critic_that_succeeds_gives_every_other_step_to_the_generator(method: NoGan) -> None:
    method.config = replace(SMALL, threshold=1e6)
    assert run(method, range(20, 25)) == ["discriminator", "generator"] * 2 + ["discriminator"]


def test_a_critic_that_fails_goes_on(method: NoGan) -> None:
    method.config = replace(SMALL, threshold=0.0)
    assert run(method, range(20, 24)) == ["discriminator"] * 4


def test_the_threshold_is_on_the_loss_of_the_step_before(method: NoGan) -> None:
    losses = iter([0.7, 0.6, 0.9, 0.66, 0.64, 0.1])
    train = NoGan._train_critic

    def told(*given):
        return train(method, *given) * 0 + next(losses)

    method._train_critic = told
    critic, generator = ["discriminator"], ["generator"]
    # .7: on; .6: turn; .9: on; .66: on; .64: turn; .1
    expected = 2 * critic + generator + 3 * critic + generator + critic
    assert run(method, range(20, 28)) == expected


def test_a_gan_phase_begins_with_the_critic(method: NoGan) -> None:
    method.config = replace(SMALL, threshold=1e6)
    assert run(method, range(20, 22)) == ["discriminator", "generator"]
    assert run(method, range(22, 23)) == ["discriminator"]
    # the generator's turn would be next, but a critic's phase has come between
    assert run(method, range(40, 42)) == ["discriminator", "generator"]


def test_micro_batches_of_a_step_have_one_turn_and_their_mean_decides(method: NoGan) -> None:
    losses = iter([0.2, 1.0, 0.2, 1.2])
    train = NoGan._train_critic

    def told(*given):
        return train(method, *given) * 0 + next(losses)

    method._train_critic = told
    step = Recorder(method)
    for step.index in (20, 20, 21, 21):  # means .6 and .7, of which the last alone says nothing
        method.training_step(make_batch(), step)
    assert step.updated == ["discriminator"] * 2 + ["generator"] * 2
    for step.index in (22, 22, 23):
        method._train_critic = told if step.index == 22 else lambda *given: torch.tensor(0.0)
        method.training_step(make_batch(), step)
    assert step.updated[4:] == ["discriminator"] * 2  # .7: the critic's again


def test_content_weighs_more_beside_the_critic(method: NoGan) -> None:
    batch, step = make_batch(), Recorder(method)
    method.config = replace(SMALL, threshold=1e6)
    method.training_step(batch, step)
    assert list(step.terms) == ["generator/l1"]
    assert step.terms["generator/l1"].weight == 1
    for step.index in (20, 21):
        method.training_step(batch, step)
    weights = {name: term.weight for name, term in step.terms.items()}
    assert weights == {"gan/adv_g": 1, "gan/l1": 1.5}
    assert step.rested == ("discriminator",)


def test_pictures_are_shrunk_to_the_phase(method: NoGan) -> None:
    phases = tuple(
        Phase(name=n, steps=1, lr=1e-3, size=s)
        for n, s in (("generator", 32), ("generator", 64), ("critic", 64), ("gan", 96))
    )
    method = NoGan(replace(SMALL, phases=phases))
    seen = []
    method.generator.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    run(method, range(4), make_batch(96))
    assert [given.shape[-1] for given in seen] == [32, 64, 64, 96]


def test_shrunk_pictures_have_their_own_luminance() -> None:
    batch = make_batch(96)
    batch["nir"] = batch["rgb"][:, :1]
    batch["valid"] = torch.ones(2, 1, 96, 96)
    batch["valid"][..., :30] = 0
    small = shrunk(batch, Phase(name="generator", steps=1, lr=1e-3, size=32))
    torch.testing.assert_close(small["gray"], rgb_to_lab(small["rgb"])[:, :1] / 100)
    assert small["nir"].shape == small["valid"].shape == (2, 1, 32, 32)
    means = [rgb.mean((2, 3)) for rgb in (small["rgb"], batch["rgb"])]
    torch.testing.assert_close(*means, atol=5e-3, rtol=0)
    assert small["valid"].unique().tolist() == [0, 1]
    assert not small["valid"][..., :10].any()
    assert small["valid"][..., 12:].all()
    assert shrunk(batch, Phase(name="gan", steps=1, lr=1e-3, size=96)) is batch
    wide = {name: plane[..., :48, :] for name, plane in batch.items() if name != "key"}
    out = shrunk(Batch(key=batch["key"], **wide), Phase(name="generator", steps=1, lr=1, size=24))
    assert out["rgb"].shape[-2:] == (24, 48)


def test_pictures_too_small_for_a_phase_name_the_view(method: NoGan) -> None:
    with pytest.raises(UserError, match=r"at 64 pixels.* have 48; set --train-view\.size 64"):
        method.training_step(make_batch(48), Recorder(method))


def test_rates_are_those_of_the_phase_with_a_slow_encoder_and_a_fast_critic() -> None:
    phases = (replace(PHASES[0], lr=1e-3), replace(PHASES[2], lr=2e-5))
    method = NoGan(replace(SMALL, phases=phases, encoder_lr=0.1))
    rates = {n: [g["lr"] for g in o.param_groups] for n, o in method.optimizers().items()}
    assert rates["pretrain"] == pytest.approx([1e-3, 1e-4])
    assert rates["critic"] == rates["generator"] == [1e-3]
    assert rates["discriminator"] == pytest.approx([5e-3])
    assert [method.rate_factor(index) for index in (0, 10)] == pytest.approx([1, 0.02])
    assert method.schedule_part(12, 30) == range(10, 30)
    encoder = {id(p) for p in method.generator.get_submodule("encoder").parameters()}
    groups = method.optimizers()["pretrain"].param_groups
    assert {id(p) for p in groups[1]["params"]} == encoder
    assert not encoder & {id(p) for p in groups[0]["params"]}


def test_defaults_are_deoldifys() -> None:
    config = NoGan.Config()
    sizes = [phase.size for phase in config.phases if phase.name == "generator"]
    assert sizes == sorted(sizes) == [64, 64, 128, 192]
    names = [phase.name for phase in config.phases[4:]]
    assert names == ["critic"] + ["critic", "gan"] * 3
    assert (config.threshold, config.critic_lr, config.weight_content) == (0.65, 5, 1.5)
    assert config.extra.layers == (("relu3_3", 20), ("relu4_3", 70), ("relu5_3", 10))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Phase(name="critic", steps=1, lr=1e-3, size=63), "critic: 63 pixels; .* 64"),
        (lambda: Phase(name="generator", steps=1, lr=1e-3, size=0), "size 0: must be 1 to"),
        (lambda: Phase(name="gan", steps=0, lr=1e-3, size=64), "steps 0: must be at least 1"),
        (lambda: NoGan(replace(SMALL, phases=())), "no stage trains anything"),
    ],
)
def test_settings_are_checked(make, text: str) -> None:
    with pytest.raises(UserError, match=text):
        make()
