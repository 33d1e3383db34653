"""What made a result: code, versions, machine, command, time; nothing that names a person."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, TypedDict

import torch

from ..experiment import Experiment
from ..settings import to_plain

_PACKAGES = (
    "crosschroma",
    "torch",
    "torchvision",
    "timm",
    "lightning-fabric",
    "lightning",
    "numpy",
    "opencv-python-headless",
    "lpips",
    "pytorch-msssim",
)
_CODE = ("models", "datasets", "losses", "experiments", "pyproject.toml")
_ROOT = Path(__file__).resolve().parents[2]
_GIT_TIMEOUT_S = 20


class Provenance(TypedDict):
    """The fields of ``RunFile`` that tell where a row comes from."""

    commit: str
    dirty: bool
    versions: dict[str, str]
    device: str
    command: str
    created: str


def provenance(
    device: torch.device | str = "cpu", command: Sequence[str] | None = None
) -> Provenance:
    """The current code, versions, machine, command and time.

    Args:
        device: where the networks ran.
        command: program and arguments; this process's own by default.
    """
    commit, dirty = commit_of(_ROOT)
    return {
        "commit": commit,
        "dirty": dirty,
        "versions": versions(),
        "device": device_text(torch.device(device)),
        "command": command_text(sys.argv if command is None else command),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def commit_of(root: Path) -> tuple[str, bool]:
    """Commit of the repository that holds the code in ``root``, and whether the code differs.

    Only the code's own folders count: a results file that waits to be committed does not make the
    code another. Installed code has no commit, even inside some other repository: ("", False).
    """
    module_path = Path(__file__).relative_to(_ROOT).as_posix()
    if _git(root, "ls-files", "--error-unmatch", module_path) is None:
        return "", False
    commit = _git(root, "rev-parse", "HEAD")
    changes = _git(root, "status", "--porcelain", "--", *_CODE)
    return (commit or "").strip(), bool(changes)


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide numbers; absent ones are left out."""
    installed = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return installed


def device_text(device: torch.device) -> str:
    """The processor in words: the GPU's name, or the CPU's with the number of threads used.

    ``TF32`` stands behind a GPU that may round float32 in convolutions.
    """
    if device.type == "cuda":
        rounding = ", TF32" if torch.backends.cudnn.allow_tf32 else ""
        return torch.cuda.get_device_name(device) + rounding
    if device.type != "cpu":
        return f"{device.type} on {_cpu_name()}"
    threads = torch.get_num_threads()
    return f"{_cpu_name()}, {threads} thread{'s' if threads > 1 else ''}"


def command_text(arguments: Sequence[str]) -> str:
    """A command line for committed files: paths outside the working directory by their last part.

    ``/home/me/bin/crosschroma score /data/out --root=../set`` becomes
    ``crosschroma score out --root=set``.
    """
    program, *rest = arguments
    name = "crosschroma" if program.endswith(("__main__.py", "cli.py")) else Path(program).name
    return shlex.join([name, *(_shortened(argument) for argument in rest)])


def portable_settings(experiment: Experiment) -> dict[str, Any]:
    """An experiment's plain settings for committed files.

    Without the data's folder and with the method's files by ``command_text``'s rule: where they lie
    differs between machines.
    """
    plain = to_plain(replace(experiment, data=experiment.data.rootless()))
    return {**plain, "method": _without_folders(plain["method"])}


def _without_folders(plain: Any) -> Any:
    if isinstance(plain, dict):
        return {key: _without_folders(value) for key, value in plain.items()}
    if isinstance(plain, list):
        return [_without_folders(value) for value in plain]
    return _shortened(plain) if isinstance(plain, str) else plain


def _shortened(argument: str) -> str:
    option, equals, value = argument.partition("=") if argument[:1] == "-" else ("", "", argument)
    if not (os.path.isabs(value) or value.startswith(("~", "../"))):
        return argument
    path = Path(os.path.abspath(os.path.expanduser(value)))
    if path.is_relative_to(Path.cwd()):
        return option + equals + path.relative_to(Path.cwd()).as_posix()
    return option + equals + (path.name or value)


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _git(root: Path, *arguments: str) -> str | None:
    """Output of a git command, or None when git fails, is missing or hangs."""
    try:
        result = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            text=True,
            check=True,
            timeout=_GIT_TIMEOUT_S,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout
