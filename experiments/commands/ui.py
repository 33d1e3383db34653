"""``crosschroma ui``."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from ...datasets.base.bounds import Checked
from ...datasets.base.errors import UserError
from ...datasets.base.typed_values import Bound

if TYPE_CHECKING:
    from ..ui.connection import PageServer

_END_S = 3.0  # for the server to end; what it computes then is dropped


@dataclass(frozen=True, kw_only=True)
class UiOptions(Checked):
    """Colour pictures in a browser, with hints where the method takes them.

    Serves a page to this machine only (127.0.0.1), until Ctrl-C. Nothing leaves the machine and
    nothing is written: the browser saves pictures and hints. Where the CPU multiplies bfloat16, the
    page shows what is computed in it, and saves what is computed in float32.

    Attributes:
        runs: the choice of methods, the first of which the page begins with: runs' folders,
            checkpoints, files of ``ship`` or ``export``, or names of shipped weights; by default
            all shipped weights, beginning with those for gray photographs that take hints, where
            there are such.
        weights: each run's best by validation, its last, or that of the two its recipe names.
        output: what methods with several outputs return; see ``crosschroma evaluate``.
        port: of the page; 0 takes a free one.
        open: show the page in the default browser.
        device: ``auto`` (a GPU where there is one), ``cpu``, ``cuda``, ...
        trust_torchscript: run files of TorchScript among the runs: programs, of makers you trust.
    """

    runs: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="RUN...")] = ()
    weights: Literal["result", "best", "last"] = "result"
    output: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    port: Annotated[int, Bound(least=0, most=2**16 - 1)] = 8717
    open: tyro.conf.FlagCreatePairsOff[bool] = False
    device: str = "auto"
    trust_torchscript: tyro.conf.FlagCreatePairsOff[bool] = False


def check_installed() -> None:
    """Refuse to serve the page without what it needs.

    Raises:
        UserError: a package is missing.
    """
    missing = [name for name in ("fastapi", "uvicorn") if find_spec(name) is None]
    if missing:
        raise UserError(f"the page needs {' and '.join(missing)}: pip install 'crosschroma[ui]'")


def ui(argv: list[str]) -> int:
    """``crosschroma ui [RUN...]``."""
    options = tyro.cli(UiOptions, prog="crosschroma ui", args=argv)
    check_installed()
    from ...models.base.shipped_weights import shipped_list
    from ..inference.choice import first_with_hints
    from ..inference.colorizer import Colorizer
    from ..training.devices import usable_device
    from ..ui import server as ui_server
    from ..ui.session import Session, preview_precision

    runs = options.runs or tuple(Path(entry.name) for entry in shipped_list())
    if not runs:
        raise UserError("no weights come with this installation; name a run to colour with")
    device = usable_device(options.device)
    trust = options.trust_torchscript
    methods = [
        Colorizer.load(run, options.weights, device, options.output, trust=trust) for run in runs
    ]
    listening = ui_server.listen(options.port)
    initial = 0 if options.runs else first_with_hints(methods)
    session = Session(methods, initial=initial, precision=preview_precision(device))
    try:
        code = _serve(ui_server.server(session, listening), options.open)
    finally:
        session.close()
        listening.close()
    sys.stdout.flush()
    os._exit(code)  # at once: what is still being computed is of no use to anybody


def _serve(server: PageServer, show: bool) -> int:
    """Serve until a signal asks for the end; the exit code."""
    with _ending() as signals:
        # in a thread of its own, which the end of the process does not wait for
        thread = threading.Thread(target=server.serve_page, daemon=True)
        thread.start()
        while thread.is_alive() and not server.started and not signals:
            time.sleep(0.01)
        host, port = server.listening.getsockname()
        address = f"http://{host}:{port}"
        print(f"{address}    (Ctrl-C ends)", flush=True)
        if show:
            webbrowser.open(address)
        while thread.is_alive() and not signals:
            time.sleep(0.1)
        server.should_exit = True
        thread.join(_END_S)
    if not signals:
        raise UserError(f"the page at {address} has ended by itself")
    if signals[0] == signal.SIGINT:
        print("ended", flush=True)
        return 0
    return 128 + signals[0]


@contextmanager
def _ending() -> Iterator[list[int]]:
    """The signals so far that ask for the end; one that is ignored (``nohup``) stays ignored."""
    signals: list[int] = []
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    heeded = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    before = {
        number: signal.signal(number, lambda number, frame: signals.append(number))
        for number in heeded
    }
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
