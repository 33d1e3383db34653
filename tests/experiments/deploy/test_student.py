"""A student: what it learns from whom, at which resolution, and what pruning's zeros do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
import torch
import torch.nn.functional as F
from crosschroma.datasets.base.batch import Batch
from crosschroma.datasets.base.color import rgb_to_lab
from crosschroma.datasets.base.errors import UserError
from crosschroma.experiments.artifacts.checkpoint import (
    load_checkpoint,
    load_trained,
    save_checkpoint,
    weights_sha256,
)
from crosschroma.experiments.artifacts.weights_file import load_weights_file, ship
from crosschroma.experiments.experiment import Experiment, Hardware
from crosschroma.experiments.training.engine import fit
from crosschroma.losses.distillation import distillation_kl
from crosschroma.losses.terms import total
from crosschroma.models.base import weights
from crosschroma.models.base.domain import DomainName, network_target
from crosschroma.models.base.extra_losses import ExtraLosses
from crosschroma.models.base.weights import BEST
from crosschroma.models.encoder_unet import EncoderUNet
from crosschroma.models.pix2pix import Pix2Pix
from crosschroma.models.student import Student
from crosschroma.models.unet import UNet
from crosschroma.models.zhang16.method import Zhang16
from torch import nn

HARDWARE = Hardware(accelerator="cpu", workers=0)
SMALL = UNet.Config(domain="nir", width=2, levels=1, norm="none")


def make_batch(size: int = 32, count: int = 2) -> Batch:
    rgb = torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0))
    return Batch(
        key=["image"] * count,
        rgb=rgb,
        gray=rgb_to_lab(rgb)[:, :1] / 100,
        nir=rgb.mean(1, keepdim=True),
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("teachers")


@pytest.fixture
def teacher(runs: Path, unet: Experiment) -> Path:
    """The folder of a trained run of ``unet``'s method."""
    path = runs / "unet"
    if not path.exists():
        fit(unet, path, HARDWARE)
    return path


def taught(teacher: Path, unet: Experiment, **settings) -> Student:
    config = Student.Config(
        student=SMALL, teacher=unet.method, teacher_weights=str(teacher), **settings
    )
    torch.manual_seed(0)
    method = config.build()
    assert isinstance(method, Student)
    return method


def test_the_losses_are_those_of_their_formulas(teacher: Path, unet: Experiment) -> None:
    batch, own = make_batch(), load_trained(teacher).method
    assert isinstance(own, UNet)
    soft, truth = own.predict(batch).detach(), network_target("nir", batch)
    method = taught(teacher, unet, loss="l1", alpha=0.3)
    assert "unet of" in method.load_losses()
    output = method.predict(batch)
    expected = 0.3 * (output - soft).abs().mean() + 0.7 * (output - truth).abs().mean()
    torch.testing.assert_close(total(method.losses(batch), 0), expected)
    for axis in ("channels", "pixels"):
        method = taught(teacher, unet, loss="kl", alpha=0.3, temperature=2.0, axis=axis)
        method.load_losses()
        terms = method.losses(batch)
        assert sorted(terms) == ["kl_teacher", "mse_rgb"]
        output = method.predict(batch)
        taught_kl = distillation_kl(output, soft, 2.0, axis)
        expected = 0.3 * taught_kl + 0.7 * (output - truth).square().mean()
        torch.testing.assert_close(total(terms, 0), expected)


@pytest.mark.parametrize("which", ["best", "last"])
def test_a_teacher_and_a_start_are_the_weights_that_evaluation_takes(
    which: Literal["best", "last"], unet: Experiment, tmp_path: Path
) -> None:
    """Those that the run's own settings name as its result."""
    experiment = replace(unet, training=replace(unet.training, result=which))
    fit(experiment, tmp_path, HARDWARE)
    state = load_checkpoint(tmp_path / BEST)
    for value in state["inference"]["generator"].values():
        value += 1  # so that best and last differ
    save_checkpoint(tmp_path / BEST, state)
    expected = load_trained(tmp_path)
    assert expected.path.name == f"{which}.pt"
    config = Student.Config(
        student=unet.method,
        teacher=unet.method,
        teacher_weights=str(tmp_path),
        start=str(tmp_path),
    )
    method = config.build()
    assert isinstance(method, Student)
    assert f"{which}.pt" in method.load_losses()
    assert f"{which}.pt" in method.load_pretrained()
    assert method.teacher.method is not None
    for network in (method.generator, method.teacher.method.get_submodule("generator")):
        assert weights_sha256({"generator": network.state_dict()}) == expected.weights_sha256


def test_shipped_weights_teach_by_their_name(
    teacher: Path, unet: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = ship(teacher, tmp_path)
    monkeypatch.setattr(weights, "shipped_weights", lambda: {"a_teacher": file})
    method = taught(Path("a_teacher"), unet)
    assert str(file) in method.load_losses()
    assert method.config.learnt_from == "teacher unet (a_teacher)"
    assert method.teacher.method is not None
    network = method.teacher.method.get_submodule("generator")
    expected = load_weights_file(file).weights_sha256
    assert weights_sha256({"generator": network.state_dict()}) == expected
    wrong = taught(Path("b_teacher"), unet)
    with pytest.raises(UserError, match=r"--method\.teacher-weights b_teacher: .*no run b_teacher"):
        wrong.load_losses()


def test_without_a_teacher_the_truth_is_all(unet: Experiment) -> None:
    method = Student.Config(student=SMALL, teacher=unet.method, alpha=0.9).build()
    assert method.load_losses() == ""
    batch = make_batch()
    (term,) = method.losses(batch).values()
    error = (method.predict(batch) - network_target("nir", batch)).abs().mean()
    torch.testing.assert_close(total({"only": term}, 0), error)


def test_the_teacher_is_frozen_and_in_no_list(teacher: Path, unet: Experiment) -> None:
    method = taught(teacher, unet)
    with pytest.raises(UserError, match="loaded where training starts"):
        method.losses(make_batch())
    method.load_losses()
    before = {name: value.clone() for name, value in method.teacher.state_dict().items()}
    assert list(method.networks()) == ["generator"]
    assert sum(method.parameter_counts().values()) == sum(
        p.numel() for p in SMALL.build().parameters()
    )
    optimizer = method.optimizers()["generator"]
    method.train()
    total(method.losses(make_batch()), 0).backward()
    optimizer.step()
    assert not method.teacher.training
    assert all(p.grad is None for p in method.teacher.parameters())
    for name, value in method.teacher.state_dict().items():
        assert torch.equal(value, before[name])


def test_a_teacher_sees_what_inference_would(teacher: Path, unet: Experiment) -> None:
    method = taught(teacher, unet)
    method.load_losses()
    batch = make_batch()
    alone = Batch(key=batch["key"], nir=batch["nir"])
    assert torch.equal(method.teacher(batch), method.teacher(alone))


def test_a_teacher_brings_no_networks_of_training(tmp_path: Path, pix2pix: Experiment) -> None:
    """Neither its discriminator nor the networks of its losses, whose weights are not here."""
    fit(replace(pix2pix, training=replace(pix2pix.training, steps=1)), tmp_path, HARDWARE)
    teacher = replace(pix2pix.method, extra=ExtraLosses(lpips=1.0))
    student = replace(SMALL, domain="gray")
    config = Student.Config(student=student, teacher=teacher, teacher_weights=str(tmp_path))
    method = config.build()
    assert "pix2pix" in method.load_losses()
    assert isinstance(method.teacher.method, Pix2Pix)
    generator = sum(p.numel() for p in method.teacher.method.generator.parameters())
    assert sum(p.numel() for p in method.teacher.parameters()) == generator


@pytest.mark.parametrize("domain", ["nir", "gray"])
def test_the_generator_sees_a_reduced_plane(domain: DomainName) -> None:
    student = UNet.Config(domain=domain, width=2, levels=2)
    method = Student.Config(student=student, scale=4).build().eval()
    seen = []
    method.generator.register_forward_hook(lambda _, given, __: seen.append(given[0]))
    batch = make_batch(64)
    assert method.stride == 16
    assert method.predict(batch).shape[-2:] == (64, 64)
    torch.testing.assert_close(seen[0], F.avg_pool2d(2 * batch[domain] - 1, 4))


def test_the_planes_edges_come_back_in_the_output() -> None:
    """A generator whose output is a line over its input: at full size it is that line again."""
    method = Student.Config(student=SMALL, scale=4).build()
    method.generator = nn.Conv2d(1, 3, 1)
    nn.init.constant_(method.generator.weight, 0.5)
    nir = torch.zeros(1, 1, 64, 64)
    nir[..., 30:] = 1.0
    output = method.predict(Batch(key=["edge"], nir=nir))
    exact = method.generator(2 * nir - 1)
    plain = F.interpolate(F.avg_pool2d(exact, 4), size=(64, 64), mode="bilinear")
    assert (output - exact).abs().mean() < 0.3 * (plain - exact).abs().mean()


def test_zeros_of_a_pruned_start_stay(teacher: Path, unet: Experiment, tmp_path: Path) -> None:
    """Through the engine, with weight decay's optimiser state, averages and a resumed run."""
    state = load_checkpoint(teacher / "last.pt")
    for value in state["networks"]["generator"].values():
        if value.ndim > 1:
            value *= torch.arange(value.numel()).view(value.shape) % 2
    save_checkpoint(tmp_path / "pruned.pt", state)
    config = Student.Config(
        student=unet.method,
        teacher=unet.method,
        teacher_weights=str(teacher),
        start=str(tmp_path / "pruned.pt"),
        sparse=True,
    )
    training = replace(unet.training, steps=2, ema_decay=0.5)
    experiment = replace(unet, name="sparse", method=config, training=training)
    fit(experiment, tmp_path / "run", HARDWARE)
    longer = replace(experiment, training=replace(training, steps=4))
    fit(longer, tmp_path / "run", HARDWARE, resume=True)
    tuned = load_trained(tmp_path / "run").method.get_submodule("generator").state_dict()
    start = state["networks"]["generator"]
    for name, value in tuned.items():
        assert not torch.equal(value, start[name])
        if value.ndim > 1:
            assert torch.equal(value == 0, start[name] == 0)
    dense = replace(experiment, method=replace(config, sparse=False))
    fit(dense, tmp_path / "dense", HARDWARE)
    grown = load_trained(tmp_path / "dense").method.get_submodule("generator").state_dict()
    assert any((value != 0).all() for value in grown.values() if value.ndim > 1)


def test_a_run_holds_no_teacher_and_needs_none(
    teacher: Path, unet: Experiment, tmp_path: Path
) -> None:
    config = Student.Config(student=SMALL, teacher=unet.method, teacher_weights=str(teacher))
    assert config.learnt_from == "teacher unet (unet)"
    fit(replace(unet, name="student", method=config), tmp_path / "run", HARDWARE)
    state = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    assert list(state["networks"]) == ["generator"]
    moved = replace(config, teacher_weights=str(tmp_path / "gone"))
    trained = load_trained(tmp_path / "run")
    other = moved.build()
    other.generator.load_state_dict(trained.method.get_submodule("generator").state_dict())
    batch = make_batch()
    assert torch.equal(other.eval().colorize(batch), trained.method.colorize(batch))


def test_what_does_not_fit_is_named(teacher: Path, unet: Experiment, tmp_path: Path) -> None:
    def student(**settings) -> Student.Config:
        return Student.Config(**{"student": SMALL, "teacher": unet.method, **settings})

    for config, text in (
        (student(teacher_weights=str(tmp_path / "none")), "no checkpoint with a generator"),
        (
            student(teacher=replace(unet.method, width=8), teacher_weights=str(teacher)),
            "does not fit the settings --method.teacher",
        ),
        (
            student(teacher=UNet.Config(domain="gray"), teacher_weights=str(teacher)),
            "unet, is for gray and the student for nir",
        ),
    ):
        with pytest.raises(UserError, match=text):
            config.build().load_losses()
    with pytest.raises(UserError, match="does not fit the settings --method"):
        student(start=str(teacher)).build().load_pretrained()
    pretrained = EncoderUNet.Config(encoder_weights=str(tmp_path / "gone.pth"))
    with pytest.raises(UserError, match=r"gone\.pth"):
        student(student=pretrained).build().load_pretrained()
    with pytest.raises(UserError, match="zhang16 is not one generator alone"):
        student(student=Zhang16.Config()).build()
    with pytest.raises(UserError, match="alpha 2"):
        student(alpha=2.0).build()


def test_what_it_has_learnt_from() -> None:
    pretrained = EncoderUNet.Config(encoder_weights="/weights/encoder.pth")
    config = Student.Config(student=pretrained, teacher=UNet.Config(domain="nir"))
    assert config.learnt_from == "encoder squeezenet1_0: encoder.pth"
    taught = replace(config, teacher_weights="runs/teacher")
    assert taught.learnt_from == "teacher unet (teacher); encoder squeezenet1_0: encoder.pth"
    twice = replace(taught, teacher=pretrained)
    assert twice.learnt_from.count("encoder.pth") == 1
    started = replace(config, start="runs/before/best.pt")
    assert started.learnt_from == "starts from before"


def test_at_a_scale_nir_keeps_faint_detail() -> None:
    method = Student.Config(student=SMALL, teacher=SMALL, scale=4).build().eval()
    method.generator = _Copy()
    cells = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    faint = 0.5 + 0.06 * F.interpolate(cells, scale_factor=4)
    small = F.interpolate(F.avg_pool2d(faint, 4), scale_factor=4, mode="bilinear")
    with torch.no_grad():
        out = method.predict(Batch(key=["image"], nir=faint))
    shown = ((out + 1) / 2 - small)[:, :1].flatten()
    detail = (faint - small).flatten()
    assert shown @ detail / (detail @ detail) > 0.5


class _Copy(nn.Module):
    def forward(self, plane: torch.Tensor) -> torch.Tensor:
        return plane.expand(-1, 3, -1, -1)
