"""Exported files: the same pictures at any size, or no file and the reason why."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from crosschroma.datasets.base.errors import DataError, UserError
from crosschroma.experiments import cli, recipe_list
from crosschroma.experiments.artifacts import weights_file
from crosschroma.experiments.artifacts.checkpoint import Trained
from crosschroma.experiments.deploy import export
from crosschroma.experiments.deploy.export import ExportFormat, inference_colors
from crosschroma.experiments.deploy.sample_planes import sample_planes
from crosschroma.experiments.inference import exported_file, fold_batchnorm
from crosschroma.experiments.inference.colorizer import Colorizer
from crosschroma.experiments.inference.parity import parity
from crosschroma.experiments.settings import to_plain
from crosschroma.models.encoder_unet import EncoderUNet
from crosschroma.models.pix2pix import Pix2Pix
from crosschroma.models.unet import UNet, UNetGenerator
from networks import different_networks
from pictures import smooth_picture
from PIL import Image
from torch import nn

FORMATS: tuple[ExportFormat, ...] = ("onnx", "torchscript", "safetensors")
CONFIGS = {
    "unet": UNet.Config(domain="nir", width=4, levels=3),
    "pix2pix": Pix2Pix.Config(domain="gray", width=4, levels=5, discriminator_width=4),
    "mirrored": EncoderUNet.Config(domain="gray", width=4, encoder_weights="none"),
}


def ship(folder: Path, config) -> Path:
    """Weights of a method that is not trained, but whose norms have seen something."""
    torch.manual_seed(0)
    method = config.build()
    for module in method.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            # not He's gain: CoColor's networks in a row would make much of a rounding error
            nn.init.kaiming_normal_(module.weight, nonlinearity="linear")
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.3, 0.3)
            nn.init.uniform_(module.running_var, 0.3, 2.0)
            nn.init.uniform_(module.weight, 0.5, 2.0)
    experiment = recipe_list.load_recipe("unet_scenes_gray")
    experiment = replace(
        experiment,
        name="tiny",
        method=config,
        eval_view=replace(experiment.eval_view, size=96),
    )
    trained = Trained(
        method=method,
        experiment=experiment,
        step=1,
        steps=1,
        train_s=0.0,
        starts=[],
        weights_sha256="0" * 64,
        path=folder,
    )
    path = folder / "tiny.safetensors"
    path.write_bytes(weights_file.packed(trained, half=False))
    return path


@pytest.fixture(params=sorted(CONFIGS))
def weights(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return ship(tmp_path, CONFIGS[request.param])


@pytest.mark.parametrize("to", FORMATS)
def test_the_file_paints_what_the_method_paints(weights: Path, tmp_path: Path, to) -> None:
    """Through ``Colorizer``, at sizes that the export has not seen."""
    if to == "onnx":
        pytest.importorskip("onnx")
        pytest.importorskip("onnxruntime")
    report = export.export(weights, to, tmp_path / "out")
    assert report.path == tmp_path / "out" / f"tiny{export.SUFFIXES[to]}"
    assert report.parity_db >= export.REQUIRED_DB
    assert report.pictures == 7
    assert report.kept == 0 or to == "safetensors"
    ours, theirs = Colorizer.load(weights), Colorizer.load(report.path, trust=True)
    assert (ours.domain, ours.size, ours.tile) == (theirs.domain, theirs.size, theirs.tile)
    for size in ((96, 96), (37, 80), (130, 101)):
        difference = ours(smooth_picture(*size)).astype(int) - theirs(smooth_picture(*size))
        assert np.abs(difference).max() <= 1


def test_onnx_says_what_it_is_and_has_dynamic_sizes(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    path = export.export(ship(tmp_path, CONFIGS["pix2pix"]), "onnx", tmp_path / "a.onnx").path
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    [given], [made] = model.graph.input, model.graph.output
    assert (given.name, made.name) == ("gray", "ab")
    names = [dimension.dim_param for dimension in given.type.tensor_type.shape.dim]
    assert names == ["batch", "", "height", "width"]
    [entry] = model.metadata_props
    about = json.loads(entry.value)
    assert (about["method"], about["recipe"], about["size"]) == ("pix2pix", "tiny", 96)
    assert not any(node.op_type == "BatchNormalization" for node in model.graph.node)


def test_training_networks_stay_out(tmp_path: Path) -> None:
    method = weights_file.load_weights_file(ship(tmp_path, CONFIGS["pix2pix"])).method
    colors = inference_colors(method)
    names = {name.split(".")[1] for name, _ in colors.named_parameters()}
    assert names == {"generator"}
    assert method.get_submodule("discriminator").state_dict()


@pytest.mark.parametrize("to", ["onnx", "torchscript"])
def test_a_file_that_differs_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to
) -> None:
    """The fault of inductor's own folding: the scale along the input channels."""
    right = fold_batchnorm._fold

    def wrong(convolution: fold_batchnorm.Convolution, norm: nn.BatchNorm2d) -> None:
        weight = convolution.weight.detach().clone()
        right(convolution, norm)
        if convolution.in_channels == convolution.out_channels:
            assert norm.running_var is not None
            scale = (norm.running_var + norm.eps).rsqrt() * norm.weight
            convolution.weight.data = weight * scale.view(-1, 1, 1, 1)

    path = ship(tmp_path, Pix2Pix.Config(domain="nir", width=4, levels=6, discriminator_width=4))
    assert export.export(path, to, tmp_path / "right").path.is_file()
    monkeypatch.setattr(fold_batchnorm, "_fold", wrong)
    with pytest.raises(UserError, match=r"[\d.]+ dB on the worst of 7, 90 .*folding alone: [\d.]+"):
        export.export(path, to, tmp_path / "wrong")
    assert not (tmp_path / "wrong").exists()


def test_what_tracing_bakes_in_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A choice that Python makes from the first picture's values, wrong for the others."""
    forward = UNetGenerator.forward

    def branched(self, image):
        made = forward(self, image)
        return made if image.shape[-1] == first else -made

    first = sample_planes("nir", None, 96)[0].shape[-1]
    first += -first % 8
    monkeypatch.setattr(UNetGenerator, "forward", branched)
    with pytest.raises(UserError, match="paints other pictures"):
        export.export(ship(tmp_path, CONFIGS["unet"]), "torchscript", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_parity_is_psnr_over_the_range_on_the_worst() -> None:
    zero = torch.zeros(1, 3, 4, 4)
    assert parity("nir", [zero], [zero]) == math.inf
    assert parity("nir", [zero, zero], [zero + 0.01, zero + 0.1]) == pytest.approx(20, abs=1e-4)
    assert parity("gray", [zero], [zero + 22]) == pytest.approx(20, abs=1e-4)
    assert math.isnan(parity("nir", [zero], [zero / 0]))
    assert math.isnan(parity("nir", [zero], [zero[..., 1:]]))


@torch.library.custom_op("crosschroma_test::same", mutates_args=())
def same(image: torch.Tensor) -> torch.Tensor:
    return image.clone()


@pytest.mark.parametrize("to", ["onnx", "torchscript"])
def test_an_operation_of_our_own_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to
) -> None:
    forward = UNetGenerator.forward
    monkeypatch.setattr(UNetGenerator, "forward", lambda self, image: same(forward(self, image)))
    path = ship(tmp_path, CONFIGS["unet"])
    with pytest.raises(UserError, match=r"unet cannot be .*crosschroma_test.*--to safetensors"):
        export.export(path, to, tmp_path / "out")
    assert not (tmp_path / "out").exists()


_OF_TRAINING = re.compile(r"weight_|(discriminator|extra|frozen|gan|learn_translated|lr)$")


def _to_color(settings: Any) -> Any:
    """Plain settings of a method without those that only training reads."""
    if not isinstance(settings, dict):
        return settings
    return {k: _to_color(v) for k, v in settings.items() if not _OF_TRAINING.match(k)}


def _every_network() -> list[Any]:
    """The first of each method quickly; cocolor, which has four networks, and the rest slowly."""
    methods, networks, cases = {"cocolor", "colormamba_released"}, [], []
    for name in different_networks():
        config = recipe_list.load_recipe(name).method
        method, network = config.method_class.name, _to_color(to_plain(config.smoke()))
        if network in networks:
            continue
        cases.append(pytest.param(name, marks=[pytest.mark.slow] * (method in methods)))
        methods.add(method)
        networks.append(network)
    return cases


@pytest.mark.parametrize("recipe", _every_network())
def test_every_network_becomes_onnx_or_says_why_not(recipe: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    path = ship(tmp_path, recipe_list.load_recipe(recipe).method.smoke())
    if "colormamba" in recipe:
        with pytest.raises(
            UserError, match=r"colormamba\w* cannot be .*crosschroma::scan"
        ) as error:
            export.export(path, "onnx", tmp_path / "out")
        assert "\n" not in str(error.value)
        return
    assert export.export(path, "onnx", tmp_path / "out").parity_db >= export.REQUIRED_DB


def test_the_graph_of_a_failed_export_is_not_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    forward = UNetGenerator.forward

    def scaled(self, image):
        return forward(self, image) * torch.vdot(image[0, 0, 0], image[0, 0, 0])

    monkeypatch.setattr(UNetGenerator, "forward", scaled)
    with pytest.raises(UserError, match=r"unet cannot be written as ONNX: .*aten::vdot") as error:
        export.export(ship(tmp_path, CONFIGS["unet"]), "onnx", tmp_path / "out")
    assert "\n" not in str(error.value)
    assert "".join(capfd.readouterr()) == ""


def test_a_fixed_batch_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forward = UNetGenerator.forward

    def fixed(self, image):
        return forward(
            self, torch.cat([image, image.new_zeros(len(image), 1, *image.shape[2:])], 1)[:, :1]
        )

    monkeypatch.setattr(UNetGenerator, "forward", fixed)
    with pytest.raises(UserError, match=r"unet cannot .* does not run on pictures of every size"):
        export.export(ship(tmp_path, CONFIGS["unet"]), "onnx", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("domain", ["gray", "nir"])
def test_planes_differ_in_size(domain: str, tmp_path: Path) -> None:
    Image.fromarray(smooth_picture(200, 300)).save(tmp_path / "a.png")
    Image.fromarray(smooth_picture(150, 120)).save(tmp_path / "b.jpg")
    for folder, count in ((tmp_path, 3), (None, 7)):
        planes = sample_planes(domain, folder, 96)
        sizes = {tuple(plane.shape[-2:]) for plane in planes}
        assert len(planes) == count
        assert len(sizes) == count - 1
        assert [len(plane) for plane in planes[-2:]] == [1, 2]
        assert all(side % 2 for side in planes[0].shape[-2:])
        assert all(plane.min() >= 0 and plane.max() <= 1 for plane in planes)
    Image.fromarray(smooth_picture(40, 300)).save(tmp_path / "b.jpg")
    with pytest.raises(DataError, match="picture 2 is 300x40"):
        sample_planes(domain, tmp_path, 96)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no pictures"):
        sample_planes(domain, tmp_path / "empty", 96)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = ship(tmp_path, CONFIGS["unet"])
    (tmp_path / "pictures").mkdir()
    Image.fromarray(smooth_picture(120, 140)).save(tmp_path / "pictures" / "a.png")
    out = tmp_path / "unet.ts"
    words = ["export", str(path), "--to", "torchscript", "--out", str(out)]
    assert cli.run([*words, "--images", str(tmp_path / "pictures")]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("2 pictures compared: ")
    assert said[1:] == ["BatchNorm: 14 folded, 0 kept", str(out)]
    target = tmp_path / "colored.png"
    source = tmp_path / "pictures" / "a.png"
    words = ["colorize", str(source), "--run", str(out), "--out", str(target)]
    assert cli.run(words) == 1
    assert cli.run([*words, "--trust-torchscript"]) == 0
    assert Image.open(target).size == (140, 120)
    assert cli.run(["export", str(tmp_path / "none")]) == 1


def test_damaged_and_foreign_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no run .*none\.ts"):
        Colorizer.load(tmp_path / "none.ts")
    (tmp_path / "a.ts").write_bytes(b"junk")
    with pytest.raises(UserError, match=r"a\.ts is damaged"):
        Colorizer.load(tmp_path / "a.ts", trust=True)
    torch.jit.script(nn.Identity()).save(str(tmp_path / "foreign.ts"))
    with pytest.raises(UserError, match="is not a file of `crosschroma export`"):
        Colorizer.load(tmp_path / "foreign.ts", trust=True)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(UserError, match=r"crosschroma\[export\]"):
        exported_file.need("onnxruntime")
