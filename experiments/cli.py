"""The command line: ``crosschroma COMMAND ...``. Commands are imported only when they run."""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import version

from ..datasets.errors import UserError, unknown

USAGE_ERROR, FAILED = 2, 1

# command -> (module, function, one line for the help)
COMMANDS = {
    "train": ("commands_train", "train", "train a recipe into a run folder"),
    "evaluate": ("commands_results", "evaluate", "score a trained run on its test images"),
    "score": ("commands_results", "score", "score pictures made by anything"),
    "table": ("commands_results", "table", "write, or check, the results tables"),
    "reproduce": ("commands_train", "reproduce", "train and evaluate every recipe of a table"),
    "colorize": ("commands_pictures", "colorize", "colour a picture or a folder"),
    "gallery": ("commands_pictures", "gallery", "show runs side by side in one picture"),
    "data": ("commands_data", "data", "check a dataset, or audit its splits for leaks"),
    "bench": ("commands_data", "bench", "measure speed against named references"),
    "list": ("commands_results", "list_recipes", "name every recipe and its networks"),
}


def main() -> None:
    """Entry point; exits with 0, 1 (failed) or 2 (usage)."""
    sys.exit(run(sys.argv[1:]))


def run(argv: list[str]) -> int:
    """Run one command; returns the exit code. Errors that a user can mend print as one line."""
    if not argv or argv[0] in ("-h", "--help"):
        print(_help())
        return 0 if argv else USAGE_ERROR
    if argv[0] == "--version":
        print(f"crosschroma {version('crosschroma')}")
        return 0
    name, *rest = argv
    if name not in COMMANDS:
        print(f"error: {unknown('command', name, COMMANDS)}", file=sys.stderr)
        return USAGE_ERROR
    module_name, function, _ = COMMANDS[name]
    module = importlib.import_module(f".{module_name}", __package__)
    try:
        return getattr(module, function)(rest) or 0
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return FAILED


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {text}" for name, (_, _, text) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: crosschroma COMMAND ... [--help]",
            "",
            "Colorize grayscale and near-infrared images; train, compare and report methods.",
            "",
            "commands:",
            *lines,
        ]
    )
