"""Run crosschroma from a checkout, where nothing can be installed from the network.

    python3 -P experiments/benchmarks/bare_machine.py [--wheels DIR] COMMAND ...

Needs Python 3.11, torch and what else the folder of wheels lacks; imports nothing of the project.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def make_importable(folder: Path, wheels: Path | None = None) -> dict[str, str]:
    """Let ``crosschroma`` be imported from the checkout, and the wheels' packages from a folder.

    The package is a link to ``experiments/package``, which leads to the other folders: no
    installation, and no setuptools. Packages that Python has already keep their version.

    Args:
        folder: where links and packages go.
        wheels: folder of wheels; those for another Python or system are refused by pip.

    Returns:
        Variables for the environment of the processes that are to import it, and to do without
        the network: a library that tries to reach it anyway takes most of a minute.

    Raises:
        subprocess.CalledProcessError: pip failed; its text has been printed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / "crosschroma"
    if not link.is_symlink():
        link.symlink_to(CHECKOUT / "experiments" / "package", target_is_directory=True)
    files = [file for file in sorted(wheels.glob("*.whl")) if not _at_hand(file)] if wheels else []
    packages = folder / "packages"
    if files:
        words = ["install", "--quiet", "--no-index", "--no-deps", "--upgrade", "--target"]
        subprocess.run(
            [sys.executable, "-m", "pip", *words, str(packages), *map(str, files)], check=True
        )
    inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    paths = [str(folder), *filter(None, inherited), str(packages)]
    offline = os.environ.get("HF_HUB_OFFLINE", "1")
    return {"PYTHONPATH": os.pathsep.join(paths), "HF_HUB_OFFLINE": offline}


def _at_hand(wheel: Path) -> bool:
    try:
        metadata.version(wheel.name.partition("-")[0])
    except metadata.PackageNotFoundError:
        return False
    return True


def main() -> int:
    """Make it importable in a folder that lasts as long as the command, and run the command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--wheels", type=Path, help="folder of wheels, see `make gpu-wheels`")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="of crosschroma")
    options = parser.parse_args()
    if options.wheels is not None and not options.wheels.is_dir():
        parser.error(f"no folder of wheels {options.wheels}; `make gpu-wheels` fills one")
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, **make_importable(Path(folder), options.wheels)}
        words = [sys.executable, "-m", "crosschroma", *options.command]
        return subprocess.run(words, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
