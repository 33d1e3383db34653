"""Settings keep the names by which files know them, whatever became of the code's places."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from crosschroma.datasets.base.errors import UserError
from crosschroma.datasets.scenes.adapter import Scenes
from crosschroma.experiments import recipe_list, settings
from crosschroma.experiments.artifacts import checkpoint, run_file
from crosschroma.experiments.evaluation.evaluate_run import evaluate_run
from crosschroma.experiments.experiment import Experiment, Hardware, Training
from crosschroma.experiments.settings import from_plain, to_plain
from crosschroma.experiments.training.engine import fit
from crosschroma.models.unet import UNet

REPOSITORY = Path(__file__).resolve().parents[2]
# of version 0.1.0, before its modules moved: a run's checkpoints, and its run file
WRITTEN = Path(__file__).parent / "written_by_0.1.0"


def tags(plain: Any) -> set[str]:
    if isinstance(plain, list):
        return set().union(*map(tags, plain))
    if isinstance(plain, dict):
        return {plain["type"]}.union(*map(tags, plain.values())) if "type" in plain else set()
    return set()


@pytest.mark.parametrize("name", ["best.pt", "last.pt"])
def test_an_old_checkpoint_scores_what_its_run_file_says(name: str) -> None:
    row = run_file.load_run_file(WRITTEN / "run_file.json")
    trained = checkpoint.load_trained(WRITTEN / name)
    assert trained.weights_sha256 == row.weights["sha256"]
    again = evaluate_run(trained, trained.experiment.data, metrics=["PSNR", "AE"])
    assert again.config == row.config
    assert again.config_sha256 == row.config_sha256
    for metric in ("PSNR", "AE"):
        assert again.summary["all"][metric] == pytest.approx(row.summary["all"][metric], abs=1e-3)


def test_an_old_run_goes_on(tmp_path: Path) -> None:
    run = shutil.copytree(WRITTEN, tmp_path / "run")
    experiment = checkpoint.load_trained(run).experiment
    assert fit(experiment, run, Hardware(accelerator="cpu", workers=0), resume=True)
    assert checkpoint.load_checkpoint(run / "last.pt")["step"] == experiment.training.steps


def test_every_written_name_leads_to_the_class_that_is_written_so() -> None:
    for written in settings._WRITTEN:
        assert settings.tag_of(settings._find_class(written)) == written


def test_the_recipes_write_the_names_that_the_results_hold() -> None:
    """A class that moved without its name in the table would change the hashes of its rows."""
    now = {
        name: tags(to_plain(recipe_list.load_recipe(name))) for name in recipe_list.recipe_names()
    }
    rows = [
        run_file.load_run_file(path)
        for path in sorted((REPOSITORY / "results/runs").glob("*.json"))
    ]
    compared = [row for row in rows if row.recipe in now and row.config]
    assert len(compared) > 50
    assert [row.recipe for row in compared if not tags(row.config) <= now[row.recipe]] == []
    assert set().union(*now.values()) <= settings._WRITTEN.keys()


@pytest.mark.parametrize(
    "tag",
    [
        "datasets.source:Record",  # not settings at all
        "experiments.experiment:Hardware",  # settings of something else
        "datasets.scenes:Scenes",  # belongs elsewhere
        "models.unet:dataclass",
        "..os:system",
        "os:system",
        "models.unet",
        None,
        7,
    ],
)
def test_a_file_reaches_only_the_classes_of_its_place(tag: object) -> None:
    plain = to_plain(Experiment(name="x", method=UNet.Config(), data=Scenes()))
    plain["method"] = {**plain["method"], "type": tag}
    with pytest.raises(UserError, match="settings type"):
        from_plain(json.loads(json.dumps(plain)), Experiment)
    with pytest.raises(UserError, match="settings type"):
        from_plain({"type": tag}, Training)


def test_what_is_no_settings_at_all() -> None:
    with pytest.raises(UserError, match=r"settings of Training are \[1\]"):
        from_plain([1], Training)
    with pytest.raises(UserError, match="has no setting stray"):
        from_plain({**to_plain(Training()), "stray": 1}, Training)


@pytest.mark.parametrize("name", ["../x", "a/b", "a\\b", "", ".hidden", "-x", "a\nb"])
def test_an_experiments_name_leads_out_of_no_folder(name: str, unet: Experiment) -> None:
    with pytest.raises(UserError, match="cannot be an experiment's name"):
        replace(unet, name=name)
    plain = {**to_plain(unet), "name": name}
    with pytest.raises(UserError, match="cannot be an experiment's name"):
        from_plain(plain, Experiment)
