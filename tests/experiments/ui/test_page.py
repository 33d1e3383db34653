"""The page in a browser: a click, its colour, undo, and the saved files by the command line."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from crosschroma.datasets.base.color import lab_from_uint8, lab_to_rgb, rgb_to_lab
from crosschroma.experiments import cli
from crosschroma.experiments.inference.colorizer import Colorizer
from crosschroma.experiments.inference.input_kind import Guess
from crosschroma.experiments.ui import session as ui_session
from crosschroma.experiments.ui.session import Session
from crosschroma.models.unet import UNet
from PIL import Image

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")
pytest.importorskip("playwright")

from crosschroma.experiments.ui import server as ui_server
from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="no chromium; install it or set CHROMIUM"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def address(hint_painter: Path) -> Iterator[str]:
    torch.manual_seed(0)
    nir = Colorizer(UNet.Config(domain="nir", width=4, levels=2).build(), None)
    session = Session([Colorizer.load(hint_painter), nir])
    with ui_server.listen(0) as listening:
        host = f"127.0.0.1:{listening.getsockname()[1]}"
        server = ui_server.server(session, listening)
        thread = threading.Thread(target=server.serve_page)
        thread.start()
        yield f"http://{host}"
        server.should_exit = True
        thread.join()
    session.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The page with nothing open; what it complains of fails the test."""
    page = browser.new_page(viewport={"width": 1200, "height": 800})
    page.set_default_timeout(60_000)
    expect.set_options(timeout=60_000)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda text: complaints.append(text.text) if text.type == "error" else None)
    page.on("request", lambda asked: complaints.append(asked.url) if outside(asked.url) else None)

    def outside(url: str) -> bool:
        return not url.startswith((address, "blob:", "data:"))

    page.goto(address)
    expect(page.locator("#method option")).to_have_count(2)
    yield page
    page.close()
    assert complaints == []


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    coarse = np.random.default_rng(0).integers(90, 160, (4, 5, 3), np.uint8)
    path = tmp_path / "photo.png"
    Image.fromarray(coarse).resize((128, 96), Image.Resampling.BICUBIC).save(path)
    return path


def shown(page: Page, which: str = "after") -> np.ndarray:
    """The canvas, H x W x 3, once the last question is answered."""
    expect(page.locator("#stage")).to_have_attribute("aria-busy", "false")
    expect(page.locator("#status")).to_contain_text("painter:")
    width, height, data = page.evaluate(
        """which => {
            const canvas = document.getElementById(which);
            const { width, height } = canvas;
            const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
            return [width, height, [...data]];
        }""",
        which,
    )
    return np.array(data, np.uint8).reshape(height, width, 4)[..., :3]


def shown_now(page: Page) -> np.ndarray:
    """The result's canvas, whatever the status says."""
    page.evaluate("document.getElementById('status').textContent = 'painter:'")
    return shown(page)


def click(page: Page, selector: str, x: float, y: float) -> None:
    """Click at a share of an element's width and height."""
    box = page.locator(selector).bounding_box()
    assert box
    page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])


def with_a_blue_point(page: Page, picture: Path) -> tuple[np.ndarray, np.ndarray]:
    """Open a picture, click its place (64, 24) and pick a = 20, b = -40; before and after."""
    page.set_input_files("#file", picture)
    plain = shown(page)
    click(page, "#after", 0.5, 0.25)
    expect(page.locator(".point")).to_have_count(1)
    click(page, "#picker", (110 + 20.5) / 221, (110 + 40.5) / 221)
    expect(page.locator("#b")).to_have_value("-40")
    return plain, shown(page)


def test_a_click_colours_undo_restores_and_redo_repeats(page: Page, picture: Path) -> None:
    plain, blue = with_a_blue_point(page, picture)
    assert lab_from_uint8(blue)[24, 64, 1:] == pytest.approx([20 + 5.5, -40 + 11], abs=3)
    assert np.array_equal(plain[50:], blue[50:])
    page.keyboard.press("Control+z")
    kept = shown(page)  # the point is there, with the colour that it found
    assert lab_from_uint8(kept)[24, 64, 2] > 0
    page.keyboard.press("Control+z")
    expect(page.locator(".point")).to_have_count(0)
    assert np.array_equal(shown(page), plain)
    expect(page.locator("#undo")).to_be_disabled()
    page.click("#redo")
    page.click("#redo")
    assert np.array_equal(shown(page), blue)


def test_points_are_dragged_resized_moved_by_keys_and_deleted(page: Page, picture: Path) -> None:
    plain, blue = with_a_blue_point(page, picture)
    box = page.locator("#frame").bounding_box()
    marker = page.locator(".point").bounding_box()
    assert box
    assert marker
    page.mouse.move(marker["x"] + marker["width"] / 2, marker["y"] + marker["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.6 * box["height"])
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.75 * box["height"])
    page.mouse.up()
    moved = shown(page)
    assert np.array_equal(moved[:40], plain[:40])
    assert lab_from_uint8(moved)[72, 64, 2] < -20
    page.keyboard.press("Control+z")  # the whole drag is one step
    assert np.array_equal(shown(page), blue)
    page.locator(".point").focus()
    page.keyboard.press("Shift+ArrowRight")
    assert lab_from_uint8(shown(page))[24, 74, 2] < -20
    marker = page.locator(".point").bounding_box()
    assert marker
    page.mouse.move(marker["x"] + marker["width"] / 2, marker["y"] + marker["height"] / 2)
    page.mouse.wheel(0, -100)
    expect(page.locator("#size-value")).to_have_text("6")
    page.locator(".point").press("-")
    expect(page.locator("#size-value")).to_have_text("5")
    page.locator(".point").press("Delete")
    assert np.array_equal(shown(page), plain)


def test_the_keyboard_adds_a_point_and_picks_its_colour(page: Page, picture: Path) -> None:
    page.set_input_files("#file", picture)
    shown(page)
    page.locator("#after").press("Enter")
    for _ in range(3):
        page.locator("#picker").press("Shift+ArrowRight")
    page.locator("#b").fill("5")
    page.locator("#b").press("Enter")
    a, b = (float(page.locator(name).input_value()) for name in ("#a", "#b"))
    assert (a, b) == (pytest.approx(36, abs=1.5), 5)
    assert lab_from_uint8(shown(page))[48, 64, 1:] == pytest.approx([a + 5.5, b + 11], abs=3)


def test_five_colours_are_suggested_and_one_is_taken(page: Page, picture: Path) -> None:
    with_a_blue_point(page, picture)
    offered = page.locator("#suggestions button")
    expect(offered).to_have_count(5)
    label = offered.nth(2).get_attribute("aria-label") or ""
    offered.nth(2).click()
    a, b = (page.locator(name).input_value() for name in ("#a", "#b"))
    assert label.startswith(f"a {a}, b {b},")


def test_saved_files_reproduce_the_picture_and_load_again(
    page: Page, picture: Path, tmp_path: Path
) -> None:
    _, blue = with_a_blue_point(page, picture)
    files = {}
    for button in ("#save", "#save-hints"):
        with page.expect_download() as download:
            page.click(button)
        files[button] = tmp_path / download.value.suggested_filename
        download.value.save_as(files[button])
    assert [path.name for path in files.values()] == ["photo_colored.png", "photo_hints.json"]
    hints = files["#save-hints"]
    out = tmp_path / "by_command.png"
    argv = ["colorize", str(picture), "--hints", str(hints), "--device", "cpu"]
    assert cli.run([*argv, "--out", str(out)]) == 0
    assert out.read_bytes() == files["#save"].read_bytes()
    assert np.array_equal(np.array(Image.open(out)), blue)
    page.set_input_files("#file", picture)
    expect(page.locator(".point")).to_have_count(0)
    page.set_input_files("#hints-file", hints)
    expect(page.locator(".point")).to_have_count(1)
    assert np.array_equal(shown(page), blue)
    other = {**json.loads(hints.read_text()), "picture": [64, 64]}
    hints.write_text(json.dumps(other))
    page.set_input_files("#hints-file", hints)
    expect(page.locator("#status")).to_contain_text("these hints are for a picture of 64 x 64")


def test_nir_methods_take_palettes_but_no_points(page: Page, picture: Path) -> None:
    with_a_blue_point(page, picture)
    page.select_option("#method", index=1)
    expect(page.locator("#point-panel")).to_be_hidden()
    expect(page.locator("#status")).to_contain_text("unet:")
    expect(page.locator(".point")).to_have_count(0)
    click(page, "#after", 0.3, 0.3)
    expect(page.locator(".point")).to_have_count(0)
    page.set_input_files("#palette-file", picture)
    expect(page.locator("#palette-note")).to_have_text("Mean and spread of photo.png.")
    page.select_option("#method", index=0)
    expect(page.locator(".point")).to_have_count(1)


def test_before_and_after_are_divided_on_the_picture(page: Page, picture: Path) -> None:
    page.set_input_files("#file", picture)
    shown(page)
    before = lab_from_uint8(np.ascontiguousarray(shown(page, "before")))
    assert np.abs(before[..., 1:]).max() < 1
    box = page.locator("#frame").bounding_box()
    assert box
    page.mouse.move(box["x"], box["y"] + 0.7 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.7 * box["height"])
    page.mouse.up()
    divider = page.locator("#divider")
    expect(divider).to_have_attribute("aria-valuenow", "40")
    clip = page.locator("#after").evaluate(
        "canvas => parseFloat(/[\\d.]+%/.exec(canvas.style.clipPath))"
    )
    assert clip == pytest.approx(40, abs=1)
    divider.press("Home")
    expect(divider).to_have_attribute("aria-valuenow", "0")
    expect(page.locator(".point")).to_have_count(0)  # the drag was no click


def test_the_wheel_zooms_a_drag_moves_and_points_stay_in_place(page: Page, picture: Path) -> None:
    page.set_input_files("#file", picture)
    shown(page)
    fitting = page.locator("#frame").bounding_box()
    assert fitting
    corner = fitting["x"] + 0.25 * fitting["width"], fitting["y"] + 0.25 * fitting["height"]
    page.mouse.move(*corner)
    for _ in range(4):
        page.mouse.wheel(0, -200)
    expect(page.locator("#zoom")).to_have_text("7.4x")
    page.mouse.click(*corner)  # the wheel kept this place of the picture under the pointer
    expect(page.locator(".point")).to_have_count(1)
    label = page.locator(".point").get_attribute("aria-label") or ""
    x, y = map(int, label.removeprefix("Point 1 at ").split(":")[0].split(","))
    assert (x, y) == (pytest.approx(32, abs=2), pytest.approx(24, abs=2))
    zoomed = page.locator("#frame").bounding_box()
    page.mouse.move(corner[0] + 300, corner[1] + 250)  # beside the point, which is large now
    page.mouse.down()
    page.mouse.move(corner[0] + 340, corner[1] + 270, steps=3)
    page.mouse.up()
    moved = page.locator("#frame").bounding_box()
    assert zoomed
    assert moved
    assert (moved["x"] - zoomed["x"], moved["y"] - zoomed["y"]) == pytest.approx((40, 20), abs=1)
    expect(page.locator(".point")).to_have_count(1)
    page.click("#zoom-fit")
    assert page.locator("#frame").bounding_box() == fitting


def test_colours_are_given_as_hex_and_picked_from_the_picture(page: Page, picture: Path) -> None:
    with_a_blue_point(page, picture)
    page.locator("#hex").fill("#b43c28")
    page.locator("#hex").press("Enter")
    a, b = (float(page.locator(name).input_value()) for name in ("#a", "#b"))
    expected = lab_from_uint8(np.array([[[0xB4, 0x3C, 0x28]]], np.uint8))[0, 0]
    assert (a, b) == pytest.approx(expected[1:], abs=1)
    shown(page)
    page.locator("#hex").fill("#12345g")
    page.locator("#hex").press("Enter")
    expect(page.locator("#status")).to_contain_text("#12345g is no colour such as")
    result = lab_from_uint8(shown_now(page))
    page.evaluate("delete window.EyeDropper")
    page.click("#eyedropper")
    click(page, "#after", 0.1, 0.9)
    expect(page.locator(".point")).to_have_count(1)
    expect(page.locator("#a")).to_have_value(str(round(float(result[86, 12, 1]))))


def test_all_of_a_point_is_in_sight_in_a_small_window(page: Page, picture: Path) -> None:
    page.set_viewport_size({"width": 800, "height": 600})
    with_a_blue_point(page, picture)
    for button in ("#delete", "#save", "#undo", "#zoom-fit", "#hex", "#eyedropper", "#method"):
        box = page.locator(button).bounding_box()
        assert box, button
        assert box["x"] >= 0, button
        assert box["y"] + box["height"] <= 600, button
        assert box["x"] + box["width"] <= 800, button
    assert page.evaluate("document.documentElement.scrollWidth") <= 800
    page.click("#delete")
    expect(page.locator(".point")).to_have_count(0)


def test_the_page_says_what_colours_and_offers_what_fits(
    page: Page, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ui_session, "guess_kind", lambda _: Guess(9.0))
    page.set_input_files("#file", picture)
    # a sure guess takes the method that fits, and the other one that takes points is offered
    expect(page.locator("#method")).to_have_value("1")
    note = page.locator("#method-note")
    expect(note).to_contain_text(
        "For near-infrared pictures. It looks like a near-infrared picture."
    )
    page.select_option("#method", "0")
    note.get_by_role("button", name="unet: better for it").click()
    expect(page.locator("#method")).to_have_value("1")
    monkeypatch.setattr(ui_session, "guess_kind", lambda _: Guess(-9.0))
    page.set_input_files("#file", picture)
    expect(note).to_contain_text("It looks like a photograph.")
    expect(page.locator("#method")).to_have_value("1")  # it was chosen by hand


def test_a_file_that_is_no_picture_is_named(browser: Browser, address: str, tmp_path: Path) -> None:
    path = tmp_path / "notes.png"
    path.write_text("hello")
    page = browser.new_page()
    page.goto(address)
    expect(page.locator("#method option")).to_have_count(2)
    page.set_input_files("#file", path)
    expect(page.locator("#status")).to_contain_text("cannot decode notes.png")
    page.close()


def test_its_colours_are_ours(page: Page) -> None:
    """lab.js against datasets/base/color.py, both ways, and what counts as in gamut."""
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (40, 3))
    lab = np.concatenate([rng.uniform(0, 100, (40, 1)), rng.uniform(-110, 110, (40, 2))], 1)
    there, back, fitted = page.evaluate(
        """async ([rgb, lab]) => {
            const { rgbToLab, labToRgb, fitted } = await import("/ui/lab.js");
            return [rgb.map(rgbToLab), rgb.map(rgbToLab).map((c) => labToRgb(...c)),
                lab.map((c) => [c[0], ...fitted(...c)])];
        }""",
        [rgb.tolist(), lab.tolist()],
    )
    planes = torch.tensor(rgb.T[:, :, None] / 255)
    assert np.abs(np.array(there).T - rgb_to_lab(planes)[..., 0].numpy()).max() < 1e-3
    assert np.array_equal(back, rgb)
    ours = lab_to_rgb(torch.tensor(lab.T[:, :, None]), "chroma")
    theirs = lab_to_rgb(torch.tensor(np.array(fitted).T[:, :, None]), "none")
    assert (ours - theirs).abs().max() < 0.01
