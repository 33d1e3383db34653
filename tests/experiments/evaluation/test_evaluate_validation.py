"""``evaluate --split validation``: the images a run has kept out, in run files of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from crosschroma.datasets.base.adapter import Adapter
from crosschroma.datasets.scenes.adapter import Scenes
from crosschroma.datasets.unknown_data import UnknownData
from crosschroma.datasets.vcip import Vcip
from crosschroma.experiments import cli
from crosschroma.experiments.artifacts import checkpoint, run_file
from crosschroma.experiments.evaluation.evaluate import evaluate_method
from crosschroma.experiments.experiment import Experiment, Hardware
from crosschroma.experiments.settings import to_plain
from crosschroma.experiments.training.engine import fit
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

QUICK = ("--metrics", "PSNR", "AE")


@pytest.fixture
def run_of(
    unet: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[int], Path]:
    """A trained run of a seed, under the working directory."""
    monkeypatch.chdir(tmp_path)

    def made(seed: int) -> Path:
        run = Path("runs") / f"tiny_s{seed}"
        fit(replace(unet, seed=seed), run, Hardware(accelerator="cpu", workers=0))
        return run

    return made


def test_validation_images_are_scored_apart(unet: Experiment) -> None:
    method = unet.method.build()
    tested, kept_out = (
        evaluate_method(method, unet.data, unet.eval_view, split=split, metrics=("PSNR",))
        for split in ("test", "validation")
    )
    keys = [row["key"] for row in kept_out.rows]
    assert keys == list(unet.data.split("validation").keys)
    assert not set(keys) & {row["key"] for row in tested.rows}
    assert "part" not in tested.split
    assert kept_out.split["part"] == "validation"
    assert kept_out.split["name"] == f"{unet.data.protocol} validation"
    assert kept_out.split["sha256"] != tested.split["sha256"]
    assert set(kept_out.summary) == {"all"}, "subsets are of the test list"


def test_each_seed_and_split_has_its_file(
    run_of: Callable[[int], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in (0, 1):
        argv = ["evaluate", str(run_of(seed)), "--json", "rows", *QUICK]
        assert cli.run([*argv, "--split", "validation"]) == 0
        assert cli.run(argv) == 0
    names = [f"tiny_s{seed}{part}" for seed in (0, 1) for part in ("", "_validation")]
    rows = run_file.load_run_files(Path("rows"))
    assert sorted(rows) == names
    assert [rows[name].seed for name in names] == [0, 0, 1, 1]
    assert [rows[name].split.get("part") for name in names] == [None, "validation"] * 2
    board = EventAccumulator("runs/tiny_s1").Reload()
    best = max(event.value for event in board.Scalars("validation/PSNR"))
    scored = rows["tiny_s1_validation"].summary["all"]["PSNR"]
    assert scored == pytest.approx(best, 1e-5), "what its checkpoint was chosen by"
    capsys.readouterr()
    assert cli.run(["evaluate", "runs/tiny_s1", "--json", "rows/tiny_s0.json", *QUICK]) == 1
    error = capsys.readouterr().err
    assert "rows/tiny_s0.json holds tiny_unet, seed 0" in error
    assert "not tiny_unet, seed 1" in error
    assert run_file.load_run_file(Path("rows/tiny_s0.json")).seed == 0


@pytest.mark.parametrize(
    ("trained_on", "more", "text"),
    [
        (Scenes(size=32), ["--dataset", "vcip"], "leave --dataset and --boxes out"),
        (Vcip(fold=None), [], "trained on all of vcip-clean train: no validation images"),
        (UnknownData(known_as="COCO"), ["--dataset", "scenes"], "leave --dataset"),
    ],
    ids=["another dataset's", "none kept out", "weights of others"],
)
def test_only_what_the_run_has_kept_out_validates_it(
    trained_on: Adapter,
    more: list[str],
    text: str,
    run_of: Callable[[int], Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    best = run_of(0) / checkpoint.BEST
    state = checkpoint.load_checkpoint(best)
    state["experiment"]["data"] = to_plain(trained_on)
    checkpoint.save_checkpoint(best, state)
    capsys.readouterr()
    assert cli.run(["evaluate", "runs/tiny_s0", "--split", "validation", *more]) == 1
    assert text in capsys.readouterr().err
