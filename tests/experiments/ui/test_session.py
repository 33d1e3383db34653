"""The page's server: what it answers, to whom, and that its results are those of `colorize`."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from crosschroma.datasets.base.color import lab_from_uint8
from crosschroma.datasets.base.errors import UserError
from crosschroma.experiments import cli
from crosschroma.experiments.artifacts import checkpoint
from crosschroma.experiments.inference.colorizer import Colorizer
from crosschroma.experiments.ui.session import GoneError, Session
from crosschroma.models.unet import UNet
from PIL import Image

pytest.importorskip("fastapi")

from crosschroma.experiments.ui import server as ui_server
from starlette.testclient import TestClient

HOST = "127.0.0.1:8717"
POINT = {"x": 40.5, "y": 30.0, "a": 35.0, "b": -30.0, "size": 9}


def png(height: int = 90, width: int = 120, seed: int = 0, mode: str = "RGB") -> bytes:
    coarse = np.random.default_rng(seed).integers(80, 170, (4, 5, 3), np.uint8)
    image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    image.convert(mode).save(file, "PNG")
    return file.getvalue()


def pixels(data: bytes) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(data)))


@pytest.fixture
def session(hint_painter: Path) -> Iterator[Session]:
    torch.manual_seed(0)
    nir = Colorizer(UNet.Config(domain="nir", width=4, levels=2).build(), None)
    session = Session([Colorizer.load(hint_painter), nir], max_pictures=3, max_pixels=20_000)
    yield session
    session.close()


@pytest.fixture
def client(session: Session) -> TestClient:
    app = ui_server.create_app(session, frozenset({HOST}), max_upload=100_000)
    return TestClient(app, base_url=f"http://{HOST}")


@pytest.fixture
def place(client: TestClient) -> str:
    answer = client.post("/api/pictures?name=a.png", content=png())
    return f"/api/pictures/{answer.json()['id']}"


def test_the_page_and_its_parts_are_there(client: TestClient) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert "default-src 'self'" in page.headers["content-security-policy"]
    for name in ("app.js", "lab.js", "style.css", "icon.svg"):
        assert client.get(f"/ui/{name}").status_code == 200
    for folder in (ui_server.PAGE,):
        text = "".join(path.read_text() for path in folder.iterdir())
        outside = text.replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in outside
        assert "https:" not in outside
    for foreign in ("/docs", "/openapi.json", "/ui/../ui_server.py", "/ui/%2e%2e/ui_server.py"):
        assert client.get(foreign).status_code == 404


def test_methods_say_what_they_take(client: TestClient) -> None:
    painter, nir = client.get("/api/methods").json()
    assert painter["name"] == "painter"
    assert (painter["takes_hints"], painter["suggests"], painter["palette"]) == (
        True,
        True,
        "spread",
    )
    assert (nir["name"], nir["domain"], nir["takes_hints"]) == ("unet", "nir", False)


def test_a_hint_colours_its_place_and_nothing_else(client: TestClient, place: str) -> None:
    sizes = client.get(f"{place}/0").json()
    assert sizes == {"picture": [120, 90], "view": [120, 90], "network": [85, 64]}
    plain = pixels(client.post(f"{place}/0/preview", json={"points": []}).content)
    hinted = pixels(client.post(f"{place}/0/preview", json={"points": [POINT]}).content)
    lab = lab_from_uint8(hinted)
    assert lab[30, 40, 1:] == pytest.approx([35 + 5.5, -30 + 11], abs=3)  # on the warm tone
    assert np.array_equal(plain[60:], hinted[60:])
    before = lab_from_uint8(pixels(client.get(f"{place}/0/input").content))
    assert np.abs(before[..., 1:]).max() < 1
    assert np.abs(before[..., 0] - lab[..., 0]).max() < 1.5
    gray = client.post(f"{place}/0/preview", json={"points": [POINT], "strength": 0})
    assert np.abs(lab_from_uint8(pixels(gray.content))[..., 1:]).max() < 1


def test_large_pictures_are_shown_small_and_saved_large(session: Session) -> None:
    session.max_pixels = 10**6
    token, _ = session.open("wide.png", png(60, 2048))
    assert session.prepare(token, 0)["view"] == [1024, 30]
    assert pixels(session.preview(token, 0, [])).shape == (30, 1024, 3)
    assert pixels(session.picture(token, 0, [])).shape == (60, 2048, 3)


@pytest.mark.parametrize("palette", [False, True])
def test_saved_hints_make_colorize_write_the_saved_picture(
    client: TestClient, tmp_path: Path, palette: bool
) -> None:
    source = tmp_path / "a.png"
    source.write_bytes(png(mode="RGBA"))
    token = client.post("/api/pictures?name=a.png", content=source.read_bytes()).json()["id"]
    asked = {"points": [POINT, {**POINT, "x": 100, "size": 1}], "strength": 0.8}
    if palette:
        asked["palette"] = client.post("/api/palette?name=b.png", content=png(seed=3)).json()
        assert asked["palette"]["source"] == "b.png"
    saved = client.post(f"/api/pictures/{token}/0/picture", json=asked).content
    hints = client.post(f"/api/pictures/{token}/0/hints", json=asked).content
    (tmp_path / "hints.json").write_bytes(hints)
    assert json.loads(hints)["picture"] == [120, 90]
    out = tmp_path / "out.png"
    argv = ["colorize", str(source), "--hints", str(tmp_path / "hints.json"), "--device", "cpu"]
    assert cli.run([*argv, "--out", str(out)]) == 0
    assert out.read_bytes() == saved
    assert pixels(saved).shape == (90, 120, 4)
    loaded = client.post("/api/hints?name=hints.json", content=hints).json()
    assert loaded == json.loads(hints)


def test_colorize_refuses_what_would_not_be_the_same(
    session: Session, hint_painter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token, _ = session.open("a.png", png())
    path = tmp_path / "hints.json"
    path.write_text(session.hints(token, 0, [POINT]))
    for name, size in (("a.png", 120), ("other.png", 121)):
        (tmp_path / name).write_bytes(png(width=size))
    argv = ["--hints", str(path), "--device", "cpu", "--out", str(tmp_path / "out")]
    assert cli.run(["colorize", str(tmp_path / "other.png"), *argv]) == 1
    assert "saved for a picture of 120 and 90 (a.png)" in capsys.readouterr().err
    state = checkpoint.load_checkpoint(hint_painter / "best.pt")
    state["inference"]["generator"]["colors.bias"] += 1
    checkpoint.save_checkpoint(hint_painter / "best.pt", state)
    assert cli.run(["colorize", str(tmp_path / "a.png"), *argv]) == 1
    assert "whose weights are not those that the hints were saved with" in capsys.readouterr().err
    assert cli.run(["colorize", str(tmp_path / "a.png"), *argv, "--run", str(hint_painter)]) == 0


def test_suggestions_fit_the_place(client: TestClient, place: str) -> None:
    found = client.post(f"{place}/0/suggestions?x=10&y=20", json={"points": [POINT]}).json()
    assert len(found) == 5
    assert [one["share"] for one in found] == sorted((one["share"] for one in found), reverse=True)
    assert sum(one["share"] for one in found) == pytest.approx(1)


def test_nir_methods_colour_and_refuse_points(client: TestClient, place: str) -> None:
    result = client.post(f"{place}/1/preview", json={"points": []})
    assert pixels(result.content).shape == (90, 120, 3)
    refused = client.post(f"{place}/1/preview", json={"points": [POINT]})
    assert (refused.status_code, refused.json()["error"]) == (
        400,
        "unet takes no hints; zhang17 does",
    )


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example:8717"}, 403),
        ({"Host": "127.0.0.1:80"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": f"https://{HOST}"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": f"http://{HOST}", "Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
def test_only_its_own_page_is_answered(client: TestClient, headers: dict, status: int) -> None:
    assert client.post("/api/pictures", content=png(), headers=headers).status_code == status
    assert client.get("/api/methods", headers=headers).status_code == status


def test_a_link_from_elsewhere_may_lead_to_the_page(client: TestClient) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert client.get("/", headers=headers).status_code == 200
    assert client.post("/api/pictures", content=png(), headers=headers).status_code == 403


def test_large_uploads_and_pictures_are_refused(client: TestClient) -> None:
    large = client.post("/api/pictures", content=b"x" * 100_001)
    assert large.status_code == 413
    streamed = client.post("/api/pictures", content=iter([b"x"]))
    assert streamed.status_code == 411
    many = client.post("/api/pictures?name=big.png", content=png(150, 150))
    assert many.status_code == 400
    assert "big.png has more than 0.02 million pixels" in many.json()["error"]
    assert client.post("/api/palette", content=png(150, 150)).status_code == 400


def test_what_is_no_picture_is_named_without_our_folders(
    client: TestClient, session: Session
) -> None:
    refused = client.post("/api/pictures?name=../../notes.txt", content=b"hello")
    assert refused.status_code == 400
    assert refused.json()["error"].startswith("cannot decode notes.txt")
    assert not list(Path(session._folder.name).iterdir())


def test_pictures_are_forgotten_the_oldest_first(session: Session) -> None:
    first, *rest = (session.open(f"{number}.png", png())[0] for number in range(3))
    session.prepare(first, 0)
    newest, _ = session.open("new.png", png())
    for token in (first, rest[1], newest):
        session.prepare(token, 0)
    with pytest.raises(GoneError):
        session.prepare(rest[0], 0)
    session.max_all_pixels = 25_000
    last, _ = session.open("last.png", png())
    assert list(session._opened) == [newest, last]


def test_unknown_pictures_methods_and_points_are_errors(client: TestClient, place: str) -> None:
    assert client.get("/api/pictures/none/0").status_code == 404
    assert client.get(f"{place}/2").status_code == 400
    assert client.get(f"{place}/-1").status_code == 400
    for asked, text in (
        ({"points": [{**POINT, "x": 500}]}, "outside the picture"),
        ({"points": [{**POINT, "size": 10}]}, "the page: point 1: hint: size 10"),
        ({"points": [], "strength": 9}, "strength: 9: must be"),
        ({"points": [], "palette": {}}, "the palette has no"),
    ):
        refused = client.post(f"{place}/0/preview", json=asked)
        assert refused.status_code == 400
        assert text in refused.json()["error"]
    for content, text in ((b"[", "is no JSON"), (b"[" * 100_000, "nested too deeply")):
        refused = client.post("/api/hints?name=h.json", content=content)
        assert refused.status_code == 400
        assert "h.json is not a hints file" in refused.json()["error"]
        assert text in refused.json()["error"]


def test_the_command_needs_weights_and_its_extra(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, hint_painter: Path
) -> None:
    with ui_server.listen(0) as taken:
        port = str(taken.getsockname()[1])
        assert taken.getsockname()[0] == "127.0.0.1"
        taken.listen()
        assert cli.run(["ui", str(hint_painter), "--port", port, "--device", "cpu"]) == 1
        assert f"cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err
    with pytest.raises(UserError, match="cannot listen on"):
        ui_server.listen(70_000)
    monkeypatch.setattr("crosschroma.models.base.shipped_weights.shipped_list", list)
    assert cli.run(["ui"]) == 1
    assert "name a run to colour with" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "fastapi", None)
    monkeypatch.delitem(sys.modules, "crosschroma.experiments.ui.server")
    assert cli.run(["ui"]) == 1
    assert "pip install 'crosschroma[ui]'" in capsys.readouterr().err
