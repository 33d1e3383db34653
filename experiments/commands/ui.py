"""``crosschroma ui``."""

from __future__ import annotations

import webbrowser
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ...datasets.base.bounds import Checked
from ...datasets.base.errors import UserError
from ...datasets.base.typed_values import Bound


@dataclass(frozen=True, kw_only=True)
class UiOptions(Checked):
    """Colour pictures in a browser, with hints where the method takes them.

    Serves a page to this machine only (127.0.0.1), until Ctrl-C. Nothing leaves the machine and
    nothing is written: the browser saves pictures and hints. Where the CPU multiplies bfloat16, the
    page shows what is computed in it, and saves what is computed in float32.

    Attributes:
        runs: the choice of methods: runs' folders, checkpoints, files of ``ship`` or ``export``,
            or names of shipped weights; by default all shipped weights.
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
    from ..artifacts.weights_file import shipped_names
    from ..inference.colorizer import Colorizer
    from ..training.devices import usable_device
    from ..ui import server as ui_server
    from ..ui.session import Studio, draft_precision

    runs = options.runs or tuple(map(Path, shipped_names()))
    if not runs:
        raise UserError("no weights come with this installation; name a run to colour with")
    device = usable_device(options.device)
    trust = options.trust_torchscript
    methods = [
        Colorizer.load(run, options.weights, device, options.output, trust=trust) for run in runs
    ]
    listening = ui_server.listen(options.port)
    address = f"http://{ui_server.HOST}:{listening.getsockname()[1]}"
    print(f"{address}    (Ctrl-C ends)", flush=True)
    if options.open:
        webbrowser.open(address)
    studio = Studio(methods, precision=draft_precision(device))
    try:
        ui_server.server(studio, listening).run(sockets=[listening])
    except KeyboardInterrupt:
        print("ended")
    finally:
        studio.close()
        listening.close()
    return 0
