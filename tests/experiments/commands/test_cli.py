"""The command line as a user meets it: exit codes, texts, and one small job of every command."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from crosschroma.datasets.files.folder import Folder
from crosschroma.datasets.mixtures.union import Union
from crosschroma.datasets.scenes.adapter import Scenes
from crosschroma.experiments import cli, recipe_list
from crosschroma.experiments.artifacts import checkpoint, run_file
from crosschroma.experiments.artifacts.checkpoint import load_trained
from crosschroma.experiments.artifacts.provenance import commit_of
from crosschroma.experiments.commands.reproduce import _tests
from crosschroma.experiments.experiment import Experiment
from crosschroma.models.student import Student
from PIL import Image

REPOSITORY = Path(__file__).resolve().parents[3]
SCRIPT = Path(sys.executable).with_name("crosschroma")
QUICK = ("--metrics", "PSNR", "AE")
RECIPE = '''"""Seconds on a CPU."""

from crosschroma.datasets.scenes.adapter import Scenes
from crosschroma.datasets.loading.views import EvalView, TrainView
from crosschroma.experiments.experiment import Experiment, Training
from crosschroma.models.unet import UNet

experiment = Experiment(
    name="tiny",
    method=UNet.Config(domain="DOMAIN", width=4, levels=2),
    data=Scenes(size=32, count_train=8, count_validation=2, count_test=3),
    train_view=TrainView(size=32),
    eval_view=EvalView(size=32),
    training=Training(steps=1, batch_size=2, validate_every=1, checkpoint_every=1),
)
'''


def write_recipe(folder: Path, domain: str = "nir") -> Path:
    path = folder / f"tiny_{domain}.py"
    path.write_text(RECIPE.replace("DOMAIN", domain))
    return path


def train(recipe: Path, run: Path, *more: str) -> int:
    return cli.run(
        ["train", str(recipe), "--run-dir", str(run), "--hardware.workers", "0", *more],
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A trained run of a domain; nothing may change it."""
    folder = tmp_path_factory.mktemp("runs")

    def run_of(domain: str) -> Path:
        run = folder / domain
        if not run.exists():
            assert train(write_recipe(folder, domain), run) == 0
        return run

    return run_of


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and lines wide enough not to be broken."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("CROSSCHROMA_DATA", raising=False)
    return tmp_path


def failure(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on stderr."""
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err


def picture(path: Path, seed: int = 0, channels: int = 3, side: int = 40) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (side, side, 3) if channels == 3 else (side, side)
    levels = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    Image.fromarray(levels).resize((side, side)).save(path)
    return path


def script(*arguments: str, **options: object) -> subprocess.Popen[str]:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    return subprocess.Popen([str(SCRIPT), *arguments], **pipes)  # pyright: ignore


# help


@pytest.mark.parametrize(
    ("argv", "named"),
    [
        (["train"], ["RECIPE", "unet_vcip", ".py"]),
        (["train", "unet_scenes_nir"], ["--method.width", "--resume", "--run-dir", "--smoke"]),
        (["evaluate"], ["RUN", "--json", "--split", "--metrics", "LPIPS-alex", "--device"]),
        (["score"], ["FOLDER", "--dataset", "--baseline", "--train-data", "--size"]),
        (["table"], ["--check", "--results", "--readme"]),
        (["reproduce"], ["TABLE", "--budget", "--only", "--seed", "--hardware.workers"]),
        (["colorize"], ["SOURCE", "--run", "--out", "--overwrite"]),
        (["gallery"], ["RUN...", "--count", "--out"]),
        (["data"], ["check", "audit", "prior", "boxes", "vcip"]),
        (["data", "check"], ["check", "audit", "vcip"]),
        (["data", "audit", "scenes"], ["--root", "--count-train"]),
        (["bench"], ["data"]),
        (["bench", "data"], ["--out", "--count", "--repeats"]),
        (["bench", "scan"], ["--out", "--plot", "--device", "--shapes", "--repeats"]),
        (["bench", "network"], ["--device", "--design", "--size", "--threads", "--loop"]),
        (["bench", "train"], ["--recipes", "--smoke", "--workers", "--turn", "--threads"]),
        (["bench", "export"], ["--run", "--images", "--size", "--threads"]),
        (["list"], ["crosschroma list"]),
    ],
    ids=" ".join,
)
def test_help_names_the_options(
    argv: list[str], named: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run([*argv, "--help"]) == 0
    out = capsys.readouterr().out
    assert "usage: crosschroma" in out
    assert [name for name in named if name not in out] == []


def test_help_names_every_command_without_importing_anything_heavy() -> None:
    code = (
        "import sys; from crosschroma.experiments import cli; assert cli.run(['--help']) == 0; "
        "print({'torch', 'tyro', 'numpy', 'cv2'} & {name for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *lines, heavy = done.stdout.splitlines()
    assert heavy == "set()"
    assert [n for n in cli.COMMANDS if not any(line.startswith(f"  {n} ") for line in lines)] == []


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--version"]) == 0
    assert re.fullmatch(r"crosschroma \d+\.\d+\.\d+\n", capsys.readouterr().out)


# wrong command lines


@pytest.mark.parametrize("argv", [[], ["train"], ["data"], ["data", "check"], ["bench"]], ids=str)
def test_too_few_words_show_the_usage(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(argv) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("usage: crosschroma")
    assert not shown.out


@pytest.mark.parametrize(
    ("argv", "code", "text"),
    [
        (["trian"], 2, "unknown command 'trian'; did you mean train?"),
        (["data", "chekc", "scenes"], 2, "unknown data command 'chekc'; did you mean check?"),
        (["bench", "dta"], 2, "unknown benchmark 'dta'; did you mean data?"),
        (["train", "unet_vicp"], 1, "unknown recipe 'unet_vicp'; did you mean unet_vcip"),
        (["train", "no_recipe_at_all"], 1, "names them)"),
        (["train", "nothere.py"], 1, "no recipe file nothere.py"),
        (["data", "check", "sceens"], 1, "unknown dataset 'sceens'; did you mean scenes?"),
        (["score", ".", "--dataset", "vicp"], 1, "unknown dataset 'vicp'; did you mean vcip?"),
        (["score", "--dataset", "scenes"], 1, "name a folder with pictures to score"),
        (["score", "no", "--dataset", "scenes"], 1, "no folder no with pictures"),
        (
            ["score", "--baseline", "nir_lot", "--dataset", "scenes"],
            1,
            "unknown baseline 'nir_lot'; did you mean nir_lut",
        ),
        (["reproduce", "scnes"], 1, "unknown table with recipes 'scnes'; did you mean scenes?"),
        (
            ["reproduce", "scenes", "--only", "unet_scene"],
            1,
            "unknown recipe of table scenes 'unet_scene'; did you mean unet_scenes_",
        ),
        (["train", "unet_scenes_nir", "--resume"], 1, "no runs/unet_scenes_nir/last.pt; train"),
        (["reproduce", "scenes", "--hardware.devices", "2"], 1, "one by one on one device"),
        (["evaluate", "nowhere"], 1, "no run nowhere; `crosschroma train`"),
        (
            ["evaluate", "zhang16_photo"],
            1,
            "no run zhang16_photo; did you mean zhang16_photos or hints_photos?",
        ),
        (
            ["ship", "hint_photos"],
            1,
            "no run hint_photos; did you mean hints_photos or zhang16_photos?",
        ),
        (["ship", "hint.safetensors"], 1, "no run hint.safetensors; `crosschroma train`"),
        (
            ["export", "Zhang16_photos"],
            1,
            "no run Zhang16_photos; did you mean zhang16_photos or hints_photos?",
        ),
        (["evaluate", "."], 1, "no checkpoint last.pt"),
        (["gallery"], 1, "name at least one run"),
        (["table"], 1, "no results folder results"),
        (["data", "check", "vcip"], 1, "vcip: no folder data/vcip2020"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_unknown_or_missing_is_named(
    argv: list[str], code: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(argv) == code
    assert text in failure(capsys)


def test_a_wrong_recipe_names_three_and_no_more(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["train", "unet_vicp"]) == 1
    text = failure(capsys)
    named = [name for name in recipe_list.recipe_names() if re.search(rf"\b{name}\b", text)]
    assert sorted(named) == ["encoder_unet_vcip", "encoder_unet_vcip_all", "unet_vcip"]
    assert "`crosschroma list` names them" in text


def test_a_wrong_recipe_file_names_those_beside_it(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine").mkdir()
    Path("mine/narrow.py").touch()
    assert cli.run(["train", "mine/narow.py"]) == 1
    assert "no recipe file mine/narow.py; did you mean mine/narrow.py?" in failure(capsys)


@pytest.mark.parametrize("run", ["unet_scenes_nir", "runs/unet_scene_nir", "rus/unet_scenes_nri"])
@pytest.mark.parametrize("command", ["evaluate", "colorize ."])
def test_a_wrong_run_names_those_that_are_there(
    command: str, run: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path("runs/unet_scenes_nir")
    folder.mkdir(parents=True)
    (folder / "last.pt").touch()
    Path("runs/unet_scenes").mkdir()  # nothing was trained in it
    picture(Path("a.png"))
    option = ["--run", run] if command == "colorize ." else [run]
    assert cli.run([*command.split(), *option]) == 1
    text = f"no run {run}; did you mean runs/unet_scenes_nir? `crosschroma train`"
    assert text in failure(capsys)


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["train", "unet_scenes_nir", "--method.widht", "3"], "--method.width INT"),
        (["train", "unet_scenes_nir", "--method.loss", "l3"], "('l1', 'mse', 'huber')"),
        (["train", "unet_scenes_nir", "--training.steps", "many"], "--training.steps"),
        (["evaluate"], "RUN"),
        (["colorize"], "SOURCE"),
        (["list", "all"], "all"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_options_are_usage_errors(
    argv: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(argv) == 2
    err = capsys.readouterr().err
    assert text in err
    assert "Traceback" not in err


def test_a_value_that_a_dataset_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["train", "unet_scenes_nir", "--data.size", "8"]) == 1
    assert "--data.size 8: must be 32 to" in failure(capsys)


def test_an_interrupt_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> list[str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(recipe_list, "recipe_names", interrupted)
    assert cli.run(["list"]) == 1
    assert failure(capsys) == "error: interrupted\n"


# the console script


def test_user_errors_of_the_script(place: Path) -> None:
    process = script("train", "unet_scenes_nri")
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (1, "")
    assert err.startswith("error: unknown recipe 'unet_scenes_nri'; did you mean unet_scenes_nir")
    assert err.count("\n") == 1


@pytest.mark.parametrize("argv", [["--help"], ["table", "--help"]], ids=" ".join)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_closed_pipe_is_no_error_to_talk_about(argv: list[str], unbuffered: str) -> None:
    """As in ``crosschroma ... | head -0``: the text fails at once, or only at exit."""
    reader, writer = os.pipe()
    os.close(reader)
    env = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    process = script(*argv, stdout=writer, env=env)
    os.close(writer)
    _, err = process.communicate(timeout=120)
    assert err == ""
    assert process.returncode == 1


def test_ctrl_c_saves_a_training_run_and_says_so_in_one_line(place: Path) -> None:
    more = ["--hardware.workers", "0", "--training.steps", "100000", "--run-dir", "run"]
    process = script("train", str(write_recipe(place)), *more)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("step 1: PSNR")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    stopped = re.fullmatch(r"error: stopped at step (\d+), saved in run; --resume goes on\n", err)
    assert stopped, err
    assert load_trained(place / "run", "last").step == int(stopped[1])


# train


def test_train_takes_a_recipe_file_and_overrides(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = write_recipe(place)
    more = ["--method.width", "8", "--training.steps", "2", "--hardware.workers", "0"]
    assert cli.run(["train", str(recipe), *more]) == 0
    assert "next: crosschroma evaluate runs/tiny" in capsys.readouterr().out
    run = load_trained(place / "runs" / "tiny", "last")
    assert (run.step, run.experiment.method.width) == (2, 8)  # pyright: ignore


def test_smoke_is_narrow_short_and_apart(place: Path) -> None:
    assert cli.run(["train", "unet_scenes_nir", "--smoke", "--hardware.workers", "0"]) == 0
    run = load_trained(place / "runs" / "unet_scenes_nir-smoke")
    assert (run.step, run.experiment.method.width) == (2, 8)  # pyright: ignore
    assert [path.name for path in place.iterdir()] == ["runs"]


@pytest.mark.parametrize("smoke", [[], ["--smoke"]])
def test_a_run_is_overwritten_only_when_asked(
    smoke: list[str], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also one that has its best weights alone; the events of the old run go with it."""
    recipe, run = write_recipe(place), place / "run"
    assert train(recipe, run) == 0
    before = {path: path.read_bytes() for path in run.iterdir()}
    capsys.readouterr()
    assert train(recipe, run, *smoke) == 1
    error = failure(capsys)
    assert "run holds a run already; add --resume to go on, --overwrite to delete it" in error
    assert train(recipe, run, "--resume", "--overwrite") == 2
    (run / checkpoint.LAST).rename(place / checkpoint.LAST)
    assert train(recipe, run, *smoke) == 1
    (place / checkpoint.LAST).rename(run / checkpoint.LAST)
    assert {path: path.read_bytes() for path in run.iterdir()} == before
    assert train(recipe, run, "--overwrite", *smoke) == 0
    assert load_trained(run).experiment.name == ("tiny-smoke" if smoke else "tiny")
    assert len(list(run.glob("events.*"))) == 1


def test_an_existing_run_goes_on_only_when_asked(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe, run = write_recipe(place), place / "run"
    assert train(recipe, run) == 0
    capsys.readouterr()
    assert train(recipe, run, "--training.steps", "2") == 1
    assert "add --resume to go on" in failure(capsys)
    assert train(recipe, run, "--training.steps", "2", "--resume") == 0
    assert load_trained(run, "last").step == 2
    capsys.readouterr()
    assert train(recipe, run, "--method.width", "8", "--resume") == 1
    assert "other settings (method.width)" in failure(capsys)


# evaluate, score, table


def test_evaluate_writes_all_that_a_row_needs(
    trained: Callable[[str], Path], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained("nir")
    argv = ["evaluate", str(run), "--json", str(place / "row.json"), *QUICK]
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *argv])
    assert cli.run(argv) == 0
    row = run_file.load_run_file(place / "row.json")
    assert (row.kind, row.method, row.recipe, row.steps, row.seed) == ("ours", "unet", "tiny", 1, 0)
    assert row.config["method"]["width"] == 4
    assert row.config_sha256 == run_file.canonical_sha256(row.config)
    assert row.weights["sha256"] == load_trained(run).weights_sha256
    assert row.commit == commit_of(REPOSITORY)[0]
    assert row.versions["torch"] == torch.__version__
    assert row.command == "crosschroma evaluate nir --json row.json --metrics PSNR AE"
    assert len(row.rows) == 3
    text = (place / "row.json").read_text()
    folders = (place, run.parent, REPOSITORY, Path.home(), sys.prefix)
    assert [str(folder) for folder in folders if str(folder) in text] == []


def test_evaluate_on_another_dataset(trained: Callable[[str], Path], place: Path) -> None:
    for index in range(2):
        picture(place / "pairs" / "nir" / "test" / f"{index}_nir.png", index, channels=1)
        picture(place / "pairs" / "rgb" / "test" / f"{index}_rgb.png", index)
    argv = ["evaluate", str(trained("nir")), "--dataset", "pairs", "--root", "pairs", *QUICK]
    assert cli.run([*argv, "--json", "row.json"]) == 0
    row = run_file.load_run_file(place / "row.json")
    assert (row.dataset, row.recipe) == ("pairs", "tiny")
    assert row.train_data.startswith("scenes-v1")
    assert [image["key"] for image in row.rows] == ["test/0", "test/1"]


def test_evaluate_prints_what_was_asked_for(
    trained: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Also what is not shown by default, one of them over the set."""
    run = str(trained("gray"))
    capsys.readouterr()
    assert cli.run(["evaluate", run, "--metrics", "dE00", "AuC balanced"]) == 0
    out = capsys.readouterr().out
    assert "dE00" in out
    assert "AuC balanced" in out
    assert "PSNR" not in out


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (["--metrics", "PSRN"], "unknown metric 'PSRN'; did you mean PSNR?"),
        (["--device", "quantum"], "cannot use device 'quantum'"),
        (["--dataset", "scnes"], "unknown dataset 'scnes'; did you mean scenes?"),
        (["--dataset", "vcip"], "no folder data/vcip2020"),
        ([*QUICK, "--json", "/proc/none/row.json"], "/proc/none/row.json: cannot be written"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_evaluate_names_what_is_wrong(
    more: list[str], text: str, trained: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained("nir")
    capsys.readouterr()
    assert cli.run(["evaluate", str(run), *more]) == 1
    assert text in failure(capsys)


def test_weights_that_do_not_fit_are_one_line(
    trained: Callable[[str], Path], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """torch names misfits on a line each."""
    state = checkpoint.load_checkpoint(trained("nir") / checkpoint.BEST)
    state["experiment"]["method"]["width"] = 8
    checkpoint.save_checkpoint(place / "wide.pt", state)
    capsys.readouterr()
    assert cli.run(["evaluate", "wide.pt"]) == 1
    assert "generator does not fit" in failure(capsys)


def test_score_pictures_of_a_folder(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for index in range(2):
        picture(place / "photos" / "test" / f"{index}.png", index)
        picture(place / "made" / f"{index}.png", index)
    argv = ["score", "made", "--dataset", "folder", "--root", "photos", "--size", "0"]
    assert cli.run([*argv, "--json", "row.json", "--note", "copies"]) == 0
    row = run_file.load_run_file(place / "row.json")
    assert (row.kind, row.method, row.note) == ("peer", "made", "copies")
    assert row.summary["all"]["PSNR"] == 100
    (place / "made" / "1.png").unlink()
    capsys.readouterr()
    assert cli.run(argv) == 1
    assert "no picture for test/1.png (1 of 2 test images)" in failure(capsys)


def test_score_a_baseline(place: Path) -> None:
    picture(place / "photos" / "test" / "0.png")
    argv = ["score", "--baseline", "gray", "--dataset", "folder", "--root", "photos"]
    assert cli.run([*argv, "--size", "32", "--json", "row.json"]) == 0
    assert run_file.load_run_file(place / "row.json").kind == "baseline"


def test_table_check_finds_a_changed_digit(
    trained: Callable[[str], Path], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "README.md").write_text("# Mine\n<!-- table:scenes -->\n<!-- /table -->\n")
    argv = ["evaluate", str(trained("nir")), "--json", "results/runs/tiny.json", *QUICK]
    assert cli.run(argv) == 0
    assert cli.run(["table"]) == 0
    assert cli.run(["table", "--check"]) == 0
    psnr = run_file.load_run_file(place / "results" / "runs" / "tiny.json").summary["all"]["PSNR"]
    shown = f"{psnr:.2f}"
    changed = shown[:-1] + str((int(shown[-1]) + 1) % 10)
    for name in ("README.md", "results/tables/scenes.md", "results/tables/scenes.tex"):
        text = (place / name).read_text()
        assert shown in text
        (place / name).write_text(text.replace(shown, changed))
        capsys.readouterr()
        assert cli.run(["table", "--check"]) == 1
        out = capsys.readouterr().out
        assert out.startswith(f"{name}:")
        assert changed in out
        assert cli.run(["table"]) == 0


# reproduce


@pytest.fixture
def recipes(unet: Experiment, monkeypatch: pytest.MonkeyPatch) -> dict[str, Experiment]:
    """In the place of the shipped recipes: one that learns, after one whose weights explode."""
    wild = replace(unet.method, lr=1e30)  # pyright: ignore[reportCallIssue]
    found = {
        "a_wild": replace(unet, name="a_wild", method=wild),
        "b_tame": replace(unet, name="b_tame", training=replace(unet.training, steps=2)),
    }
    monkeypatch.setattr(recipe_list, "recipe_names", lambda: list(found))
    monkeypatch.setattr(recipe_list, "load_recipe", found.__getitem__)
    return found


def reproduce(*more: str) -> int:
    return cli.run(["reproduce", "scenes", "--hardware.workers", "0", *more])


def test_reproduce_smoke_touches_only_the_runs_folder(
    recipes: dict[str, Experiment], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And it goes on after a recipe that diverges, which keeps a row."""
    readme = "<!-- table:scenes -->\nold\n<!-- /table -->\n"
    (place / "README.md").write_text(readme)
    assert reproduce("--budget", "smoke") == 1
    shown = capsys.readouterr()
    assert "error: a_wild-smoke: step 1: loss term l1_rgb is nan" in shown.err
    assert "error: failed: a_wild-smoke" in shown.err
    assert "a_wild-smoke: diverged: DivergedError" in shown.out
    assert re.search(r"│ PSNR +│ n/a +│ \d+\.\d+ +│ n/a +│", shown.out)
    assert "b_tame-smoke: no committed row to compare with" in shown.out
    folder = place / "runs" / "reproduce" / "scenes"
    rows = run_file.load_run_files(folder / "results" / "runs")
    status = {name: row.status for name, row in rows.items()}
    assert status == {"a_wild-smoke": "diverged", "b_tame-smoke": "ok"}
    assert "DivergedError" in rows["a_wild-smoke"].note
    table = (folder / "results" / "tables" / "scenes.md").read_text()
    assert "diverged" in table
    assert (place / "README.md").read_text() == readme
    assert sorted(path.name for path in place.iterdir()) == ["README.md", "runs"]


def test_reproduce_writes_a_row_a_seed_once(
    recipes: dict[str, Experiment], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "README.md").write_text("<!-- table:scenes -->\n<!-- /table -->\n")
    argv = ("--only", "b_tame", "--seed", "0", "1", "--results", "results")
    assert reproduce(*argv) == 0
    rows = run_file.load_run_files(place / "results" / "runs")
    assert {name: row.seed for name, row in rows.items()} == {"b_tame": 0, "b_tame-seed1": 1}
    assert "2 seeds" in (place / "README.md").read_text()
    before = (place / "results" / "runs" / "b_tame.json").read_bytes()
    capsys.readouterr()
    assert reproduce(*argv) == 0
    assert "b_tame-seed1: has its row" in capsys.readouterr().out
    assert (place / "results" / "runs" / "b_tame.json").read_bytes() == before


def test_reproduce_trains_and_prints_the_committed_row_beside_the_new_one(
    recipes: dict[str, Experiment], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Into a folder of its own: neither the results nor a run of ``train`` is touched."""
    committed = ("--only", "b_tame", "--results", "results", "--readme", "None")
    assert reproduce(*committed) == 0
    path = place / "results" / "runs" / "b_tame.json"
    row = run_file.load_run_file(path)
    row = replace(row, summary={"all": {**row.summary["all"], "PSNR": 20.0, "AE": None}})
    longer = {**row.config["training"], "steps": 3}  # pyright: ignore[reportIndexIssue]
    replace(row, config={**row.config, "training": longer}).save(path)
    before = {file: file.read_bytes() for file in place.rglob("*") if file.is_file()}
    capsys.readouterr()
    assert reproduce("--only", "b_tame") == 0
    shown = capsys.readouterr().out
    folder = place / "runs" / "reproduce" / "scenes"
    new = run_file.load_run_file(folder / "results" / "runs" / "b_tame.json")
    assert load_trained(folder / "b_tame", "last").step == 2
    psnr = new.summary["all"]["PSNR"]
    assert psnr is not None
    assert re.search(rf"│ PSNR +│ 20\.00 +│ {psnr:.2f} +│ {psnr - 20:+.2f} +│", shown)
    assert re.search(r"│ AE +│ n/a +│ \d+\.\d+ +│ n/a +│", shown)
    assert "settings that differ from the committed row's: training.steps\n" in shown
    assert {file: file.read_bytes() for file in before} == before
    assert reproduce("--only", "b_tame") == 0
    shown = capsys.readouterr().out
    assert "b_tame: has its row; --overwrite trains it anew" in shown
    assert re.search(r"│ PSNR +│ 20\.00 +│", shown)


def test_a_smoke_reproduction_overwrites_only_when_asked(
    recipes: dict[str, Experiment], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ("--budget", "smoke", "--only", "b_tame")
    assert reproduce(*argv) == 0
    last = place / "runs" / "reproduce" / "scenes" / "b_tame-smoke" / "last.pt"
    before = last.read_bytes()
    capsys.readouterr()
    assert reproduce(*argv) == 1
    error = failure(capsys)
    assert "scenes/b_tame-smoke holds a run already" in error
    assert "--overwrite" in error
    assert last.read_bytes() == before
    assert reproduce(*argv, "--overwrite") == 0
    assert last.read_bytes() != before
    assert reproduce(*argv, "--results", "results") == 2


def test_reproduce_leaves_ablations_out_unless_asked(
    recipes: dict[str, Experiment], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del recipes["a_wild"]
    recipes["c_changed"] = replace(recipes["b_tame"], name="c_changed")
    monkeypatch.setattr(recipe_list, "ablations", lambda: ["c_changed"])

    def rows(*more: str) -> set[str]:
        assert reproduce("--budget", "smoke", *more) == 0
        folder = place / "runs" / "reproduce" / "scenes" / "results" / "runs"
        found = set(run_file.load_run_files(folder))
        shutil.rmtree(place / "runs")
        return found

    assert rows() == {"b_tame-smoke"}
    assert rows("--ablations") == {"b_tame-smoke", "c_changed-smoke"}
    assert rows("--only", "c_changed") == {"c_changed-smoke"}


@pytest.fixture
def budget(unet: Experiment, place: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Experiment]:
    """Two methods that learn from two datasets, the teacher named after its student."""
    for index in range(12):
        picture(place / "pictures" / ("test" if index < 2 else "train") / f"{index}.png", index)
        picture(place / "pictures" / "val" / f"{index}.png", index)
    teacher = replace(
        unet,
        name="b_teacher",
        method=replace(unet.method, domain="gray"),  # pyright: ignore[reportCallIssue]
        data=Union(first=Folder(root=place / "pictures"), others=(unet.data,)),
        training=replace(unet.training, steps=2),
    )
    taught = Student.Config(
        student=teacher.method,
        teacher=teacher.method,
        teacher_weights=str(place / "runs" / "budget" / "b_teacher"),
    )
    found = {"a_student": replace(teacher, name="a_student", method=taught), "b_teacher": teacher}
    everything = {"c_plain": replace(teacher, name="c_plain"), **found}
    monkeypatch.setattr(recipe_list, "recipe_names", lambda: list(everything))
    monkeypatch.setattr(recipe_list, "budget", lambda: list(found))
    monkeypatch.setattr(recipe_list, "load_recipe", everything.__getitem__)
    return found


def test_reproduce_the_budget(
    budget: dict[str, Experiment], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder of its own, the teacher first, a row on each dataset, one picture of all."""
    argv = ["reproduce", "budget", "--hardware.workers", "0", "--readme", "None"]
    argv += ["--results", "results"]
    assert cli.run(argv) == 0
    shown = capsys.readouterr().out
    rows = run_file.load_run_files(place / "results" / "runs")
    names = [f"{name}{on}" for name in budget for on in ("", "_on_scenes")]
    assert list(rows) == names
    assert [rows[name].dataset for name in names] == ["folder", "scenes"] * 2
    assert rows["a_student_on_scenes"].cost
    assert "teacher unet (b_teacher)" in rows["a_student"].train_data
    folder = place / "runs" / "budget"
    assert sorted(path.name for path in folder.iterdir()) == [*budget, "gallery.jpg"]
    assert all(list((folder / name).rglob("events.out.tfevents*")) for name in budget)
    assert "tensorboard --logdir runs/budget" in shown
    (place / "results" / "runs" / "b_teacher_on_scenes.json").unlink()
    assert cli.run(argv) == 0
    shown = capsys.readouterr().out
    assert "a_student: has its row" in shown
    assert "b_teacher: goes on in" in shown
    assert list(run_file.load_run_files(place / "results" / "runs")) == names


class MorePictures(Folder):
    name = "more"


@pytest.mark.parametrize(("share", "rows"), [(0.0, [""]), (1.0, ["", "_on_more"])])
def test_a_joined_dataset_without_test_images_gets_no_row(
    unet: Experiment, place: Path, share: float, rows: list[str]
) -> None:
    """Found before it has trained for hours."""
    for name in ("first", "more"):
        picture(place / name / "a.png", 0)
    more = MorePictures(root=place / "more", validation=0.0, test=share)
    experiment = replace(unet, data=Union(first=Folder(root=place / "first"), others=(more,)))
    assert list(_tests(experiment)) == [f"{unet.name}{row}" for row in rows]


def test_a_reproduced_student_learns_from_the_reproduced_teacher(
    budget: dict[str, Experiment], place: Path
) -> None:
    assert cli.run(["reproduce", "budget", "--hardware.workers", "0"]) == 0
    folder = place / "runs" / "reproduce" / "budget"
    assert sorted(path.name for path in folder.iterdir()) == [*budget, "gallery.jpg", "results"]
    method = load_trained(folder / "a_student").experiment.method
    assert isinstance(method, Student.Config)
    assert method.teacher_weights == "runs/reproduce/budget/b_teacher"
    assert [path.name for path in (place / "runs").iterdir()] == ["reproduce"]


def test_recipes_of_the_budget_are_in_no_datasets_table(
    budget: dict[str, Experiment], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["reproduce", "folder", "--only", "b_teacher"]) == 1
    assert "unknown recipe of table folder 'b_teacher'" in failure(capsys)
    assert cli.run(["reproduce", "budgets"]) == 1
    assert "did you mean budget" in failure(capsys)
    argv = ["reproduce", "folder", "--budget", "smoke", "--hardware.workers", "0"]
    assert cli.run(argv) == 0
    rows = run_file.load_run_files(place / "runs" / "reproduce" / "folder" / "results" / "runs")
    assert list(rows) == ["c_plain-smoke", "c_plain-smoke_on_scenes"]


def test_reproduce_without_readme(recipes: dict[str, Experiment], place: Path) -> None:
    assert reproduce("--only", "b_tame", "--results", "results", "--readme", "None") == 0
    assert (place / "results" / "tables" / "scenes.md").is_file()


def test_reproduce_says_before_training_that_there_is_no_readme(
    recipes: dict[str, Experiment], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reproduce("--results", "results") == 1
    assert "no file README.md" in failure(capsys)
    assert list(place.iterdir()) == []


def test_reproduce_without_the_data_writes_no_rows(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["reproduce", "vcip", "--readme", "None"]) == 1
    assert "vcip: no folder" in failure(capsys)
    assert list(place.iterdir()) == []


def test_a_failed_row_names_no_folder_of_this_machine(
    recipes: dict[str, Experiment], place: Path
) -> None:
    run = place / "runs" / "b_tame"
    run.mkdir(parents=True)
    (run / checkpoint.LAST).write_bytes(b"not a checkpoint")
    argv = ("--only", "b_tame", "--runs", str(place / "runs"), "--results", "results")
    argv += ("--readme", "None")
    assert reproduce(*argv) == 1
    row = run_file.load_run_file(place / "results" / "runs" / "b_tame.json")
    assert row.status == "failed"
    assert "last.pt is" in row.note
    assert str(place) not in (place / "results" / "runs" / "b_tame.json").read_text()


# colorize, gallery


@pytest.mark.parametrize("domain", ["nir", "gray"])
def test_colorize_a_picture(domain: str, trained: Callable[[str], Path], place: Path) -> None:
    picture(place / "old.png", channels=1, side=37)
    assert cli.run(["colorize", "old.png", "--run", str(trained(domain)), "--out", "new.png"]) == 0
    with Image.open(place / "new.png") as new:
        assert (new.size, new.mode) == ((37, 37), "RGB")


def test_colorize_a_folder_goes_on_after_a_broken_file(
    trained: Callable[[str], Path], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained("gray")
    picture(place / "old" / "deep" / "b.jpg")
    picture(place / "old" / "c.png")
    (place / "old" / "a.png").write_bytes(b"\x89PNG broken")
    capsys.readouterr()
    argv = ["colorize", "old", "--run", str(run), "--out", "new"]
    assert cli.run(argv) == 1
    err = capsys.readouterr().err
    assert "old/a.png" in err
    assert "error: 1 could not be coloured" in err
    assert sorted(p.name for p in (place / "new").rglob("*.*")) == ["b.png", "c.png"]
    (place / "old" / "a.png").unlink()
    assert cli.run(argv) == 0
    assert "2 there already" in capsys.readouterr().out


def test_gallery(trained: Callable[[str], Path], place: Path) -> None:
    assert cli.run(["gallery", str(trained("nir")), str(trained("gray")), "--count", "2"]) == 0
    with Image.open(place / "gallery.png") as shown:
        assert shown.width > 5 * 32


# data, bench, list


def test_data_check_names_a_broken_picture(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for index, split in enumerate(("train", "validation", "test")):
        picture(place / "photos" / split / "a.png", index)
    argv = ["data", "check", "folder", "--root", "photos"]
    assert cli.run(argv) == 0
    (place / "photos" / "test" / "b.png").write_bytes(b"")
    capsys.readouterr()
    assert cli.run(argv) == 1
    assert "test/b.png" in capsys.readouterr().out


def test_data_audit_finds_a_shared_picture(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for index, split in enumerate(("train", "validation", "test")):
        for name in range(2):
            scene = Scenes(size=64).split("train").load(10 * index + name)["rgb"]  # pyright: ignore
            path = place / "photos" / split / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(scene).save(path)
    argv = ["data", "audit", "folder", "--root", "photos"]
    assert cli.run(argv) == 0
    Image.open(place / "photos" / "train" / "1.png").save(place / "photos" / "test" / "2.png")
    capsys.readouterr()
    assert cli.run(argv) == 1
    out = capsys.readouterr().out
    assert "train/1.png" in out
    assert "test/2.png" in out


def test_bench_data(place: Path) -> None:
    pytest.importorskip("skimage")
    argv = ["bench", "data", "--count", "2", "--repeats", "1", "--out", "speed.json"]
    assert cli.run(argv) == 0
    assert json.loads((place / "speed.json").read_text())["images"] == 2


def test_bench_scan_writes_figures_and_plot(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    from crosschroma.experiments.benchmarks import scan

    monkeypatch.setattr(scan, "available", lambda _: {"torch": ""})
    monkeypatch.setattr(scan, "_peaks_mb", lambda *_: {})
    argv = ["bench", "scan", "--shapes", "1,64,1,1024", "--repeats", "1", "--out", "scan.json"]
    assert cli.run([*argv, "--plot", "scan.svg"]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == ["scan.json", "scan.svg"]
    assert "<svg" in (place / "scan.svg").read_text()
    assert cli.run([*argv, "--plot", "None"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "scan.json"


def test_list_names_every_recipe_and_its_networks(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["list", "--parameters"]) == 0
    out = capsys.readouterr().out
    assert [name for name in recipe_list.recipe_names() if name not in out] == []
    gray = next(line for line in out.splitlines() if "pix2pix_imagenet_sample" in line)
    assert "generator 54,409,858, discriminator 2,765,633" in gray
