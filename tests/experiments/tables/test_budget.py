"""The table of the equal budget: both test sets, costs, and what the budget allows to say."""

from __future__ import annotations

import csv
import dataclasses
import io
from pathlib import Path
from typing import Any

import pytest
from crosschroma.datasets.loading.views import EvalView
from crosschroma.experiments import recipe_list
from crosschroma.experiments.artifacts.run_file import RunFile
from crosschroma.experiments.evaluation.evaluate_run import failed_row, origin
from crosschroma.experiments.tables import tables

CONFIG = origin(recipe_list.load_recipe("budget_unet"))["config"]
PHOTOGRAPHS = "imagenet-sample train, ab range >= 10 + bsds500 train, ab range >= 10"
METRICS = {"PSNR": 20.0, "SSIM": 0.9, "LPIPS-alex": None, "ACC": 0.5, "ab_std_ratio": 0.237}
RUN = RunFile(
    kind="ours",
    method="unet",
    recipe="budget_unet",
    domain="gray",
    dataset="imagenet-sample",
    protocol="imagenet-sample",
    split={"name": "imagenet-sample test", "sha256": "0123456789ab", "images": 100},
    train_data=PHOTOGRAPHS,
    metric_protocol={"view": EvalView().protocol, **dict.fromkeys(METRICS, "as usual")},
    summary={"all": METRICS},
    unavailable={"LPIPS-alex": "no weights"},
    rows=[],
    parameters=7_762_465,
    seed=0,
    steps=300,
    config=CONFIG,
    trained=[{"device": "A processor, 1 thread"}],
    wall_s={"train": 150.0, "evaluate": 9.0},
    cost={"size": "256x256", "macs": 12_345_000_000, "ms": 81.6},
)
BSDS = {
    "dataset": "bsds500",
    "protocol": "bsds500",
    "split": {"name": "bsds500 test", "sha256": "ba9876543210", "images": 200},
}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    (tmp_path / "runs").mkdir()
    return tmp_path


def add(results: Path, name: str, **changes: Any) -> None:
    dataclasses.replace(RUN, **changes).save(results / "runs" / f"{name}.json")


def text(results: Path, ending: str = "md") -> str:
    return tables.generate(results)[results / f"tables/budget.{ending}"]


def row(results: Path, recipe: str, number: int = 0) -> dict[str, str]:
    """Cells by column head of the ``number``-th row that names ``recipe``."""
    lines = [line for line in text(results).splitlines() if line.startswith("| ")]
    heads = [cell.strip() for cell in lines[0].strip("|").split(" | ")]
    found = [line for line in lines if f"[{recipe}" in line][number]
    return dict(zip(heads, (c.strip() for c in found.strip("|").split(" | ")), strict=True))


def test_both_test_sets_stand_in_one_table_and_nowhere_else(results: Path) -> None:
    add(results, "budget_unet_on_bsds500", **BSDS, summary={"all": {**METRICS, "PSNR": 21.0}})
    add(results, "budget_unet")
    add(results, "plain", recipe="unet_imagenet_sample")
    made = tables.generate(results)
    assert sorted(made) == [
        results / f"tables/{name}.{ending}"
        for name in ("budget", "imagenet-sample")
        for ending in ("csv", "md", "tex")
    ]
    assert "budget_unet" not in made[results / "tables/imagenet-sample.md"]
    page = made[results / "tables/budget.md"]
    assert "unet_imagenet_sample" not in page
    assert page.index("ImageNet sample (100 photos") < page.index("BSDS500 test, ")
    assert row(results, "budget_unet", 0)["PSNR ↑ (dB)"] == "20.00"
    assert row(results, "budget_unet", 1)["PSNR ↑ (dB)"] == "21.00"
    assert "LPIPS-alex: no weights." in page
    lines = list(csv.DictReader(io.StringIO(made[results / "tables/budget.csv"])))
    assert [line["dataset"] for line in lines] == ["imagenet-sample", "bsds500"]
    assert [line["comparable"] for line in lines] == ["1", "2"]
    assert float(lines[0]["macs of a picture"]) == 12_345_000_000
    assert float(lines[0]["s of a training step"]) == 0.5


def test_costs_stand_beside_the_scores(results: Path) -> None:
    add(results, "budget_unet")
    add(results, "budget_old", recipe="budget_old", cost={}, wall_s={}, parameters=None)
    other = {"size": "64x64", "macs": 1, "ms": 1.0}
    add(results, "budget_small", recipe="budget_small", cost=other)
    found = row(results, "budget_unet")
    assert found["params (M)"] == "7.76"
    assert found["MACs (G), 256x256"] == "12.35"
    assert found["training (s/step)"] == "0.50"
    assert found["colouring (ms), 256x256"] == "82"
    assert found["ab_std_ratio"] == "0.24"
    old = row(results, "budget_old")
    assert {old[head] for head in found if "256x256" in head or "s/step" in head} == {"n/a"}
    assert row(results, "budget_small")["MACs (G), 256x256"] == "n/a"


def test_what_each_has_learnt_from_is_said_beside_the_photographs(results: Path) -> None:
    add(results, "budget_unet")
    add(results, "budget_x", recipe="budget_x", train_data=f"{PHOTOGRAPHS}; encoder y: imagenet")
    assert row(results, "budget_unet")["trained on"] == "the photographs"
    assert row(results, "budget_x")["trained on"] == "the photographs; encoder y: imagenet"
    assert f"The photographs: {PHOTOGRAPHS}." in text(results).replace("&lt;", "<")


def test_the_budget_is_that_of_the_run_files(results: Path) -> None:
    add(results, "budget_unet")
    page = text(results)
    assert "Budget of every row: 300 steps of 8 crops of 128x128 pixels, 2400 crops in all" in page
    assert "A processor, 1 thread" in page
    assert "too small to rank methods" in page
    assert "instance_aware" not in page
    large = {**CONFIG, "training": {**CONFIG["training"], "batch_size": 16}}
    add(results, "budget_x", recipe="budget_x", config=large, method="instance_aware")
    page = text(results)
    assert "Budget of every row" not in page
    assert "16 crops of 128x128 pixels, 4800 crops in all" in page
    assert "Not an equal budget." in page
    assert "these photographs have no boxes" in page
    huge = {**CONFIG, "training": {**CONFIG["training"], "batch_size": 10_000}}
    assert "**20.00**" not in page
    add(results, "budget_unet", config=huge)
    assert "too small to rank methods" not in text(results)
    assert row(results, "budget_unet")["PSNR ↑ (dB)"] == "**20.00**"


def test_a_failed_run_keeps_its_row(results: Path) -> None:
    failed = failed_row(recipe_list.load_recipe("budget_unet"), "diverged", "loss is nan")
    failed.save(results / "runs" / "budget_unet.json")
    found = row(results, "budget_unet")
    assert "(diverged)" in found["method"]
    assert found["training (s/step)"] == "–"
    assert "loss is nan" in text(results)
    add(results, "budget_y", recipe="budget_y")
    assert row(results, "budget_y")["PSNR ↑ (dB)"] == "20.00"
    assert text(results, "tex").count(r"\begin{table}") == 1
