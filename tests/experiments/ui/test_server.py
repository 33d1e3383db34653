"""The page's server as a process and on sockets: bounds, time-outs and its end."""

from __future__ import annotations

import io
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import tifffile
from crosschroma.datasets.base.errors import DataError
from crosschroma.experiments.inference.colorizer import Colorizer
from crosschroma.experiments.ui import session as ui_session
from crosschroma.experiments.ui.session import Session
from crosschroma.models.unet import UNet

pytest.importorskip("fastapi")

from crosschroma.experiments.ui import server as ui_server
from crosschroma.experiments.ui.connection import PageServer
from starlette.testclient import TestClient

ASKED = ("preview", "suggestions", "picture", "hints")
HOST = "127.0.0.1:8717"


@pytest.fixture
def session() -> Iterator[Session]:
    session = Session([Colorizer(UNet.Config(domain="gray", width=4, levels=2).build(), None)])
    yield session
    session.close()


@contextmanager
def served(session: Session, max_wait_s: float = 60.0) -> Iterator[tuple[PageServer, int]]:
    listening = ui_server.listen(0)
    server = ui_server.server(session, listening, max_wait_s)
    thread = threading.Thread(target=server.serve_page, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield server, listening.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(20)
    assert not thread.is_alive()


def ends(client: socket.socket) -> bool:
    """Whether the other side cuts the connection without a word, before the client's time-out."""
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


def float_tiff(side: int) -> bytes:
    """Float RGB, which Pillow cannot open."""
    file = io.BytesIO()
    tifffile.imwrite(file, np.zeros((side, side, 3), np.float32), photometric="rgb")
    return file.getvalue()


def test_what_only_opencv_opens_is_measured_before_it_is_decoded(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.max_pixels = 64 * 64
    session.open("small.tif", float_tiff(64))
    monkeypatch.setattr(ui_session, "read_picture", lambda *_: pytest.fail("decoded"))
    with pytest.raises(DataError, match=r"large\.tif has more than 0\.004096 million pixels"):
        session.open("large.tif", float_tiff(65))


def test_wide_pixels_count_by_their_bytes(tmp_path: Path) -> None:
    path = tmp_path / "wide.tif"
    tifffile.imwrite(path, np.zeros((10, 20, 7), np.float64), photometric="rgb")
    assert ui_session._stored_pixels(path) == 10 * 20 * 7 * 8 / 12
    path.write_bytes(b"II*\0 and no more")
    assert ui_session._stored_pixels(path) == 0


def test_bytes_in_flight_are_bounded_over_all_requests(session: Session) -> None:
    app = ui_server.create_app(session, frozenset({HOST}), max_in_flight=1000)
    client = TestClient(app, base_url=f"http://{HOST}")
    assert client.post("/api/hints", content=b"[]" + b" " * 990).status_code == 200
    busy = client.post("/api/hints", content=b"[]" + b" " * 1000)
    assert (busy.status_code, busy.json()["error"][:11]) == (503, "other files")
    assert client.post("/api/hints", content=b"[]" + b" " * 990).status_code == 200  # given back
    long = client.post("/api/pictures/a/0/preview", content=b" " * (ui_server.MAX_JSON + 1))
    assert long.status_code == 413


@pytest.mark.parametrize("depth", [900, 100_000])
@pytest.mark.parametrize("place", ["hints", *(f"pictures/a/0/{name}" for name in ASKED)])
@pytest.mark.parametrize("ends", ["[]", ('{"points":', "}")])
def test_deep_json_is_one_sentence(
    session: Session, place: str, depth: int, ends: tuple[str, str]
) -> None:
    content = (ends[0] * depth + "0" + ends[1] * depth).encode()
    client = TestClient(ui_server.create_app(session, frozenset({HOST})), f"http://{HOST}")
    url = f"/api/{place}?x=1&y=1&name=h.json"
    refused = client.post(url, content=content, headers={"content-type": "application/json"})
    assert refused.status_code in (400, 404, 422)
    assert len(refused.content) < 1000
    client.close()


def test_memory_that_runs_out_is_one_sentence(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_much(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(ui_session, "read_picture", too_much)
    app = ui_server.create_app(session, frozenset({HOST}))
    answer = TestClient(app, base_url=f"http://{HOST}").post("/api/pictures", content=b"x")
    assert answer.status_code == 507
    assert "more memory than there is" in answer.json()["error"]


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost: 127",
        b"POST /api/pictures HTTP/1.1\r\nHost: HOST\r\nContent-Length: 99\r\n\r\nx",
    ],
    ids=["nothing", "head", "body"],
)
def test_a_client_that_keeps_the_server_waiting_is_cut(session: Session, begun: bytes) -> None:
    with (
        served(session, max_wait_s=0.3) as (server, port),
        socket.create_connection(("127.0.0.1", port), timeout=20) as client,
    ):
        client.sendall(begun.replace(b"HOST", b"127.0.0.1:%d" % port))
        assert ends(client)
        assert not server.server_state.connections


def test_a_client_that_does_not_read_is_cut(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "shown_input", lambda *_: b"x" * 40_000_000)
    with (
        served(session, max_wait_s=0.3) as (server, port),
        socket.create_connection(("127.0.0.1", port), timeout=20) as client,
    ):
        client.sendall(b"GET /api/pictures/a/0/input HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % port)
        held = []
        while not any(held) or server.server_state.tasks:
            for connection in list(server.server_state.connections):
                held.append(connection.transport.get_write_buffer_size())
            time.sleep(0.01)
        assert 0 < max(held) < 2_000_000
        assert not server.server_state.connections


def test_a_client_that_disconnects_leaves_no_traceback(
    session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    with served(session) as (server, port):
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(
                b"POST /api/pictures HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                b"Content-Length: 99\r\n\r\nx" % port
            )
            while not server.server_state.tasks:
                time.sleep(0.01)
        while server.server_state.tasks:
            time.sleep(0.01)
    assert caplog.text == ""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_one_signal_ends_it_and_the_temporary_folder(
    name: str, tmp_path: Path, hint_painter: Path
) -> None:
    argv = ["ui", str(hint_painter), "--port", "0", "--device", "cpu"]
    process = subprocess.Popen(
        [sys.executable, "-m", "crosschroma", *argv],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert process.stdout is not None
    address = re.match(r"http://127\.0\.0\.1:(\d+)", process.stdout.readline())
    assert address
    # it listens once it says so; a client that stays does not hold it up
    with socket.create_connection(("127.0.0.1", int(address[1]))):
        assert list(tmp_path.glob("crosschroma-ui-*"))
        process.send_signal(getattr(signal, name))
        out, err = process.communicate(timeout=60)
    assert not list(tmp_path.glob("crosschroma-ui-*"))
    assert err == ""
    assert out == ("ended\n" if name == "SIGINT" else "")
    assert process.returncode == {"SIGINT": 0, "SIGTERM": 143, "SIGHUP": 129}[name]
