"""``crosschroma list`` says of every recipe what it is for and how it scored; it builds nothing."""

from __future__ import annotations

import dataclasses
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
from crosschroma.experiments import cli, recipe_list
from crosschroma.experiments.artifacts import run_file

RESULTS = Path(__file__).resolve().parents[3] / "results"


def listed(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, tuple[str, str]]:
    """What stands beside each name, and the line below."""
    assert cli.run(["list", *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    rows = {}
    for line, purpose in zip(lines[::2], lines[1::2], strict=True):
        name, remarks = line.split(None, 1)
        rows[name] = (remarks, purpose)
    return rows


def test_every_recipe_has_its_first_line(capsys: pytest.CaptureFixture[str]) -> None:
    rows = listed(capsys)
    assert list(rows) == recipe_list.recipe_names()
    for name in set(rows) - {*recipe_list.ablations(), *recipe_list.budget()}:
        purpose = rows[name][1]
        module = importlib.import_module(f"crosschroma.experiments.recipes.{name}")
        expected = (module.__doc__ or "").strip().splitlines()[0].replace("``", "")
        assert purpose == f"  {expected}"


def test_an_ablation_names_its_recipe_and_its_change(capsys: pytest.CaptureFixture[str]) -> None:
    rows = listed(capsys)
    expected = "  Ablation of encoder_unet_vcip: a loss that lets a pair be off by up to two pixels"
    assert rows["encoder_unet_vcip_shift_2"][1] == f"{expected} either way."
    assert all(rows[name][1].startswith("  Ablation of ") for name in recipe_list.ablations())
    assert rows["budget_unet"][1] == "  Equal budget: U-Net, L1 of ab."
    assert all(rows[name][1].startswith("  Equal budget: ") for name in recipe_list.budget())


def test_scores_are_those_of_the_tables(capsys: pytest.CaptureFixture[str]) -> None:
    """Of VCIP the scene-disjoint images; a test before a fold; the plainest of several runs."""
    rows = listed(capsys)

    def psnr(file: str, subset: str) -> str:
        number = run_file.load_run_file(RESULTS / "runs" / f"{file}.json").summary[subset]["PSNR"]
        return f"{number:.2f} dB"

    vcip = psnr("unet_vcip", "scene_disjoint")
    assert rows["unet_vcip"][0] == f"{vcip} from nir in vcip"
    paths = psnr("cocolor_vcip_nir", "scene_disjoint")
    assert rows["cocolor_vcip"][0] == f"{paths} from nir in vcip (output nir)"
    budget = psnr("budget_unet", "all")
    assert rows["budget_unet"][0] == f"{budget} from gray in budget"
    assert rows["encoder_unet_vcip_lite2"][0].endswith("in vcip_folds")
    assert rows["colormamba_vcip"][0] == "no row"
    shipped = psnr("encoder_unet_nir_epfl", "scene_disjoint")
    assert rows["encoder_unet_nir_epfl"][0] == f"{shipped} from nir in vcip, weights shipped"


def test_shipped_weights_are_marked(capsys: pytest.CaptureFixture[str]) -> None:
    files = {path.stem for path in (RESULTS / "weights").glob("*.safetensors")}
    assert files
    marked = {name for name, (text, _) in listed(capsys).items() if "weights shipped" in text}
    assert marked == files


def test_without_results_and_without_a_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = listed(capsys, "--results", str(tmp_path))
    assert {text.removesuffix(", weights shipped") for text, _ in rows.values()} == {"no row"}
    run = run_file.load_run_file(RESULTS / "runs" / "unet_vcip.json")
    summary = {"all": {"AE": 5.0}, "scene_disjoint": {"AE": 5.0}}
    dataclasses.replace(run, summary=summary).save(tmp_path / "runs" / "one.json")
    failed = dataclasses.replace(run, recipe="pix2pix_vcip", status="failed", summary={})
    failed.save(tmp_path / "runs" / "two.json")
    rows = listed(capsys, "--results", str(tmp_path))
    assert rows["unet_vcip"][0] == "a row from nir in vcip"
    assert rows["pix2pix_vcip"][0] == "no row"


def test_neither_torch_nor_a_recipe_is_loaded() -> None:
    """That takes seconds, and building the networks of all recipes takes many."""
    code = (
        "import sys; from crosschroma.experiments import cli; assert cli.run(['list']) == 0; "
        "print([n for n in sys.modules if n in ('torch', 'numpy', 'cv2') or '.recipes' in n])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_parameters_are_counted_on_request(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["unet_vcip", "colormamba_small_vcip_no_agent_attention"]
    monkeypatch.setattr(recipe_list, "recipe_names", lambda: names)
    assert cli.run(["list", "--parameters"]) == 0
    rows = [re.split(r"\s*│\s*", line)[1:] for line in capsys.readouterr().out.splitlines()[3:-1]]
    assert [row[0] for row in rows] == names
    run = run_file.load_run_file(RESULTS / "runs" / "unet_vcip.json")
    assert rows[0][1:6] == ["unet", "nir", "vcip", "vcip-clean", f"generator {run.parameters:,}"]
