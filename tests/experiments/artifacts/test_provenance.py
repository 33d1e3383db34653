from __future__ import annotations

import dataclasses
import datetime
import json
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from crosschroma.experiments.artifacts import provenance
from crosschroma.experiments.artifacts.provenance import command_text, commit_of, portable_settings
from crosschroma.experiments.experiment import Experiment
from crosschroma.experiments.settings import from_plain, to_plain
from crosschroma.models.base.extra_losses import ExtraLosses
from crosschroma.models.encoder_unet import EncoderUNet


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository that holds the module where this project holds it."""
    if shutil.which("git") is None:
        pytest.skip("no git on this machine")
    (tmp_path / "experiments/artifacts").mkdir(parents=True)
    (tmp_path / "experiments/artifacts/provenance.py").write_text("pass\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "code")
    return tmp_path


def test_clean_commit(repository: Path) -> None:
    assert commit_of(repository) == (git(repository, "rev-parse", "HEAD"), False)


def test_results_do_not_make_the_code_dirty(repository: Path) -> None:
    (repository / "results").mkdir()
    (repository / "results" / "run.json").write_text("{}")
    assert commit_of(repository)[1] is False


@pytest.mark.parametrize("name", ["provenance.py", "new.py"])
def test_changed_or_new_code_is_dirty(repository: Path, name: str) -> None:
    (repository / "experiments/artifacts" / name).write_text("changed\n")
    assert commit_of(repository)[1] is True


def test_installed_code_does_not_take_a_strange_repositorys_commit(repository: Path) -> None:
    """site-packages may lie in a repository that has nothing to do with this code."""
    installed = repository / ".venv" / "site-packages"
    installed.mkdir(parents=True)
    assert commit_of(installed) == ("", False)


def test_no_git(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert commit_of(repository) == ("", False)


def test_command_names_no_machine_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    command = [
        "/opt/me/.venv/bin/crosschroma",
        "score",
        "/home/me/pictures of mine",
        "--root=/home/me/vcip2020",
        "--cache",
        "~/cache",
        "--other",
        "../shared/data/peers",
        f"{tmp_path}/runs/a",
        "results/runs/a.json",
        "--fit=stretch",
    ]
    assert command_text(command) == (
        "crosschroma score 'pictures of mine' --root=vcip2020 --cache cache --other peers runs/a "
        "results/runs/a.json --fit=stretch"
    )
    assert command_text(["/x/experiments/cli.py", "list"]) == "crosschroma list"


def test_everything_is_plain_and_named() -> None:
    found = provenance.provenance(command=["crosschroma", "list"])
    assert json.loads(json.dumps(found)) == found
    assert found["versions"]["torch"] == torch.__version__
    assert "thread" in found["device"]
    created = datetime.datetime.fromisoformat(found["created"])
    assert created.utcoffset() == datetime.timedelta(0)
    age = datetime.datetime.now(datetime.UTC) - created
    assert abs(age.total_seconds()) < 60


def test_settings_for_files_name_no_machine_paths(unet: Experiment, tmp_path: Path) -> None:
    extra = ExtraLosses(perceptual=0.1, backbone_weights=str(tmp_path / "loss.npz"))
    method = EncoderUNet.Config(encoder_weights=str(tmp_path / "encoder.pth"), extra=extra)
    data = dataclasses.replace(unet.data, root=tmp_path)
    plain = portable_settings(dataclasses.replace(unet, method=method, data=data))
    assert str(tmp_path) not in json.dumps(plain)
    assert plain["method"]["encoder_weights"] == "encoder.pth"
    assert plain["method"]["extra"]["backbone_weights"] == "loss.npz"
    assert from_plain(plain, Experiment).method.encoder_weights == "encoder.pth"  # pyright: ignore
    assert portable_settings(unet) == to_plain(unet)
