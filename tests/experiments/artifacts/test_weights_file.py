"""Weights in one file: as good as the run, and refused when they are not what they say."""

from __future__ import annotations

import json
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest
import torch
from crosschroma.datasets.base.errors import UserError
from crosschroma.datasets.scenes.adapter import Scenes
from crosschroma.experiments import cli
from crosschroma.experiments.artifacts import weights_file
from crosschroma.experiments.artifacts.checkpoint import (
    load_checkpoint,
    load_trained,
    save_checkpoint,
)
from crosschroma.experiments.experiment import Hardware
from crosschroma.experiments.inference.colorizer import Colorizer
from crosschroma.experiments.recipe_list import load_recipe
from crosschroma.experiments.training.engine import fit
from crosschroma.models.base import shipped_weights
from safetensors.torch import save_file


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ship") / "run"
    fit(load_recipe("unet_scenes_nir").smoke(), folder, Hardware(accelerator="cpu", workers=0))
    return folder


@pytest.fixture(scope="module")
def file(run: Path) -> Path:
    return weights_file.ship(run, run.parent / "weights")


def test_the_file_colours_as_the_run_does(run: Path, file: Path) -> None:
    assert file.name == "unet_scenes_nir-smoke.safetensors"
    nir = np.random.default_rng(0).integers(0, 256, (50, 70), np.uint8)
    ours, theirs = Colorizer.load(file)(nir), Colorizer.load(run)(nir)
    assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= 1  # half precision
    told, trained = weights_file.load_weights_file(file), load_trained(run)
    assert (told.step, told.steps, told.starts) == (trained.step, trained.steps, trained.starts)
    assert told.experiment.data.root is None
    assert file.stat().st_size < 0.7 * sum(
        4 * x.numel() for x in trained.method.generator.state_dict().values()
    )


def test_large_running_variances_survive(run: Path, tmp_path: Path) -> None:
    """Half precision ends at 65504."""
    state = load_checkpoint(run / "best.pt")
    weights = state["inference"]["generator"]
    name = next(key for key in weights if key.endswith("running_var"))
    weights[name].fill_(1e6)
    save_checkpoint(tmp_path / "large.pt", state)
    method = weights_file.load_weights_file(
        weights_file.ship(tmp_path / "large.pt", tmp_path)
    ).method
    assert method.get_submodule("generator").state_dict()[name].eq(1e6).all()


def test_commands_take_the_file(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["evaluate", str(file), "--json", str(tmp_path / "row.json")]) == 0
    assert json.loads((tmp_path / "row.json").read_text())["steps"] == 2
    assert cli.run(["ship", str(file.parent / "none")]) == 1
    assert "no run" in capsys.readouterr().err


def test_a_name_is_found_among_the_shipped(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = ModuleSpec("weights", None, is_package=True)
    package.submodule_search_locations = [str(file.parent)]
    monkeypatch.setattr(shipped_weights, "find_spec", {"crosschroma.weights": package}.get)
    assert sorted(shipped_weights.shipped_weights()) == ["unet_scenes_nir-smoke"]
    assert weights_file.load_any("unet_scenes_nir-smoke").path == file


@pytest.mark.parametrize("name", sorted(shipped_weights.shipped_weights()))
def test_shipped_weights_colour_a_picture(name: str) -> None:
    file = weights_file.load_any(name).path
    assert file.stat().st_size <= 10e6
    assert f"`{name}`" in (file.parent / "README.md").read_text()
    scene = Scenes(count_test=1).split("test").load(0)
    colorizer = Colorizer.load(name)
    plane = scene["nir"] if colorizer.domain == "nir" else scene["rgb"]
    rgb = colorizer(plane)
    assert rgb.shape == scene["rgb"].shape
    assert np.ptp(rgb.astype(int), axis=2).mean() > 5  # not gray


def test_the_default_weights_are_for_what_they_are_said_to_be() -> None:
    assert Colorizer.load(shipped_weights.default_weights("nir")).domain == "nir"
    assert Colorizer.load(shipped_weights.default_weights("gray")).domain == "gray"


def test_what_is_not_such_a_file_is_named(file: Path, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"no run .*none\.safetensors; .crosschroma train. makes one"
    ):
        weights_file.load_weights_file(tmp_path / "none.safetensors")
    (tmp_path / "cut.safetensors").write_bytes(file.read_bytes()[:1000])
    with pytest.raises(UserError, match=r"cut\.safetensors is damaged"):
        weights_file.load_weights_file(tmp_path / "cut.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    with pytest.raises(UserError, match="not written by"):
        weights_file.load_weights_file(tmp_path / "foreign.safetensors")


def test_the_list_names_all_shipped_weights_and_no_others() -> None:
    entries = shipped_weights.shipped_list()
    assert {entry.name for entry in entries} == shipped_weights.shipped_weights().keys()
    assert all(entry.title != entry.name and len(entry.title) < 40 for entry in entries)
    assert len({entry.title for entry in entries}) == len(entries)


def test_unlisted_weights_are_offered_last_by_their_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a_new_one", "encoder_unet_nir_epfl"):
        (tmp_path / f"{name}.safetensors").touch()
    text = (
        Path(shipped_weights.shipped_weights()["encoder_unet_nir_epfl"]).parent / "weights.json"
    ).read_text()
    (tmp_path / "weights.json").write_text(text)
    monkeypatch.setattr(shipped_weights, "_folders", lambda: [tmp_path])
    assert [entry.name for entry in shipped_weights.shipped_list()] == [
        "encoder_unet_nir_epfl",
        "a_new_one",
    ]
    assert shipped_weights.default_weights("nir") == "encoder_unet_nir_epfl"
    with pytest.raises(UserError, match="no weights come"):
        shipped_weights.default_weights("gray")
