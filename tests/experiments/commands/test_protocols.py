"""What was trained elsewhere is titled by no split protocol that its user has not named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from crosschroma.datasets.rgb_nir_scene import RgbNirScene
from crosschroma.datasets.scenes.adapter import Scenes
from crosschroma.datasets.unknown_data import UnknownData
from crosschroma.datasets.vcip import Vcip
from crosschroma.experiments import cli
from crosschroma.experiments.artifacts import run_file, weights_file
from crosschroma.experiments.artifacts.checkpoint import Trained
from crosschroma.experiments.commands.shared.dataset_options import scored_adapter
from crosschroma.experiments.experiment import Experiment, Training
from crosschroma.models.unet import UNet
from PIL import Image

BOTH = {
    "vcip": "name it: --protocol vcip-clean or vcip-official",
    "rgb-nir-scene": "name it: --protocol rgb-nir-scene or rgb-nir-scene-all",
}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CROSSCHROMA_DATA", raising=False)


@pytest.fixture
def foreign(place: None) -> Path:
    """Weights as ``import-weights`` writes them."""
    experiment = Experiment(
        name="theirs",
        method=UNet.Config(domain="gray", width=4, levels=2),
        data=UnknownData(known_as="COCO"),
        training=Training(steps=1),
    )
    trained = Trained(
        method=experiment.method.build().eval(),
        experiment=experiment,
        step=None,
        steps=None,
        train_s=0.0,
        starts=[],
        weights_sha256="",
        path=Path("theirs"),
    )
    return weights_file.write_weights_file(trained, Path("theirs.safetensors"))


def error_of(argv: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert cli.run(argv) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    return error


@pytest.mark.parametrize("dataset", list(BOTH))
@pytest.mark.parametrize("kind", ["peer", "ours"])
def test_pictures_must_name_it(dataset: str, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["score", "theirs", "--dataset", dataset, "--kind", kind]
    assert BOTH[dataset] in error_of(argv, capsys)
    assert "did you mean" in error_of([*argv, "--protocol", f"{dataset}-ofical"], capsys)
    assert "no folder theirs" in error_of([*argv, "--protocol", BOTH[dataset].split()[3]], capsys)


@pytest.mark.parametrize("command", ["evaluate", "compare", "hints-curve"])
@pytest.mark.parametrize("dataset", list(BOTH))
def test_imported_weights_must_name_it(
    command: str, dataset: str, foreign: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = [command, str(foreign), "--dataset", dataset]
    assert BOTH[dataset] in error_of(argv, capsys)
    protocol = BOTH[dataset].split()[-1]
    further = "takes no hints" if command == "hints-curve" else f"{dataset}: no folder data"
    assert further in error_of([*argv, "--protocol", protocol], capsys)


def test_a_row_of_pictures_bears_the_name(capsys: pytest.CaptureFixture[str]) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    folder = Path("photos/nirscene1/country")
    folder.mkdir(parents=True)
    tifffile.imwrite(folder / "0000_rgb.tiff", levels)
    tifffile.imwrite(folder / "0000_nir.tiff", levels[..., 0])
    Path("made/country").mkdir(parents=True)
    Image.fromarray(levels).save("made/country/0000.png")
    argv = ["score", "made", "--dataset", "rgb-nir-scene", "--root", "photos", "--size", "32"]
    protocol = "rgb-nir-scene-all"
    assert cli.run([*argv, "--protocol", protocol, "--json", "row.json"]) == 0
    row = run_file.load_run_file(Path("row.json"))
    assert (row.kind, row.protocol, row.summary["all"]["PSNR"]) == ("peer", protocol, 100)


def test_what_is_known_need_not_be_named() -> None:
    """A dataset of one protocol, and runs, whose settings say what they have learnt from."""
    assert scored_adapter(None, "scenes", None, None) == Scenes()
    assert scored_adapter(UnknownData(), "scenes", None, None) == Scenes()
    own = Vcip(protocol_name="vcip-official", fold=None)
    assert scored_adapter(own, None, None, None) == own
    assert scored_adapter(own, "vcip", Path("x"), None) == Vcip(
        protocol_name="vcip-official", fold=None, root=Path("x")
    )
    assert scored_adapter(Scenes(), "vcip", None, None).protocol == "vcip-clean"
    everything = scored_adapter(Scenes(), "rgb-nir-scene", None, "rgb-nir-scene-all")
    assert everything == RgbNirScene(all_test=True)


def test_baselines_have_learnt_from_the_dataset_itself(capsys: pytest.CaptureFixture[str]) -> None:
    error = error_of(["score", "--baseline", "nir_lut", "--dataset", "vcip"], capsys)
    assert "vcip: no folder data/vcip2020" in error
