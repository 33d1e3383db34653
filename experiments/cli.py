"""The command line: ``crosschroma COMMAND ...``. Commands are imported only when they run."""

from __future__ import annotations

import importlib
import io
import os
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..datasets.base.errors import Note, UserError, unknown
from .commands.shared.usage import FAILED, USAGE_ERROR, UsageError, usage
from .process_settings import keep_memory, wait_shortly

# command -> (module, function, one line for the help)
COMMANDS = {
    "train": ("train", "train", "train a recipe into a run folder"),
    "evaluate": ("evaluate", "evaluate", "score a trained run on its test images"),
    "score": ("score", "score", "score pictures made by anything"),
    "table": ("table", "table", "write, or check, the results tables"),
    "plot": ("plot", "plot", "draw, or check, the plots of the results"),
    "reproduce": ("reproduce", "reproduce", "train a table's recipes, and compare with its rows"),
    "colorize": ("colorize", "colorize", "colour a picture or a folder"),
    "ui": ("ui", "ui", "colour pictures with hints in a browser"),
    "hints-curve": ("hints_curve", "hints_curve", "PSNR against the number of colour hints"),
    "gallery": ("gallery", "gallery", "show runs side by side in one picture"),
    "compare": ("compare", "compare", "show runs side by side in a page with metrics"),
    "ship": ("ship", "ship", "write a run's weights into one small file"),
    "import-weights": ("import_weights", "import_weights", "take over weights of other authors"),
    "compress": ("compress", "compress", "smaller forms of a method, in one table"),
    "export": ("export", "export", "write a method as ONNX, TorchScript or safetensors"),
    "data": ("data.data", "data", "check a dataset, or audit its splits for leaks"),
    "input-kind": (
        "input_kind",
        "input_kind",
        "how often photographs are taken for NIR, or NIR not",
    ),
    "bench": ("bench", "bench", "measure speed against named references"),
    "list": ("list", "list_recipes", "name every recipe, its purpose and its score"),
}
_LIKE_AN_OPTION = re.compile(r"-[^-].|--.*\.")  # longer than -h; a plain --word is an option
_TRAINING = ("train", "reproduce")


def main() -> None:
    """Entry point; exits with 0, 1 (failed) or 2 (usage)."""
    wait_shortly()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names of files that the terminal cannot print
            stream.reconfigure(errors="backslashreplace")
    if sys.argv[1:2] and sys.argv[1] in _TRAINING:
        keep_memory()
    try:
        code = run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        # the reader (`| head`) has gone; without this the flush at exit complains once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = FAILED
    sys.exit(code)


def run(argv: list[str]) -> int:
    """Run one command; returns the exit code. Errors that a user can mend print as one line."""
    try:
        with _notes():
            return _run(argv)
    except UserError as error:
        text = re.sub(r"\s*\n\s*", " ", str(error))
        print(f"error: {text}", file=sys.stderr)
        return USAGE_ERROR if isinstance(error, UsageError) else FAILED
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return FAILED
    except SystemExit as end:  # the parser's way out, after --help as after a usage error
        return end.code if isinstance(end.code, int) else FAILED


@contextmanager
def _notes() -> Iterator[None]:
    """Within it a ``Note`` is one line on standard error, without the place in the code."""
    show = warnings.showwarning

    def show_note(message: Warning | str, category: type[Warning], *place: Any) -> None:
        if issubclass(category, Note):
            print(f"note: {message}", file=sys.stderr)
        else:
            show(message, category, *place)

    warnings.showwarning = show_note
    try:
        yield
    finally:
        warnings.showwarning = show


def _run(argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        return usage(_help(), argv)
    if argv[0] == "--version":
        from importlib.metadata import version

        print(f"crosschroma {version('crosschroma')}")
        return 0
    name, *rest = argv
    if name not in COMMANDS:
        raise UsageError(unknown("command", name, COMMANDS))
    module_name, function, _ = COMMANDS[name]
    module = importlib.import_module(f".commands.{module_name}", __package__)
    return getattr(module, function)([_as_path(argument) for argument in rest])


def _as_path(argument: str) -> str:
    """``./-x.png`` for a file ``-x.png``, whose name the parser would take for an option."""
    is_name = _LIKE_AN_OPTION.match(argument) and os.path.lexists(argument)
    return f".{os.sep}{argument}" if is_name else argument


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {text}" for name, (_, _, text) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: crosschroma COMMAND ... [--help]    (also: crosschroma --version)",
            "",
            "Colorize grayscale and near-infrared images; train, compare and report methods.",
            "",
            "commands:",
            *lines,
        ]
    )
