"""The command that takes over released weights: what it accepts, refuses, writes and tells."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from crosschroma.datasets.base.errors import DataError, UserError
from crosschroma.experiments import cli
from crosschroma.experiments.artifacts import import_weights, released_weights, weights_file
from crosschroma.experiments.artifacts.import_weights import Release
from crosschroma.losses.pretrained.published_weights import PublishedFile, sha256
from crosschroma.models.base.method import Method
from crosschroma.models.color.ab_bins import ab_bins
from crosschroma.models.instance_aware.method import InstanceAware
from crosschroma.models.zhang16.method import Zhang16
from crosschroma.models.zhang17.method import Zhang17
from PIL import Image
from torch import Tensor

State = dict[str, Tensor]


def state_of(method: Method, names: released_weights.Names) -> State:
    """Weights as their authors would name them."""
    own = method.get_submodule("generator").state_dict()
    return {names.released(n): v.clone() for n, v in own.items() if n not in names.own}


@pytest.fixture(scope="module")
def original() -> Zhang16:
    torch.manual_seed(0)
    method = Zhang16(Zhang16.Config(width=4, temperature=1.0)).eval()
    torch.nn.init.normal_(method.generator.head.weight, std=0.5)
    return method


@pytest.fixture(scope="module")
def file(original: Zhang16, tmp_path_factory: pytest.TempPathFactory) -> Path:
    decoding = {"model_out.weight": ab_bins().T.reshape(2, 313, 1, 1) / 110}
    path = tmp_path_factory.mktemp("authors") / "weights.pth"
    torch.save(state_of(original, released_weights.ZHANG16) | decoding, path)
    return path


@pytest.fixture(scope="module")
def imported(file: Path) -> Path:
    out = file.parent / "imported"
    arguments = ["zhang16", str(file), "--out", str(out), "--train-data", "my photographs"]
    assert cli.run(["import-weights", *arguments]) == 0
    return out / "zhang16_weights.safetensors"


def test_the_file_colours_as_the_original(imported: Path, original: Zhang16) -> None:
    trained = weights_file.load_any(imported)
    gray = torch.rand(1, 1, 24, 32, generator=torch.Generator().manual_seed(1))
    batch = {"key": ["a"], "gray": gray}
    wanted = original.colorize(batch)  # pyright: ignore
    assert wanted.std(1).max() > 0.05
    torch.testing.assert_close(trained.method.colorize(batch), wanted)  # pyright: ignore
    assert (trained.step, trained.steps) == (None, None)


def test_a_picture_is_coloured(imported: Path, tmp_path: Path) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (40, 60), np.uint8)
    Image.fromarray(levels).save(tmp_path / "gray.png")
    out = tmp_path / "colored.png"
    arguments = [str(tmp_path / "gray.png"), "--run", str(imported), "--out", str(out)]
    assert cli.run(["colorize", *arguments]) == 0
    made = np.asarray(Image.open(out)).astype(int)
    assert made.shape == (40, 60, 3)
    assert np.ptp(made, axis=2).max() > 10


def test_its_row_is_a_peer_s_and_tells_whence(
    imported: Path, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for split in ("train", "val", "test"):
        (tmp_path / "photos" / split).mkdir(parents=True)
        Image.new("RGB", (40, 40), "teal").save(tmp_path / "photos" / split / "a.png")
    row, root = tmp_path / "row.json", str(tmp_path / "photos")
    arguments = ["--dataset", "folder", "--root", root, "--metrics", "PSNR", "--json", str(row)]
    assert cli.run(["evaluate", str(imported), *arguments]) == 0
    run = json.loads(row.read_text())
    assert (run["kind"], run["seed"], run["steps"]) == ("peer", None, None)
    assert run["train_data"] == (
        f"my photographs (imported weights weights.pth, sha256 {sha256(file)[:12]})"
    )
    assert run["wall_s"]["train"] == 0
    picture = ["--out", str(tmp_path / "gallery.png")]
    assert cli.run(["gallery", str(imported), *arguments[:4], *picture]) == 0
    capsys.readouterr()
    assert cli.run(["evaluate", str(imported)]) == 1
    assert "imported weights bring no test images; name a dataset" in capsys.readouterr().err


def test_a_known_file_brings_its_name_and_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "latest_net_G.pth"
    torch.save(state_of(Zhang17(Zhang17.Config(width=4)), released_weights.ZHANG17), path)
    known = Release(
        name="zhang17_known",
        files=(PublishedFile(path.name, sha256(path)[:16], ""),),
        learnt_from="a million pictures",
        settings={"mask_center": 0.25},
    )
    unknown = import_weights.import_weights("zhang17", path)
    assert unknown.experiment.name == "zhang17_latest_net_G"
    assert unknown.method.config.mask_center == 0  # pyright: ignore
    assert unknown.experiment.data.train_data.startswith("unknown (imported weights")
    monkeypatch.setitem(import_weights.RELEASES, "zhang17", (known,))
    trained = import_weights.import_weights("zhang17", path)
    assert trained.experiment.name == "zhang17_known"
    assert trained.method.config.mask_center == 0.25  # pyright: ignore
    assert trained.experiment.data.train_data.startswith("a million pictures (the authors' weights")
    mine = import_weights.import_weights("zhang17", path, settings={"mask_center": 0.0})
    assert mine.method.config.mask_center == 0  # pyright: ignore


def test_every_release_is_of_a_method_and_has_a_hash() -> None:
    assert import_weights.RELEASES.keys() == released_weights.METHODS.keys()
    every = [release for group in import_weights.RELEASES.values() for release in group]
    assert len({release.name for release in every}) == len(every)
    for release in every:
        for file in release.files:
            assert len(file.sha256) in (8, 16)
            assert int(file.sha256, 16)
    for method, group in import_weights.RELEASES.items():
        if method in import_weights.FILES:
            names = import_weights.FILES[method]
            assert all(tuple(file.file for file in r.files) == names for r in group)
        else:
            assert group[0].files[0].folder.startswith("https://")


def test_offline_says_at_once_where_the_file_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    url = "https://colorizers.s3.us-east-2.amazonaws.com/siggraph17-df00044c.pth"
    for words in (["zhang17"], ["zhang17", "siggraph17-df00044c.pth"]):
        assert cli.run(["import-weights", *words]) == 1
        assert f"put {url} there" in capsys.readouterr().err
    assert cli.run(["import-weights", "zhang17", "none.pth"]) == 1
    assert f"no file none.pth; the authors of zhang17 publish {url}" in capsys.readouterr().err


def test_a_download_is_found_again_and_checked(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    there = tmp_path / "hub" / "checkpoints" / "colorization_release_v2-9b330a0b.pth"
    there.parent.mkdir(parents=True)
    there.write_bytes(file.read_bytes())
    with pytest.raises(UserError, match="is not the published file"):
        import_weights.import_weights("zhang16")
    with pytest.raises(UserError, match=r"its SHA-256 begins with .*; download it anew"):
        import_weights.import_weights("zhang16", there)
    ours = PublishedFile(
        there.name.replace("9b330a0b", digest := sha256(file)[:8]), digest, "https://a/"
    )
    there.rename(there.with_name(ours.file))
    release = Release(name="mine", files=(ours,), learnt_from="photographs")
    monkeypatch.setitem(import_weights.RELEASES, "zhang16", (release,))
    assert import_weights.import_weights("zhang16").experiment.name == "mine"


def test_three_files_of_a_folder_are_one_method(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["import-weights", "instcolor"]) == 1
    assert "publish checkpoints.zip (https://drive.google.com/" in capsys.readouterr().err
    folder = tmp_path / "coco"
    folder.mkdir()
    method = InstanceAware(InstanceAware.Config(width=4))
    branch = {
        released_weights.BRANCH.released(n): v for n, v in method.generator.state_dict().items()
    }
    fusion = {released_weights.FUSION.released(n): v for n, v in method.fusion.state_dict().items()}
    fusion = branch | {n: v + 1 for n, v in fusion.items() if n != "trained"}
    torch.save(branch, folder / "latest_net_G.pth")
    torch.save({f"module.{n}": v for n, v in fusion.items()}, folder / "latest_net_GF.pth")
    assert cli.run(["import-weights", "instcolor", str(folder)]) == 1
    assert f"no latest_net_GComp.pth in {folder}" in capsys.readouterr().err
    torch.save(branch, folder / "latest_net_GComp.pth")
    assert cli.run(["import-weights", "instcolor", str(folder), "--out", str(tmp_path)]) == 0
    trained = weights_file.load_weights_file(tmp_path / "instcolor_coco.safetensors")
    told = trained.experiment.data.train_data
    assert [told.count(name) for name in import_weights.FILES["instcolor"]] == [1, 1, 1]
    state = trained.method.get_submodule("fusion").state_dict()
    assert state["trained"]
    assert torch.equal(state["colors.bias"], fusion["model_out.0.bias"])
    names = import_weights.FILES["instcolor"]
    digests = [sha256(folder / name)[:16] for name in names]
    files = [PublishedFile(name, d, "") for name, d in zip(names, digests, strict=True)]
    mixed = [*files[:2], PublishedFile(names[2], "0" * 16, "")]
    releases = [
        Release(name=name, files=tuple(given), learnt_from="COCO")
        for name, given in (("mixed", mixed), ("known", files))
    ]
    monkeypatch.setitem(import_weights.RELEASES, "instcolor", tuple(releases))
    assert import_weights.import_weights("instcolor", folder).experiment.name == "known"


def test_settings_belong_to_their_method(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["import-weights", "zhang17", str(file), "--temperature", "0.4"]) == 1
    assert "--temperature is a setting of zhang16, not of zhang17" in capsys.readouterr().err
    trained = import_weights.import_weights("zhang16", file, settings={"temperature": 0.4})
    assert trained.method.config.temperature == 0.4  # pyright: ignore
    with pytest.raises(UserError, match="unknown method with released weights 'unet'"):
        import_weights.import_weights("unet", file)


def test_imported_data_has_no_images(file: Path) -> None:
    with pytest.raises(DataError, match="no validation images"):
        import_weights.import_weights("zhang16", file).experiment.data.split("validation")
