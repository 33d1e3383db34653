"""Colorize gray and near-infrared pictures: ``Colorizer.load(NAME)(PICTURE)``.

``models``, ``datasets``, ``losses``, ``experiments`` and ``weights`` are folders below this name.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # there once this folder is installed as `crosschroma`
    from .experiments.inference.choice import (  # pyright: ignore[reportMissingImports]
        colorizer_for,
    )
    from .experiments.inference.colorizer import Colorizer  # pyright: ignore[reportMissingImports]

    __version__: str

__all__ = ["Colorizer", "__version__", "colorizer_for"]

_HERE = Path(__file__).resolve().parent
if _HERE.parts[-2:] == ("experiments", "package"):
    # `pip install -e`: the other folders are not below this one, but where the checkout has them
    __path__ += [str(_HERE.parents[1]), str(_HERE.parents[1] / "results")]


def __getattr__(name: str) -> Any:
    """Import what is asked for only then: torch takes seconds."""
    if name == "Colorizer":
        from .experiments.inference.colorizer import (  # pyright: ignore[reportMissingImports]
            Colorizer,
        )

        return Colorizer
    if name == "colorizer_for":
        from .experiments.inference.choice import (  # pyright: ignore[reportMissingImports]
            colorizer_for,
        )

        return colorizer_for
    if name == "__version__":
        from importlib.metadata import version

        return version("crosschroma")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
