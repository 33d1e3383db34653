"""A training in stages, from its first step to rows and pictures of each of its outputs."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import numpy as np
import pytest
import torch
from crosschroma.datasets.base.errors import UserError
from crosschroma.datasets.loading.views import EvalView, TrainView
from crosschroma.datasets.mixtures.pairs_and_photos import PairsAndPhotos
from crosschroma.datasets.scenes.adapter import Scenes
from crosschroma.experiments import cli
from crosschroma.experiments.artifacts import checkpoint, run_file, weights_file
from crosschroma.experiments.evaluation.evaluate_run import evaluate_run
from crosschroma.experiments.experiment import Experiment, Training
from crosschroma.experiments.inference.colorizer import Colorizer
from crosschroma.experiments.training import engine
from crosschroma.experiments.training.engine import fit
from crosschroma.models.base.stages import Stage
from crosschroma.models.cocolor.method import CoColor
from crosschroma.models.cocolor.paths import PATHS
from crosschroma.models.unet import UNet
from interrupted import ALONE, assert_same, fit_with_cuts, state_of
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

STAGES = ("pretrain", "translate", "joint", "fuse")


def staged() -> Experiment:
    """Four stages of two steps, with BatchNorm, EMA, clipping and a schedule."""
    tiny = Scenes(size=32, count_train=4, count_validation=2, count_test=3)
    return Experiment(
        name="staged",
        method=CoColor.Config(
            nir_colorizer=UNet.Config(domain="nir", width=4, levels=2),
            gray_colorizer=UNet.Config(domain="gray", width=4, levels=2),
            stages=tuple(Stage(name=name, steps=2) for name in STAGES),
            translator_width=4,
            translator_blocks=1,
            fusion_width=4,
            ensemble="none",
        ),
        data=PairsAndPhotos(pairs=tiny, photos=replace(tiny, scene_seed=1, count_train=6)),
        train_view=TrainView(size=32),
        eval_view=EvalView(size=32),
        training=Training(
            steps=8,
            batch_size=2,
            schedule="cosine",
            ema_decay=0.9,
            clip_norm=1.0,
            validate_every=4,
            checkpoint_every=1,
            log_every=1,
            grid=1,
            metrics=("PSNR",),
        ),
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was never stopped; nothing may change it."""
    run = tmp_path_factory.mktemp("staged") / "whole"
    fit(staged(), run, ALONE)
    return run


def flat(value: object, name: str = "") -> dict[str, object]:
    """All leaves of nested containers by dotted name."""
    if isinstance(value, dict):
        return {k: v for key, item in value.items() for k, v in flat(item, f"{name}.{key}").items()}
    if isinstance(value, (list, tuple)):
        return {k: v for i, item in enumerate(value) for k, v in flat(item, f"{name}.{i}").items()}
    return {name: value}


@pytest.mark.parametrize("step", [1, 2, 4, 5, 6, 7])
def test_stopped_inside_or_between_stages_and_resumed_is_bit_identical(
    step: int, whole: Path, tmp_path: Path
) -> None:
    fit_with_cuts(staged(), tmp_path, [step])
    assert_same(state_of(whole), state_of(tmp_path))


def test_each_stage_logs_under_its_name_and_begins_the_schedule_anew(whole: Path) -> None:
    events = EventAccumulator(str(whole))
    events.Reload()
    steps = {tag: [e.step for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    of_stage = {"pretrain": [1, 2], "translate": [3, 4], "joint": [5, 6], "fuse": [7, 8]}
    for name, expected in of_stage.items():
        assert steps[f"loss/{name}"] == expected
    assert steps["loss_raw/joint/pixel_nir"] == [5, 6]
    assert steps["loss_weighted/fuse/l1_both"] == [7, 8]
    assert steps["gradient_norm/translator_n2g"] == [3, 4, 5, 6]
    rates = [event.value for event in events.Scalars("lr/nir_colorizer")]
    assert rates == pytest.approx([1e-3, 5e-4] * 4)


def test_what_a_stage_does_not_train_rests_in_the_checkpoints_too(tmp_path: Path) -> None:
    kept: dict[int, dict] = {}
    save = checkpoint.save_checkpoint

    def keep(path: Path, state: dict, *options: object, **named: object) -> None:
        save(path, state, *options, **named)
        if path.name == checkpoint.LAST:
            kept[state["step"]] = flat(checkpoint.load_checkpoint(path)["networks"])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "save_checkpoint", keep)
        fit(staged(), tmp_path, ALONE)

    def changed(start: int, end: int) -> set[str]:
        names = {n for n, v in kept[start].items() if not torch.equal(v, kept[end][n])}
        return {name.split(".")[1] for name in names}

    assert changed(2, 4) == {"translator_n2g", "translator_g2n"}
    assert changed(4, 6) == {*changed(2, 4), "nir_colorizer", "gray_colorizer"}
    assert changed(6, 8) == {"fusion"}


@pytest.mark.parametrize("nir_to_gray", ["translator", "colorizer"])
def test_a_colorizer_that_rests_on_translated_images_learns_from_its_own(
    nir_to_gray: Literal["translator", "colorizer"], tmp_path: Path
) -> None:
    """As the engine wraps it, where a module is known by two names; weight decay is no lesson."""
    method = replace(staged().method, learn_translated="gray", nir_to_gray=nir_to_gray)
    fit(replace(staged(), method=method), tmp_path, ALONE)
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    norms = {e.step: e.value for e in events.Scalars("gradient_norm/nir_colorizer")}
    assert all(norms[step] > 0 for step in (1, 2, 5, 6))


def test_the_best_is_kept_in_the_last_stage_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it the fusion is as it began, however good the mean of the paths may be."""
    falling = iter(range(30, 0, -1))

    def worse_and_worse(*_: object, **__: object) -> SimpleNamespace:
        return SimpleNamespace(summary={"all": {"PSNR": float(next(falling))}})

    monkeypatch.setattr(engine, "evaluate", worse_and_worse)
    fit(replace(staged(), training=replace(staged().training, validate_every=1)), tmp_path, ALONE)
    best = checkpoint.load_checkpoint(tmp_path / checkpoint.BEST)
    assert (best["step"], best["best"]) == (7, 24)


def test_every_output_of_one_training_has_a_row(whole: Path) -> None:
    trained = checkpoint.load_trained(whole, "last")
    assert trained.experiment == staged()
    rows = {}
    for output in trained.experiment.method.outputs:
        row = evaluate_run(trained.with_output(output), metrics=("PSNR",))
        rows[output] = row
        assert row.recipe == f"staged:{output}"
        assert row.weights["sha256"] == trained.weights_sha256
        given = PATHS[output].given if output in PATHS else output.split("_")[1]
        assert row.domain == given
    assert len({row.config_sha256 for row in rows.values()}) == len(rows)
    assert len({row.summary["all"]["PSNR"] for row in rows.values()}) == len(rows)
    assert rows["nir"].parameters < rows["nir_as_gray"].parameters < rows["fused_nir"].parameters  # pyright: ignore
    plain = evaluate_run(trained, metrics=("PSNR",))
    assert plain.summary == rows["fused_nir"].summary
    assert "photos" in plain.config["data"]
    assert "+" in plain.train_data


def test_commands_take_an_output(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = tmp_path / "row.json"
    argv = ["evaluate", str(whole), "--metrics", "PSNR", "--json", str(row)]
    assert cli.run([*argv, "--output", "gray_as_nir"]) == 0
    assert run_file.load_run_file(row).recipe == "staged:gray_as_nir"
    assert json.loads(row.read_text())["domain"] == "gray"
    assert cli.run([*argv, "--output", "gray_as_nri"]) == 1
    assert "did you mean gray_as_nir" in capsys.readouterr().err
    out = tmp_path / "gallery.png"
    argv = ["gallery", str(whole), "--count", "1", "--out", str(out)]
    assert cli.run(argv) == 0
    narrow = Image.open(out).width
    assert cli.run([*argv, "--outputs", *PATHS, "fused_both"]) == 0
    # four more predictions with their errors, and gray beside NIR
    assert Image.open(out).width == narrow + 9 * (32 * 3 + 6)


def test_shipped_weights_have_all_outputs_and_no_folder(whole: Path, tmp_path: Path) -> None:
    file = weights_file.ship(whole, tmp_path)
    told = weights_file.load_any(file, output="gray_as_nir")
    assert told.output == "gray_as_nir"
    data = told.experiment.data
    assert isinstance(data, PairsAndPhotos)
    assert (data.root, data.pairs.root, data.photos.root) == (None, None, None)
    colored = Colorizer.load(file, output="fused_gray")(np.full((33, 40), 90, np.uint8))
    assert colored.shape == (33, 40, 3)


def test_a_run_goes_on_where_its_photographs_have_moved(whole: Path, tmp_path: Path) -> None:
    experiment, run = staged(), tmp_path / "run"
    shutil.copytree(whole, run)
    data = experiment.data
    assert isinstance(data, PairsAndPhotos)
    moved = replace(data, photos=replace(data.photos, root=tmp_path))
    fit(replace(experiment, data=moved), run, ALONE, resume=True)
    other = replace(data, photos=replace(data.photos, scene_seed=2))
    with pytest.raises(UserError, match=r"other settings \(data\.photos\.scene_seed\)"):
        fit(replace(experiment, data=other), run, ALONE, resume=True)
