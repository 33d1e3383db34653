"""Tables: pure, complete, honest about what may be compared; hand edits are found."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from crosschroma.datasets.base.errors import UserError
from crosschroma.experiments.artifacts.run_file import RunFile
from crosschroma.experiments.metrics import definitions
from crosschroma.experiments.metrics.printed import printed
from crosschroma.experiments.tables import specs, tables
from crosschroma.experiments.tables.render import (
    Cell,
    Column,
    Document,
    Grid,
    escape_latex,
    markdown,
)
from crosschroma.experiments.tables.rows import table_of
from crosschroma.experiments.tables.summary import MAX_ROWS
from markdown_it import MarkdownIt

PUBLISHED = Path(__file__).resolve().parents[3] / "results" / "published.json"
NO_IMAGES = {"name": "vcip-test", "sha256": "8c95848f7731", "images": 0}
METRIC_PROTOCOL = {"rounding": "8 bits", "PSNR": "mean of dB", "SSIM7": "7x7", "AE": "angle"}
RUN = RunFile(
    kind="ours",
    method="unet",
    recipe="unet_vcip",
    domain="nir",
    dataset="vcip",
    protocol="vcip-clean",
    split={"name": "vcip-test", "sha256": "8c95848f7731", "images": 28},
    train_data="vcip-clean train",
    metric_protocol=METRIC_PROTOCOL,
    summary={},
    rows=[],
    parameters=2_765_633,
    seed=0,
    config={"training": {"steps": 10, "seed": 0}},
)


def vcip(psnr: float, ssim: float = 0.6, ae: float = 5.0) -> dict[str, dict[str, float | None]]:
    subsets = ("all", "leaked", "not_leaked", "scene_disjoint")
    return {
        subset: {"PSNR": psnr + 10 * i, "SSIM7": ssim, "AE": ae, "RMSE": 0.1}
        for i, subset in enumerate(subsets)
    }


class Folder:
    """A results folder with a README beside it."""

    def __init__(self, path: Path) -> None:
        self.results, self.readme = path / "results", path / "README.md"
        (self.results / "runs").mkdir(parents=True)
        shutil.copy(PUBLISHED, self.results / "published.json")
        self.readme.write_text("# Title\n<!-- table:vcip -->\n<!-- /table -->\nbelow\n")

    def add(self, name: str, **changes: Any) -> None:
        run = dataclasses.replace(RUN, **changes)
        run.save(self.results / "runs" / f"{name}.json")

    def text(self, name: str) -> str:
        return tables.generate(self.results)[self.results / "tables" / name]

    def rows(self, method: str, table: str = "vcip") -> list[list[str]]:
        """Cells of the Markdown rows whose first cell names ``method``."""
        lines = [line for line in self.text(f"{table}.md").splitlines() if line.startswith("| ")]
        cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
        return [row for row in cells if method in row[0]]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_generate_is_pure_and_deterministic(folder: Folder) -> None:
    for name, psnr in (("b", 15.0), ("a", 16.0)):
        folder.add(name, recipe=name, summary=vcip(psnr))
    before = sorted(folder.results.rglob("*"))
    first = tables.generate(folder.results)
    assert tables.generate(folder.results) == first
    assert sorted(folder.results.rglob("*")) == before
    assert {path.suffix for path in first} == {".md", ".tex", ".csv"}


def test_write_then_check_is_quiet_and_hand_edits_are_found(folder: Folder) -> None:
    folder.add("a", summary=vcip(15.42))
    assert folder.readme in tables.write_tables(folder.results, folder.readme)
    assert tables.check_tables(folder.results, folder.readme) == []
    assert tables.write_tables(folder.results, folder.readme) == []
    readme = folder.readme.read_text()
    assert readme.startswith("# Title\n<!-- table:vcip -->\n")
    assert readme.endswith("<!-- /table -->\nbelow\n")
    for path in (folder.readme, folder.results / "tables" / "vcip.md"):
        good = path.read_text()
        path.write_text(good.replace("15.42", "19.42"))
        (problem,) = tables.check_tables(folder.results, folder.readme)
        assert str(path) in problem
        assert "19.42" in problem
        path.write_text(good)
    (folder.results / "tables" / "vcip.csv").unlink()
    (folder.results / "tables" / "old.md").write_text("stale")
    missing, stale = tables.check_tables(folder.results, folder.readme)
    assert "vcip.csv: missing" in missing
    assert "old.md" in stale


def test_readme_links_lead_to_the_run_files(folder: Folder) -> None:
    folder.add("a run", summary=vcip(15))
    tables.write_tables(folder.results, folder.readme)
    assert "[unet_vcip](results/runs/a%20run.json)" in folder.readme.read_text()
    assert "[unet_vcip](../runs/a%20run.json)" in folder.text("vcip.md")


def test_runs_that_differ_in_the_seed_are_one_row(folder: Folder) -> None:
    for seed, psnr in ((0, 15.0), (1, 16.0), (2, 17.0)):
        config = {"training": {"steps": 10, "seed": seed}}
        folder.add(f"s{seed}", seed=seed, summary=vcip(psnr), config=config)
    folder.add("longer", summary=vcip(18), config={"training": {"steps": 20, "seed": 0}})
    longer, merged = folder.rows("unet_vcip")
    assert "1 seed" in longer
    assert "3 seeds" in merged
    assert "16.00 ± 1.00" in merged
    assert all(f"runs/s{seed}.json" in merged[0] for seed in range(3))


def on_fold(fold: int, seed: int, **method: Any) -> dict[str, Any]:
    part = f"fold {fold} of 5"
    split = {"name": f"vcip-clean {part}", "part": part, "sha256": f"{fold}" * 12, "images": 67}
    config = {"method": {"width": 20, **method}, "data": {"fold": fold}, "seed": seed}
    return {"split": split, "seed": seed, "config": config}


def test_folds_stand_apart_from_test_images_with_mean_and_deviation_over_seeds(
    folder: Folder,
) -> None:
    folder.add("tested", summary=vcip(15))
    before = folder.text("vcip.md"), folder.text("vcip.csv")
    for fold, seed, psnr in ((0, 0, 17.0), (0, 1, 18.0), (1, 0, 16.0)):
        name = f"unet_vcip_s{seed}_fold{fold}"
        folder.add(name, summary={"all": {"PSNR": psnr, "AE": 5.0}}, **on_fold(fold, seed))
    assert (folder.text("vcip.md"), folder.text("vcip.csv")) == before
    text = folder.text("vcip_folds.md")
    assert "flatter what was chosen" in text
    assert "28" not in text
    together, alone, other = text.split("## Measured here, vcip-clean fold ")[1:]
    assert together.startswith("0 of 5, input NIR\n")
    assert "Validation list `vcip-clean fold 0 of 5`: 67 images" in together
    assert "| 2 seeds | 17.50 ± 0.71 | 5.00 ± 0.00 |" in together
    assert alone.startswith("0 of 5: every seed, input NIR\n")
    assert re.findall(r"\[unet_vcip_s(\d)_fold0\]\S+ .* (\d) \| [*]*(18|17).00", alone) == [
        ("1", "1", "18"),
        ("0", "0", "17"),
    ]
    assert other.startswith("1 of 5, input NIR\n")
    assert "| 1 seed | 16.00 |" in other
    lines = read_csv(folder.text("vcip_folds.csv"))
    assert [(line["split"], line["PSNR all"], line["seeds"]) for line in lines] == [
        ("vcip-clean fold 0 of 5", "17.5", "2"),
        ("vcip-clean fold 1 of 5", "16", "1"),
    ]


def test_rows_of_one_recipe_say_in_which_settings_they_differ(folder: Folder) -> None:
    for name, method in (("a", {"shift": 0}), ("b", {"shift": 2}), ("c", {"shift": 2, "width": 8})):
        folder.add(name, summary={"all": {"PSNR": 17.0}}, **on_fold(0, 0, **method))
    folder.add("d", recipe="other", summary={"all": {"PSNR": 16.0}}, **on_fold(0, 0, shift=9))
    rows = folder.rows("unet_vcip", "vcip_folds")
    assert [row[2] for row in rows] == [
        "method.shift=0, method.width=20",
        "method.shift=2, method.width=20",
        "method.shift=2, method.width=8",
    ]
    assert folder.rows("other", "vcip_folds")[0][2] == "–"


def test_of_a_part_of_another_type_the_type_is_told_and_not_its_settings(folder: Folder) -> None:
    for number, part in enumerate(({"type": "one", "width": 8}, {"type": "two", "depth": 3})):
        summary = {"all": {"PSNR": 17.0 - number}}
        folder.add(f"run_{number}", summary=summary, **on_fold(0, 0, part=part, shift=number))
    assert [row[2] for row in folder.rows("unet_vcip", "vcip_folds")] == [
        "method.part.type=one, method.shift=0",
        "method.part.type=two, method.shift=1",
    ]


def test_where_a_file_of_weights_lay_makes_no_other_row(folder: Folder) -> None:
    for seed, place in enumerate(("/home/me/cache/a.pth", "cache/a.pth")):
        config = {"method": {"encoder_weights": place}, "training": {"seed": seed}}
        folder.add(f"run_{seed}", summary=vcip(15.0), seed=seed, config=config)
    assert len(folder.rows("unet_vcip")) == 1


def test_validation_on_generated_scenes_stays_labelled(folder: Folder) -> None:
    split = {"name": "scenes-v1 validation", "part": "validation", "sha256": "ab", "images": 16}
    folder.add("a", dataset="scenes", summary={"all": {"PSNR": 20.0}}, split=split)
    text = folder.text("scenes_validation.md")
    assert "# Generated scenes (no photographs): validation images" in text
    assert "generated by `datasets/scenes`" in text


def test_two_runs_of_one_seed_stay_two_rows(folder: Folder) -> None:
    folder.add("a", summary=vcip(15))
    folder.add("b", summary=vcip(16))
    assert len(folder.rows("unet_vcip")) == 2


@pytest.mark.parametrize("status", ["failed", "diverged"])
def test_failed_runs_keep_a_row_with_the_reason(folder: Folder, status: str) -> None:
    folder.add("a", summary=vcip(15))
    note = "loss is nan\nat step 31"
    nothing: Any = {"summary": {"all": {}}, "split": NO_IMAGES}
    folder.add("b", status=status, recipe="gan_vcip", note=note, **nothing)
    (row,) = folder.rows("gan_vcip")
    assert status in row[0]
    assert set(row[-12:]) == {"–"}
    assert "1. loss is nan at step 31\n" in folder.text("vcip.md")
    assert folder.text("vcip.md").count("Measured here") == 1


def test_a_training_that_was_stopped_is_told_of(folder: Folder) -> None:
    def config(result: str) -> dict[str, Any]:
        return {"training": {"steps": 300, "seed": 0, "result": result}}

    for name, steps, result in (("cut", 180, "last"), ("done", 300, "last"), ("best", 180, "best")):
        folder.add(name, recipe=name, summary=vcip(15.0), steps=steps, config=config(result))
    marked = {name: "<sup>" in folder.rows(f"[{name}]")[0][0] for name in ("cut", "done", "best")}
    assert marked == {"cut": True, "done": False, "best": False}
    assert "training was stopped after 180 of 300 steps" in folder.text("vcip.md")


def test_only_failed_runs_make_a_table_too(folder: Folder) -> None:
    folder.add("b", status="failed", summary={"all": {}}, split=NO_IMAGES, metric_protocol={})
    assert "(failed)" in folder.rows("unet_vcip")[0][0]


def test_other_metric_protocols_and_test_lists_share_no_table(folder: Folder) -> None:
    folder.add("a", summary=vcip(15))
    folder.add("b", recipe="stretched", summary=vcip(16), metric_protocol={"PSNR": "stretched"})
    folder.add("c", recipe="fewer", summary=vcip(17), metric_protocol={"PSNR": "mean of dB"})
    folder.add("d", recipe="other", summary=vcip(18), split={**RUN.split, "sha256": "00"})
    text = folder.text("vcip.md")
    parts = text.split("## Measured here, ")[1:]
    assert len(parts) == 3
    by_part = [set(re.findall(r"^\| \[(\w+)\]", part, re.MULTILINE)) for part in parts]
    assert sorted(map(sorted, by_part)) == [["fewer", "unet_vcip"], ["other"], ["stretched"]]
    assert "PSNR: stretched" in text
    numbers = {row["recipe"]: row["comparable"] for row in read_csv(folder.text("vcip.csv"))}
    assert len({numbers["unet_vcip"], numbers["stretched"], numbers["other"]}) == 3
    assert numbers["fewer"] == numbers["unet_vcip"]


def test_vcip_protocols_share_the_test_list_and_bold_stays_within_one(folder: Folder) -> None:
    folder.add("a", recipe="clean_a", summary=vcip(15))
    folder.add("b", recipe="clean_b", summary=vcip(16, ae=5.004))
    folder.add("c", recipe="other_unet", summary=vcip(30), protocol="vcip-official")
    folder.add("d", kind="peer", recipe="", method="SF-GPT", summary=vcip(40), seed=None)
    (best,), (other,) = folder.rows("clean_b"), folder.rows("clean_a")
    assert "**16.00**" in best
    assert "15.00" in other
    assert "**5.00**" in other, "printed alike, so both are best"
    for method, figure in (("other_unet", "30.00"), ("SF-GPT", "40.00")):
        (row,) = folder.rows(method)[:1]
        assert figure in row
        assert not any("**" in cell for cell in row)
    text = folder.text("vcip.md")
    assert text.count("Measured here") == 1
    for subset in ("all 28", "leaked 8", "not leaked 20", "scene-disjoint 14"):
        assert f"PSNR ↑ (dB)<br>{subset} |" in text
    assert "AE ↓ (°)<br>" in text
    assert "RMSE" not in text
    assert text.index("clean_b") < text.index("clean_a") < text.index("other_unet")


def test_vcip_rows_are_sorted_by_the_subset_that_nobody_trained_on(folder: Folder) -> None:
    leaky = vcip(20)
    leaky["scene_disjoint"]["PSNR"] = 12.0
    folder.add("a", recipe="memory", summary=leaky)
    folder.add("b", recipe="learner", summary=vcip(15))
    text = folder.text("vcip.md")
    assert text.index("learner") < text.index("memory")


def test_inputs_share_no_table(folder: Folder) -> None:
    """A network that is given gray has the true lightness: its 27 dB are no win over 17."""
    for name, domain in (("a", "gray"), ("b", "nir"), ("c", "both"), ("d", "nir")):
        folder.add(name, domain=domain, recipe=f"{name}_{domain}", summary=vcip(15))
    text = folder.text("vcip.md")
    heads = re.findall("## (Measured here.*)", text)
    assert heads == [f"Measured here, input {name}" for name in ("NIR", "NIR and gray", "gray")]
    _, *parts = text.split("## Measured here")
    by_part = [sorted(re.findall(r"^\| \[(\w+)\]", part, re.MULTILINE)) for part in parts]
    assert by_part == [["b_nir", "d_nir"], ["c_both"], ["a_gray"]]
    assert "gray picture, whose lightness is true" in parts[2]
    assert "every input has tables of its own" in text
    assert "**" not in parts[2]
    latex = folder.text("vcip.tex").split(r"\begin{table}")
    assert not any(r"\_nir" in part and r"\_gray" in part for part in latex)
    assert "28 test images. Measured here, input gray.}" in latex[3]
    recipes = {
        ending: [row["recipe"] for row in read_csv(folder.text(f"vcip{ending}.csv"))][:2]
        for ending in ("", "_both_input", "_gray_input")
    }
    assert recipes == {"": ["b_nir", "d_nir"], "_both_input": ["c_both"], "_gray_input": ["a_gray"]}
    folder.add("e", domain="depth", summary=vcip(15))
    with pytest.raises(UserError, match=r"e\.json is not a run file: domain: 'depth'"):
        tables.generate(folder.results)


def test_the_summary_has_one_row_a_method_chosen_by_no_test_score(folder: Folder) -> None:
    one, two = {"sha256": "1"}, {"sha256": "2"}
    folder.add("a", recipe="weak", summary=vcip(14), weights=one)
    folder.add("b", recipe="strong", summary=vcip(19), weights=two)
    folder.add("c", recipe="leaky", summary=vcip(25), protocol="vcip-official")
    folder.add("d", recipe="twice", method="gan", summary=vcip(12))
    folder.add("e", recipe="twice", method="gan", summary=vcip(12), seed=1)
    folder.add("f", recipe="once", method="gan", summary=vcip(18))
    folder.add(
        "g", recipe="failed", method="other", status="failed", summary={"all": {}}, split=NO_IMAGES
    )
    folder.add("h", recipe="unet_gray", summary=vcip(27), domain="gray")
    for name in ("sfgpt", "mcfnet"):
        folder.add(name, kind="peer", recipe="", method=name, summary=vcip(20), seed=None)
    for recipe, weights, psnr in (("weak", one, 18.0), ("strong", two, 17.0)):
        fold = {**on_fold(0, 0), "recipe": recipe, "weights": weights}
        folder.add(f"{recipe}_fold0", summary={"all": {"PSNR": psnr}}, **fold)
    folder.readme.write_text("<!-- table:vcip-summary -->\n<!-- /table -->\n")
    text = tables.generate(folder.results, folder.readme)[folder.readme]
    assert re.findall(r"^\| \[?(\w+)\S* ", text, re.MULTILINE)[1:] == [
        "weak",
        "twice",
        "mcfnet",
        "sfgpt",
    ]
    assert "[results/tables/vcip.md](results/tables/vcip.md)" in text
    assert "leaked 8" not in text
    assert not [path for path in tables.generate(folder.results) if "summary" in path.name]
    for number in range(9):
        folder.add(f"m{number}", method=f"m{number}", recipe=f"m{number}", summary=vcip(10))
    text = tables.generate(folder.results, folder.readme)[folder.readme]
    rows = [line for line in text.splitlines() if " | ours | " in line]
    assert len(rows) == MAX_ROWS


def test_a_missing_metric_is_na_with_the_reason(folder: Folder) -> None:
    summary = vcip(15)
    for means in summary.values():
        means["LPIPS-alex"] = None
    reason = "needs images of at least 32 x 32 pixels"
    folder.add("a", summary=summary, unavailable={"LPIPS-alex": reason})
    text = folder.text("vcip.md")
    assert f"LPIPS-alex: {reason}." in text, "no row has it: a line, not four columns"
    scored = {subset: {**means, "LPIPS-alex": 0.25} for subset, means in vcip(14).items()}
    folder.add("b", recipe="scored", summary=scored)
    text = folder.text("vcip.md")
    assert folder.rows("unet_vcip")[0].count("n/a<sup>1</sup>") == 4
    assert f"1. LPIPS-alex: {reason}\n" in text
    (line,) = [row for row in read_csv(folder.text("vcip.csv")) if row["recipe"] == "unet_vcip"]
    assert line["LPIPS-alex all"] == "n/a"


def test_weights_that_could_not_be_had_are_one_short_line(folder: Folder) -> None:
    """Addresses and errors of a download help nobody who reads a table."""
    absent = {
        name: f"no {file} in $TORCH_HOME/hub/checkpoints/; put https://x.org/{file} there{error}"
        for name, file, error in (
            ("LPIPS-alex", "alexnet.pth", " (download failed: <urlopen error [Errno -2] x>)"),
            ("FID-tf", "inception.pth", ""),
        )
    }
    summary = {"all": {"PSNR": 15.0, **dict.fromkeys(absent)}}
    folder.add("a", dataset="rgb-nir-scene", summary=summary, unavailable=absent)
    text = folder.text("rgb-nir-scene.md")
    assert "LPIPS-alex, FID-tf: backbone weights not at hand.\n" in text
    scored = {"all": {"PSNR": 15.0, "LPIPS-alex": 0.2, "FID-tf": 9.0}}
    folder.add("b", dataset="rgb-nir-scene", recipe="scored", summary=scored)
    text += folder.text("rgb-nir-scene.md") + folder.text("rgb-nir-scene.tex")
    assert "1. LPIPS-alex: backbone weights not at hand\n" in text
    assert "urlopen" not in text
    assert "TORCH_HOME" not in text


def test_published_rows_stand_apart(folder: Folder) -> None:
    folder.add("a", summary=vcip(15))
    text = folder.text("vcip.md")
    ours, published = text.split("## Published, protocol vcip-official\n")
    assert "ColorMamba" not in ours
    assert "runs/" not in published
    assert "Not leak-free" in published
    assert (
        "| CoColor<sup>2</sup> | 2023 | – | 23.54 | 0.69 | 2.68 | 0.233 "
        "| sfgpt-readme | vcip-official | third-party |" in published
    )
    _, stretched = text.split("## Published, protocol vcip-official-minmax")
    assert (
        "| ColorMamba<sup>1</sup> | 2024 | – | 24.56 | 0.71 | 2.81 | 0.212 "
        "| sfgpt-readme | vcip-official-minmax | third-party |" in stretched
    )
    assert "stretched per image" in stretched
    (line,) = [row for row in read_csv(folder.text("vcip.csv")) if row["method"] == "ColorMamba"]
    assert line["kind"] == "published"
    assert line["published PSNR"] == "24.56"
    assert line["PSNR all"] == ""


def test_the_second_convention_has_a_table_of_its_own(folder: Folder) -> None:
    folder.add("a", recipe="both", summary={"all": {"PSNR": 15.0, "PSNR-minmax": 16.25}})
    folder.add("b", recipe="raw", summary=vcip(14))
    raw, stretched = folder.text("vcip.md").split("## Measured here, ground truth stretched")
    assert "16.25" not in raw
    assert "PSNR-minmax ↑ (dB)" in stretched
    assert "| [both](../runs/a.json) |" in stretched
    assert "[raw]" not in stretched
    readme = folder.results.parent / "README.md"
    readme.write_text("<!-- table:vcip -->\n<!-- /table -->\n")
    assert "PSNR-minmax" not in tables.generate(folder.results, readme)[readme]


def test_generated_scenes_are_labelled_and_alone(folder: Folder) -> None:
    split = {"name": "scenes", "sha256": "ab", "images": 16}
    folder.add("a", dataset="scenes", summary={"all": {"PSNR": 20.0, "RMSE": 0.1}}, split=split)
    text = folder.text("scenes.md")
    assert "# Generated scenes (no photographs)" in text
    assert "Published" not in text
    assert "unet_vcip" not in folder.text("vcip.md")
    data = json.loads(PUBLISHED.read_text())
    data["tables"]["scenes"] = data["tables"]["vcip"]
    (folder.results / "published.json").write_text(json.dumps(data))
    with pytest.raises(UserError, match="generated images"):
        tables.generate(folder.results)


def test_a_list_of_the_papers_has_a_table_of_its_own() -> None:
    imagenet = dataclasses.replace(RUN, dataset="imagenet", protocol="imagenet ctest10k")
    assert table_of(imagenet) == "imagenet-ctest10k"
    assert table_of(dataclasses.replace(imagenet, protocol="imagenet mine")) == "imagenet"
    assert table_of(RUN) == "vcip"


def test_csv_has_every_metric_and_all_digits(folder: Folder) -> None:
    folder.add("a", summary=vcip(15.123456), note='says "hi", twice')
    rows = read_csv(folder.text("vcip.csv"))
    assert rows[0]["PSNR all"] == "15.1235"
    assert rows[0]["RMSE scene_disjoint"] == "0.1"
    assert rows[0]["note"] == 'says "hi", twice'
    assert len(rows) == 1 + 17


def test_latex_is_escaped_and_complete(folder: Folder) -> None:
    folder.add("a", recipe="100%_a&b", summary=vcip(15), note="loss {x} ~ 5^2 #1 \\o/ $")
    text = folder.text("vcip.tex")
    assert r"100\%\_a\&b" in text
    assert r"loss \{x\} \textasciitilde{} 5\textasciicircum{}2 \#1 \textbackslash{}o/ \$" in text
    assert r"\multicolumn{3}{c}{scene-disjoint 14}" in text
    for path, latex in tables.generate(folder.results).items():
        if path.suffix == ".tex":
            assert latex.isascii(), [char for char in latex if not char.isascii()]
            assert latex.count(r"\begin{") == latex.count(r"\end{") > 0
            widths = {line.count(" & ") for line in latex.splitlines() if line.endswith(r" \\")}
            assert len(widths) <= len(latex.split(r"\toprule")) + 1
    assert escape_latex("PSNR ↑ ± 1 °") == r"PSNR $\uparrow$ $\pm$ 1 $^\circ$"


def test_markdown_tables_are_rectangular(folder: Folder) -> None:
    folder.add("a", summary=vcip(15), recipe="a|b", train_data="*x* <y>")
    assert r"[a\|b]" in folder.text("vcip.md")
    for path, text in tables.generate(folder.results).items():
        if path.suffix == ".md":
            for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
                widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
                assert len(widths) == 1, path


@pytest.mark.parametrize("name", ["../../x", "/tmp/x", "a/b", "..", "", ".x", "a\nb", "a\\b"])
def test_no_name_leads_out_of_the_folder_of_the_tables(folder: Folder, name: str) -> None:
    folder.add("a", dataset=name, summary=vcip(15))
    with pytest.raises(UserError, match=r"a\.json: .* cannot be the name of a table"):
        tables.write_tables(folder.results, None)
    (folder.results / "runs" / "a.json").unlink()
    data = json.loads(PUBLISHED.read_text())
    data["tables"][name] = data["tables"]["vcip"]
    (folder.results / "published.json").write_text(json.dumps(data))
    with pytest.raises(UserError, match=r"published\.json: .* cannot be the name of a table"):
        tables.write_tables(folder.results, None)
    assert not (folder.results / "tables").exists()


HOSTILE = (
    "`<img src=x onerror=alert(1)>",
    "`` <b> ` <b>",
    "![](http://tracker.example/x.png)",
    "[text](javascript:alert(1))",
    "x](http://evil.example) [y",
    "\\`<script>` and \\<script>",
    "&lt;b&gt; &#60;b&#62;",
    "# heading\n\n- item\n<!-- /table -->\n<b>",
    "1. item",
    "*a* _b_ ~~c~~ **d**",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_in_markdown_is_the_text_and_nothing_else(text: str) -> None:
    """Rendered by a parser of GitHub's Markdown, in a paragraph, a note and a cell of a table."""
    one = Column("head")
    link = Cell(text, runs=("run",))
    rows = [[Cell(text)], [link], [Cell(text, bold=True)]]
    grid = Grid(heading=text, columns=[one], rows=rows, lines=[text], notes=[text], details=[text])
    page = markdown(Document("x", text, [text], [grid]), runs_at="runs", level=1)
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(page)
    inner = [token for block in tokens for token in block.children or ()]
    kinds = {token.type for token in (*tokens, *inner)}
    assert not kinds & {"image", "s_open", "em_open", "html_inline", "fence", "blockquote_open"}
    assert [t.attrGet("href") for t in inner if t.type == "link_open"] == ["runs/run.json"]
    assert [t.tag for t in tokens if t.type == "heading_open"] == ["h1", "h2"]
    blocks = [t.content for t in tokens if t.type == "html_block"]
    assert all(block.startswith(("<details><summary>", "</details>")) for block in blocks)
    shown = ["".join(t.content for t in b.children or ()) for b in tokens if b.type == "inline"]
    assert "`" in text or " ".join(text.split()) in shown


@pytest.mark.parametrize("text", ["=1+1", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_of_a_csv_is_a_formula(folder: Folder, text: str) -> None:
    folder.add("a", recipe=text, note=text, summary=vcip(-15))
    (line,) = [row for row in read_csv(folder.text("vcip.csv")) if row["kind"] == "ours"]
    assert line["recipe"] == line["note"] == f"'{text.strip()}"
    assert line["PSNR all"] == "-15", "numbers stay numbers"


def test_readme_with_several_and_empty_tables(folder: Folder) -> None:
    folder.readme.write_text(
        "<!-- table:bsds500 -->\nold\n<!-- /table -->\nmiddle\n"
        "<!--table: imagenet-val5k -->\n<!-- /table -->\n"
    )
    tables.write_tables(folder.results, folder.readme)
    text = folder.readme.read_text()
    assert "No run on this test set is recorded yet." in text
    assert "old" not in text
    assert "| MultiColor | 2024 |" in text
    assert tables.check_tables(folder.results, folder.readme) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<!-- table:vcp -->\n<!-- /table -->\n", "unknown table 'vcp'; did you mean vcip"),
        ("<!-- table:vcip -->\nrest of the text\n", "table:vcip --> has no <!-- /table -->"),
        (
            "<!-- table:vcip -->\n<!-- table:scenes -->\n<!-- /table -->\n",
            "table:vcip --> has no <!-- /table -->",
        ),
    ],
)
def test_a_bad_marker_is_named_and_nothing_is_written(
    folder: Folder, text: str, message: str
) -> None:
    folder.readme.write_text(text)
    for act in (tables.write_tables, tables.check_tables):
        with pytest.raises(UserError, match=re.escape(message)):
            act(folder.results, folder.readme)
    assert not (folder.results / "tables").exists()
    assert folder.readme.read_text() == text


def test_no_runs_no_folder_and_broken_files_are_said_clearly(folder: Folder) -> None:
    assert "No run on this test set is recorded yet." in folder.text("vcip.md")
    with pytest.raises(UserError, match="cannot read"):
        tables.generate(folder.results, folder.results / "none.md")
    with pytest.raises(UserError, match="no results folder"):
        tables.generate(folder.results / "nowhere")
    (folder.results / "runs" / "bad.json").write_text("{")
    with pytest.raises(UserError, match=r"bad\.json is not a run file"):
        tables.generate(folder.results)
    folder.add("bad", summary=vcip(1), split={"name": "x"})
    with pytest.raises(UserError, match=r"bad\.json is not a run file: split: no images, sha256"):
        tables.generate(folder.results)
    (folder.results / "runs" / "bad.json").unlink()
    (folder.results / "published.json").unlink()
    with pytest.raises(UserError, match="holds no run file"):
        tables.generate(folder.results)


def test_metrics_that_are_printed_are_computed_and_tables_need_no_torch() -> None:
    names = {*specs.HEADLINE, *(n for of in specs.HEADLINE_OF.values() for n in of)}
    assert names <= set(definitions.METRICS)
    assert (printed("PSNR-tone").better, printed("PSNR-tone").unit) == ("higher", "dB")
    assert {m.better for m in definitions.METRICS.values()} == {"higher", "lower", "closer"}
    code = "import sys, crosschroma.experiments.tables.tables; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
