"""The page of ``compare``: its scores, its pixels to the bit, and what it does in a browser."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from crosschroma.datasets.base.errors import UserError
from crosschroma.experiments import cli
from crosschroma.experiments.artifacts.checkpoint import load_trained
from crosschroma.experiments.compare.compare import Comparison, compare, write_board
from crosschroma.experiments.compare.gallery import GalleryRow
from crosschroma.experiments.compare.page import write_page
from crosschroma.experiments.evaluation.evaluate_run import evaluate_run
from crosschroma.experiments.experiment import Experiment, Hardware
from crosschroma.experiments.training.engine import fit
from PIL import Image

HARDWARE = Hardware(accelerator="cpu", workers=0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compare")


@pytest.fixture
def runs(folder: Path, unet: Experiment) -> list[Path]:
    """A NIR and a gray run of one step."""
    paths = []
    for domain in ("nir", "gray"):
        path = folder / domain
        if not path.exists():
            training = replace(unet.training, steps=1, validate_every=0)
            method = replace(unet.method, domain=domain)
            fit(replace(unet, method=method, training=training), path, HARDWARE)
        paths.append(path)
    return paths


def content(page: Path) -> dict:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text())
    assert found
    return json.loads(found[1])


def pixels(url: str) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))))


def made_up(**scores: float) -> Comparison:
    """One 8-pixel picture, its prediction off by a tenth in every channel."""
    target = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0)) * 0.8
    images = {"gray": target[:1], "unet": target + 0.1, "target": target}
    key = "a</script><b>.png"
    return Comparison(
        about="about",
        methods=["unet"],
        metrics=["PSNR", "LPIPS-alex"],
        rows=[GalleryRow(key=key, images=images, target="target")],
        scores={"unet": {key: {"key": key, "PSNR": 20.0, "LPIPS-alex": None, **scores}}},
        means={"unet": {"PSNR": 20.0, "LPIPS-alex": None}},
        unavailable={"LPIPS-alex": "no a.pth in x (download failed: <urlopen error>)"},
    )


def test_a_dataset_scores_as_evaluate_does(runs: list[Path], folder: Path) -> None:
    found = compare(runs, metrics=("PSNR", "SSIM7"), count=3)
    assert list(found.methods) == ["unet NIR", "unet gray"]
    assert [list(row.images) for row in found.rows] == [
        ["NIR", "gray", "unet NIR", "unet gray", "target"]
    ] * 3
    for run, method in zip(runs, found.methods, strict=True):
        true = evaluate_run(load_trained(run), metrics=("PSNR", "SSIM7"))
        assert found.means[method] == true.summary["all"]
        assert [found.scores[method][row["key"]] for row in true.rows] == true.rows


def test_count_spreads_over_the_images(runs: list[Path]) -> None:
    keys = [row.key for row in compare(runs[:1], metrics=("PSNR",), count=2).rows]
    assert keys == ["test/00000", "test/00001"]


def test_a_folders_pictures_keep_their_shape(runs: list[Path], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (40, 100, 3), np.uint8)).save(tmp_path / "wide.png")
    Image.fromarray(rng.integers(0, 256, (60, 60), np.uint8)).save(tmp_path / "x.png")
    wide, gray = compare(runs[1:], images=tmp_path, size=50, metrics=("PSNR",)).rows
    assert wide.images["unet"].shape == (3, 20, 50)
    assert wide.target == "target"
    assert gray.target is None
    assert list(gray.images) == ["gray", "unet"]
    # of a NIR method's pictures without pairs there is no truth
    blind = compare(runs, images=tmp_path, size=50, metrics=("PSNR",))
    assert [row.target for row in blind.rows] == [None, None]
    assert blind.means == {}


def test_pairs_have_a_truth_for_both(runs: list[Path], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for plane, shape in (("nir", (40, 48)), ("rgb", (40, 48, 3))):
        (tmp_path / plane).mkdir()
        Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(tmp_path / plane / "a.png")
    (row,) = compare(runs, images=tmp_path, metrics=("PSNR",)).rows
    assert list(row.images) == ["NIR", "gray", "unet NIR", "unet gray", "target"]
    nir = np.array(Image.open(tmp_path / "nir" / "a.png"))
    assert np.array_equal((row.images["NIR"][0] * 255).round().numpy(), nir)


def test_what_cannot_be_compared_is_named(runs: list[Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="named twice"):
        compare([runs[0], runs[0]])
    with pytest.raises(UserError, match="unknown metric of single images 'FID-tv'"):
        compare(runs, metrics=("FID-tv",))
    with pytest.raises(UserError, match="no pictures in"):
        compare(runs, images=tmp_path)
    with pytest.raises(UserError, match="at least one run"):
        compare([])


def test_the_page_holds_the_pixels_and_needs_nothing_else(tmp_path: Path) -> None:
    comparison = made_up()
    page = tmp_path / "new" / "page.html"
    write_page(comparison, page)
    text = page.read_text()
    assert not re.search(r"https?:|src=|href=|@import|url\(|fetch\(|XMLHttp", text)
    assert text.count("</script>") == 2
    data = content(page)
    (row,) = data["rows"]
    assert row["key"] == "a</script><b>.png"
    for name, picture in comparison.rows[0].images.items():
        levels = (picture.expand(3, -1, -1) * 255).round().permute(1, 2, 0).numpy()
        assert np.array_equal(pixels(row["pictures"][name]), levels)
    assert [metric["name"] for metric in data["metrics"]] == ["PSNR"]
    assert data["unavailable"] == {"LPIPS-alex": "backbone weights not at hand"}
    assert len(data["magma"]) == 256 * 6


def test_a_page_beyond_its_size_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="take fewer images"):
        write_page(made_up(), tmp_path / "page.html", max_bytes=1000)
    assert list(tmp_path.iterdir()) == []


def test_the_board_gets_pictures_errors_and_means(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    write_board(made_up(), tmp_path)
    events = EventAccumulator(str(tmp_path), size_guidance={"images": 0})
    events.Reload()
    (tag,) = events.Tags()["images"]
    assert "(gray | unet | unet error | target)" in tag
    (event,) = events.Images(tag)
    assert (event.width, event.height) == (4 * 8, 8)
    assert events.Scalars("compare/PSNR unet")[0].value == 20.0


def test_the_command(runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "page.html"
    argv = ["compare", *map(str, runs), "--count", "1", "--metrics", "PSNR", "--out", str(out)]
    assert cli.run([*argv, "--tensorboard", str(tmp_path / "board")]) == 0
    assert str(out) in capsys.readouterr().out
    assert content(out)["about"] == "scenes test: 1 of 3 images, stretched to 32x32"
    assert list((tmp_path / "board").iterdir())
    assert cli.run([*argv, "--images", str(tmp_path), "--dataset", "scenes"]) == 1
    assert "leave --dataset" in capsys.readouterr().err
    assert cli.run(["compare", str(runs[0]), "--count", "0"]) == 1
    assert "--count 0: must be at least 1" in capsys.readouterr().err


def wait_until(page: Any, expression: str) -> None:
    """Until the expression holds in the page, whose policy forbids Playwright's own waiting."""
    for _ in range(200):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(expression)


def test_in_a_browser(tmp_path: Path) -> None:
    """All panes zoom together, the slider uncovers the reference, errors show, the table sorts."""
    sync_playwright = pytest.importorskip("playwright.sync_api").sync_playwright
    browser_path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if browser_path is None:
        pytest.skip("no chromium")
    first = made_up()
    second = made_up(PSNR=10.0)
    rows = [replace(first.rows[0], key="good"), replace(second.rows[0], key="bad")]
    scores = {"unet": {"good": {"PSNR": 20.0}, "bad": {"PSNR": 10.0}}}
    write_page(replace(first, rows=rows, scores=scores), tmp_path / "page.html")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        page = browser.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
        page.goto((tmp_path / "page.html").as_uri())
        page.wait_for_selector("canvas[data-pane=target]")

        def pixel(pane: str, x: float = 0.5, y: float = 0.5) -> list[int]:
            return page.evaluate(
                "([pane, x, y]) => { const view = document.querySelector("
                "`canvas[data-pane='${pane}']`); return [...view.getContext('2d').getImageData("
                "x * view.width, y * view.height, 1, 1).data].slice(0, 3); }",
                [pane, x, y],
            )

        def levels(name: str, row: int, column: int) -> list[int]:
            return (rows[0].images[name][:, row, column] * 255).round().int().tolist()

        assert pixel("unet", 1 / 16, 1 / 16) == levels("unet", 0, 0)
        # the slider: left of it the target, right of it the prediction
        page.evaluate("split.value = 50; split.dispatchEvent(new Event('input'))")
        assert pixel("unet", 1 / 16, 1 / 16) == levels("target", 0, 0)
        assert pixel("unet", 15 / 16, 1 / 16) == levels("unet", 0, 7)
        # a wheel over one pane moves all of them to the picture's upper left corner
        page.evaluate("split.value = 0; split.dispatchEvent(new Event('input'))")
        box = page.locator("canvas[data-pane=unet]").bounding_box()
        assert box
        page.mouse.move(box["x"] + 1, box["y"] + 1)
        for _ in range(8):
            page.mouse.wheel(0, -300)
        wait_until(page, "parseFloat(zoom.textContent) > 60")
        for pane in ("unet", "target"):
            assert pixel(pane, 0.9, 0.9) == levels(pane, 0, 0)
        page.click("#reset")
        # an error of a tenth at a limit of a tenth has the last colour of magma
        page.select_option("#mode", "error")
        page.fill("#limit", "0.1")
        last = bytes.fromhex(content(tmp_path / "page.html")["magma"][-6:])
        assert np.abs(np.array(pixel("unet")) - np.frombuffer(last, np.uint8)).max() <= 4
        # worst first, then best first
        names = "[...document.querySelectorAll('tbody td:first-child')].map(c => c.textContent)"
        page.click("thead th:nth-child(2) button")
        assert page.evaluate(names) == ["bad", "good"]
        page.click("thead th:nth-child(2) button")
        assert page.evaluate(names) == ["good", "bad"]
        # a small picture of each row, in the table's order, leads to it
        titles = "[...document.querySelectorAll('#thumbs button')].map(b => b.title)"
        assert page.evaluate(titles) == ["good", "bad"]
        page.click("#thumbs button:nth-child(2)")
        wait_until(page, "key.textContent === '2/2  bad'")
        assert page.locator("#thumbs [aria-current] img").get_attribute("alt") == "bad"
        assert faults == []
        browser.close()
