"""What the page takes to answer a click, beside the network that it runs for it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.request import Request, urlopen

import numpy as np
import torch
import tyro
from rich.table import Table

from ...datasets.base.bounds import Count, Side
from ...datasets.base.outputs import JsonOutput
from ...datasets.scenes.adapter import Scenes
from ...models.color.hint_points import points_to_hints
from ...models.zhang17.method import Zhang17
from ..evaluation.timing import Timing, machine, race, save_benchmark, torch_threads, versions
from ..inference.colorizer import Colorizer
from ..inference.picture_file import Picture, encode
from ..inference.precision import Precision
from ..ui import server as ui_server
from ..ui.session import Session, preview_precision

NETWORK, CLICK = "network", "click"
_TARGET_S = 0.5
_SIDE = 1024  # of the picture


@dataclass(frozen=True, kw_only=True)
class UiBenchmark:
    """What ``bench_ui`` measured, and on what.

    Attributes:
        timings: of both; seconds, and the network's time over this one's.
        target_s: what a click should stay under.
        method: that is asked.
        weights: which.
        precision: of the click; the network's time is in float32.
        network: the size at which it sees the picture.
        picture: the size of what is open.
    """

    timings: list[Timing]
    target_s: float
    method: str
    weights: str
    precision: str
    network: str
    picture: str
    threads: int
    repeats: int
    machine: dict[str, Any]
    versions: dict[str, str]

    def __rich__(self) -> Table:
        """The figures as a table, for ``rich.print``."""
        title = f"{self.method} at {self.network}, picture {self.picture}, {self.threads} threads"
        table = Table("", "ms", "p10", "p90", "times the network", "target", title=title)
        for timing in self.timings:
            milliseconds = (1000 * s for s in (timing.median, timing.p10, timing.p90))
            target = f"{1000 * self.target_s:g} ms" if timing.name == CLICK else ""
            table.add_row(
                timing.name,
                *(f"{value:.4g}" for value in milliseconds),
                f"{1 / timing.ratio:.2f}",
                target,
            )
        return table


def bench_ui(
    out: JsonOutput = Path("results/benchmarks/ui.json"),
    *,
    run: Annotated[Path | None, tyro.conf.arg(metavar="RUN")] = None,
    size: Side = 256,
    threads: Count = 2,
    repeats: Count = 9,
) -> UiBenchmark:
    """From a click on an open picture to the bytes that the page draws, over HTTP on this machine.

    Each click adds a colour point where the method takes hints. The picture is a generated scene
    of 1024 x 1024 pixels. Beside it, the network alone on what it is given. They take turns, by
    the wall clock.

    Args:
        out: JSON file to write.
        run: a run's folder, a checkpoint, or a file of ``ship`` or ``export``; by default zhang17
            at full size with random weights.
        size: short side at which the network sees the picture.
        threads: of torch.
        repeats: how many clicks.

    Raises:
        UserError: as ``Colorizer.load``.
    """
    colorizer = _colorizer(run, size)
    rgb = Scenes(size=_SIDE, count_test=1).split("test").load(0)["rgb"]
    prepared = colorizer.prepare(rgb)
    height, width = prepared.small.shape[-2:]
    marks = points_to_hints([], height, width) if colorizer.takes_hints else None
    precision = preview_precision("cpu")
    with torch_threads(threads), _served(colorizer, precision) as ask:
        click = _clicks(ask, rgb, colorizer.takes_hints)

        @torch.no_grad()
        def network() -> None:
            colorizer.colors(prepared.small, marks)

        result = UiBenchmark(
            timings=race(
                {NETWORK: network, CLICK: click},
                repeats,
                reference=NETWORK,
                clock=time.perf_counter,
            ),
            target_s=_TARGET_S,
            method=colorizer.name,
            weights=colorizer.origin.weights_sha256 if colorizer.origin else "random",
            precision=precision,
            network=f"{width}x{height}",
            picture=f"{_SIDE}x{_SIDE}",
            threads=threads,
            repeats=repeats,
            machine=machine(),
            versions=versions("torch", "fastapi", "uvicorn"),
        )
    save_benchmark(result, out)
    return result


def _clicks(
    ask: Callable[[str, bytes], bytes], rgb: np.ndarray, takes_hints: bool
) -> Callable[[], None]:
    """A click on the picture, which is opened; each adds a point where the method takes them."""
    picture = encode(Picture(levels=rgb), rgb)
    token = json.loads(ask("/api/pictures?name=scene.png", picture))["id"]
    points: list[dict[str, float]] = []

    def click() -> None:
        if takes_hints:
            place = 37.0 * (len(points) + 1)
            points.append({"x": place % _SIDE, "y": 3 * place % _SIDE, "a": 30.0, "b": -20.0})
        ask(f"/api/pictures/{token}/0/preview", json.dumps({"points": points}).encode())

    return click


def _colorizer(run: Path | None, size: int) -> Colorizer:
    if run is not None:
        return Colorizer.load(run, size=size)
    torch.manual_seed(0)
    return Colorizer(Zhang17.Config().build(), size)


@contextmanager
def _served(colorizer: Colorizer, precision: Precision) -> Iterator[Callable[[str, bytes], bytes]]:
    """The page's server in a thread; gives what posts bytes to a path and returns the answer."""
    session, listening = Session([colorizer], precision=precision), ui_server.listen(0)
    server = ui_server.server(session, listening)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    address = f"http://{ui_server.HOST}:{listening.getsockname()[1]}"

    def ask(path: str, body: bytes) -> bytes:
        request = Request(address + path, body, {"Content-Type": "application/json"})
        with urlopen(request, timeout=60) as answer:
            return answer.read()

    thread.start()
    try:
        yield ask
    finally:
        server.should_exit = True
        thread.join()
        session.close()
