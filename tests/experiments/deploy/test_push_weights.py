"""Weights to the Hub and back, against a stub of it on this machine."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from crosschroma.datasets.base.errors import UserError
from crosschroma.experiments import cli
from crosschroma.experiments.artifacts import weights_file
from crosschroma.experiments.artifacts.checkpoint import Trained, weights_sha256
from crosschroma.experiments.artifacts.run_file import RunFile, load_run_file
from crosschroma.experiments.deploy.push_weights import push_weights
from crosschroma.experiments.experiment import Experiment
from crosschroma.experiments.inference.colorizer import Colorizer
from crosschroma.models.base import hub_weights
from crosschroma.models.base.hub_weights import CONFIG, WEIGHTS, HubAddress
from hub_stub import TOKEN, HubStub
from huggingface_hub import ModelCard, constants
from PIL import Image

REPO = "someone/tiny-unet"
SCRIPT = Path(sys.executable).with_name("crosschroma")
NO_SERVER = "http://127.0.0.1:9"


@pytest.fixture
def hub() -> Iterator[HubStub]:
    stub = HubStub()
    yield stub
    stub.close()


def use(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


@pytest.fixture(autouse=True)
def client(hub: HubStub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client's settings, which it reads from the environment when it is imported."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    use(monkeypatch, hub.endpoint)


@pytest.fixture
def trained(unet: Experiment) -> Trained:
    method = unet.method.build().eval()
    states = {name: method.get_submodule(name).state_dict() for name in method.inference_networks}
    start = {"commit": "c" * 40, "dirty": False, "command": "crosschroma train tiny"}
    start |= {"device": "a CPU"}
    return Trained(
        method=method,
        experiment=unet,
        step=3,
        steps=6,
        train_s=90.0,
        starts=[start],
        weights_sha256=weights_sha256(states),
        path=Path("runs/tiny_unet/best.pt"),
    )


@pytest.fixture
def pushed(trained: Trained) -> HubAddress:
    return push_weights(trained, HubAddress(REPO), {})


def scores(trained: Trained) -> RunFile:
    return RunFile(
        kind="ours",
        method="unet",
        domain="nir",
        dataset="vcip",
        protocol="vcip-clean",
        split={"name": "vcip test", "sha256": "ab" * 32, "images": 28},
        train_data="scenes train",
        metric_protocol={"view": "stretched to 32x32", "PSNR": "peak 1"},
        summary={"all": {"PSNR": 17.126, "AE": None}, "scene_disjoint": {"PSNR": 16.0}},
        rows=[],
        recipe=trained.experiment.name,
        weights={"file": "best.pt", "step": 3, "sha256": trained.weights_sha256},
        trained=trained.starts,
        note="A note.",
    )


def colored(colorizer: Colorizer) -> np.ndarray:
    return colorizer(np.random.default_rng(0).integers(0, 256, (40, 50), np.uint8))


def test_what_was_pushed_comes_back_pinned(
    hub: HubStub, trained: Trained, pushed: HubAddress, capsys: pytest.CaptureFixture[str]
) -> None:
    files = hub.repositories[REPO].commits[pushed.revision]
    assert sorted(files) == ["README.md", CONFIG, WEIGHTS]
    colorizer = Colorizer.from_pretrained(REPO)
    assert capsys.readouterr().err == (
        f"note: hf://{REPO} is now {pushed}; name that to get the same weights again\n"
    )
    difference = colored(colorizer).astype(int) - colored(Colorizer.of(trained)).astype(int)
    assert np.abs(difference).max() <= 1  # half precision
    assert colorizer.origin
    assert colorizer.origin.run == str(pushed) == f"hf://{REPO}@{pushed.revision}"
    assert weights_file.load_any(str(pushed)).file == str(pushed)
    assert capsys.readouterr().err == ""  # it was pinned


def test_a_branch_moves_and_a_commit_does_not(
    hub: HubStub, trained: Trained, pushed: HubAddress, unet: Experiment
) -> None:
    other = replace(unet, seed=unet.seed + 1)
    later = push_weights(replace(trained, experiment=other), HubAddress(REPO), {})
    assert later != pushed
    seeds = [
        weights_file.load_any(str(HubAddress(REPO, revision))).experiment.seed
        for revision in (pushed.revision, "main", "", later.revision)
    ]
    assert seeds == [unet.seed, *[other.seed] * 3]
    tried = push_weights(trained, HubAddress(REPO, "tries"), {})
    assert hub.repositories[REPO].branches["tries"] == tried.revision
    assert weights_file.load_any(Path(f"hf://{REPO}@tries")).experiment.seed == unet.seed


def test_without_a_network_the_cache_is_used(
    pushed: HubAddress, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with_network = colored(Colorizer.from_pretrained(REPO))
    capsys.readouterr()
    use(monkeypatch, NO_SERVER)
    assert (colored(Colorizer.from_pretrained(REPO)) == with_network).all()
    expected = f"note: no network: hf://{REPO} is taken from the cache, as {pushed}\n"
    assert capsys.readouterr().err == expected
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    Colorizer.from_pretrained(REPO)
    assert capsys.readouterr().err == expected
    Colorizer.from_pretrained(REPO, pushed.revision)
    assert capsys.readouterr().err == ""
    for absent in ("someone/other", f"{REPO}@v2", f"{REPO}@{'0' * 40}"):
        with pytest.raises(UserError, match=r"not in the cache, and the Hub cannot be reached \("):
            Colorizer.from_pretrained(absent)


def test_a_pinned_commit_in_the_cache_asks_nothing(hub: HubStub, pushed: HubAddress) -> None:
    Colorizer.load(str(pushed))
    hub.requests.clear()
    Colorizer.load(str(pushed))
    assert hub.requests == []


def test_other_weights_than_the_settings_name_are_refused(
    hub: HubStub, pushed: HubAddress, tmp_path: Path
) -> None:
    files = hub.repositories[REPO].commits[pushed.revision]
    data = bytearray(files[WEIGHTS])
    data[-1] ^= 1
    hub.repositories[REPO].commit("main", {WEIGHTS: bytes(data)})
    with pytest.raises(UserError, match=r"is not the file that its config\.json names: .* delete"):
        Colorizer.from_pretrained(REPO)
    path = hub_weights.hub_file(str(pushed))
    assert path.is_relative_to(tmp_path / "cache")
    path.resolve().write_bytes(data)  # damaged on this machine
    with pytest.raises(UserError, match=re.escape(str(path.resolve()))):
        Colorizer.load(str(pushed))


def test_what_is_no_repository_of_ours_is_refused(hub: HubStub, pushed: HubAddress) -> None:
    repository = hub.repositories[REPO]
    for config in (b"[]", b"{", b"[" * 100_000, b'{"model_type": "bert"}'):
        repository.commit("main", {CONFIG: config})
        with pytest.raises(UserError, match=r"holds no|is not a configuration of hf://"):
            Colorizer.from_pretrained(REPO)
    repository.branches["bare"] = "b" * 40
    repository.commits["b" * 40] = {CONFIG: b"{}"}
    with pytest.raises(UserError, match=r"holds no config\.json and model\.safetensors"):
        Colorizer.from_pretrained(REPO, "bare")
    with pytest.raises(UserError, match="no such branch, tag or commit"):
        Colorizer.from_pretrained(REPO, "v9")


@pytest.mark.parametrize("run", ["hf://name", "hf://a/b/c", "hf://a/b@", "hf://a b/c"])
def test_addresses_that_are_none(run: str) -> None:
    with pytest.raises(UserError, match="hf://USER/NAME"):
        Colorizer.load(run)


def test_a_private_repository(
    hub: HubStub, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_weights(trained, HubAddress(REPO), {}, private=True)
    assert hub.repositories[REPO].private
    Colorizer.from_pretrained(REPO)
    monkeypatch.setenv("HF_TOKEN", "hf_another")
    for use_of_it in (
        lambda: Colorizer.from_pretrained(REPO),
        lambda: push_weights(trained, HubAddress(REPO), {}),
    ):
        with pytest.raises(UserError, match=r"log in \(`hf auth login`, or set HF_TOKEN"):
            use_of_it()


def test_to_push_without_a_network_says_so(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, NO_SERVER)
    with pytest.raises(UserError, match=f"{NO_SERVER} cannot be reached"):
        push_weights(trained, HubAddress(REPO), {})


def test_the_card_has_scores_with_their_protocol(hub: HubStub, trained: Trained) -> None:
    run = scores(trained)
    pushed = push_weights(trained, HubAddress(REPO), {"tiny": run}, terms="cc-by-4.0")
    text = hub.repositories[REPO].commits[pushed.revision]["README.md"].decode()
    card = ModelCard(text)
    assert (card.data.license, card.data.library_name) == ("cc-by-4.0", "crosschroma")
    (result,) = card.data.eval_results or []
    assert (result.metric_type, result.metric_value) == ("psnr", 17.13)
    assert result.dataset_name == "vcip test (vcip-clean)"
    for part in (
        f"--run hf://{REPO}",
        f'from_pretrained("{REPO}")',
        "protocol `vcip-clean`, 28 images (sha256 of the list abababababab)",
        "| all 28 | 17.13 |",
        "| scene-disjoint 14 | 16.00 |",
        "8 test pairs are training pairs",
        "crosschroma train tiny",
        f"Learnt from: {trained.experiment.data.train_data}",
        "A note.",
    ):
        assert part in text


def test_the_commands_push_and_colour_by_the_environment(
    hub: HubStub, trained: Trained, tmp_path: Path
) -> None:
    """In processes of their own, which read HF_ENDPOINT as users set it."""
    file = weights_file.write_weights_file(trained, tmp_path / "tiny.safetensors")
    run = scores(trained)
    (tmp_path / "results" / "runs").mkdir(parents=True)
    for name, one in {
        "ours": run,
        "other_step": replace(run, weights={"step": 4, "sha256": "0"}),
        "fold": replace(run, split={**run.split, "part": "fold 0 of 5"}),
    }.items():
        one.save(tmp_path / "results" / "runs" / f"{name}.json")
        assert load_run_file(tmp_path / "results" / "runs" / f"{name}.json") == one
    Image.new("L", (40, 30), 90).save(tmp_path / "nir.png")
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.endpoint,
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HOME": str(tmp_path / "home"),
    }

    def crosschroma(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [SCRIPT, *words], cwd=tmp_path, env=environment, capture_output=True, text=True
        )

    done = crosschroma("ship", str(file), "--push", REPO, "--private")
    assert done.returncode == 0, done.stderr
    oid = hub.repositories[REPO].branches["main"]
    assert f"scores on the card: ours\nhf://{REPO}@{oid}\n" in done.stdout
    assert not (tmp_path / "results" / "weights").exists()
    assert json.loads(hub.repositories[REPO].commits[oid][CONFIG])["domain"] == "nir"
    done = crosschroma("colorize", "nir.png", "--run", f"hf://{REPO}", "--out", "out.png")
    assert done.returncode == 0, done.stderr
    assert f"hf://{REPO} is now hf://{REPO}@{oid}" in done.stderr
    with Image.open(tmp_path / "out.png") as image:
        assert (image.size, image.mode) == ((40, 30), "RGB")


def test_an_evaluation_names_the_commit(pushed: HubAddress, tmp_path: Path) -> None:
    file = tmp_path / "row.json"
    words = ["evaluate", str(pushed), "--metrics", "PSNR", "--json", str(file)]
    assert cli.run(words) == 0
    assert load_run_file(file).weights["file"] == str(pushed)
