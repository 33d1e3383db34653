"""Hints of a picture as a JSON file: colours at points, and how the picture was made with them.

A list of points is enough:

    [{"x": 120, "y": 64, "rgb": [180, 60, 40], "size": 5}, {"x": 10, "y": 200, "a": -20, "b": 35}]

``x`` and ``y`` are pixels of the picture; the colour is ``rgb`` (8-bit sRGB, whose luminance does
not count) or CIE ``a`` and ``b``; ``size`` (1 to 9, default 5) is the side of the coloured square
in pixels of the picture as the network sees it.

``crosschroma ui`` saves an object that holds such a list as ``points``, and beside it all else that
the result depends on; see ``Hints``.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, TypedDict

import numpy as np

from ...datasets.base.bounds import Count, Strength
from ...datasets.base.color import lab_from_uint8
from ...datasets.base.errors import DataError, UserError, unknown
from ...datasets.base.json_file import read_json
from ...datasets.base.typed_values import Bound, checked, shown
from ...datasets.loading.decode import read_size
from ...models.base.hub_weights import is_hub_address
from ...models.color.hint_points import HintPoint
from .color_network import Origin
from .colorizer import Colorizer
from .exported_file import ONNX, TORCHSCRIPT
from .palette import Palette

_HASH = 64  # digits of a SHA-256
_CHANGED = (
    "whose weights are not those that the hints were saved with, so the picture would differ; name "
    "the run (--run) to colour with it all the same"
)
_Level = Annotated[int, Bound(least=0, most=255)]
_KEYS = {field.name for field in fields(HintPoint)} | {"rgb"}


@dataclass(frozen=True, kw_only=True)
class Hints:
    """What a hints file says; ``None`` where it says nothing.

    Attributes:
        points: colours at points of the picture.
        palette: colours that the whole picture is to take after.
        strength: of the colours; see ``Colorizer``.
        picture: width and height of the picture.
        name: of the picture's file, for people.
        method: what coloured it.
    """

    points: tuple[HintPoint, ...] = ()
    palette: Palette | None = None
    strength: float | None = None
    picture: tuple[int, int] | None = None
    name: str = ""
    method: Origin | None = None

    def check_picture(self, path: Path) -> None:
        """Refuse hints of a picture of another size.

        Raises:
            DataError: they are, or the picture cannot be read.
        """
        height, width = read_size(path)
        if self.picture not in (None, (width, height)):
            raise DataError(
                f"{path} is {width} wide and {height} high, and the hints were saved for a picture "
                f"of {self.picture[0]} and {self.picture[1]}"
                f"{f' ({self.name})' if self.name else ''}; give that one"
            )

    def colorizer(
        self, which: str, device: str, output: str | None = None, size: int | None = None
    ) -> Colorizer:
        """The method that the hints were saved with; arguments as ``Colorizer.load``'s.

        Hints come from other people: the method is that of shipped weights, or of a file that has
        the hash which the hints state, and never a program.

        Raises:
            UserError: the hints name no method, TorchScript, an address on the Hub, weights that
                are not there, or ones with another hash.
        """
        method = self.method
        if method is None:
            raise UserError("the hints name no method; name one (--run)")
        where = f"the hints name {method.run}"
        path = Path(method.run)
        if path.suffix == TORCHSCRIPT:
            raise UserError(
                f"{where}, TorchScript, which is a program: hints never start one; where you trust "
                "its maker, name it yourself (--run FILE --trust-torchscript)"
            )
        if is_hub_address(method.run):
            raise UserError(f"{where}, and hints download nothing; name it yourself (--run)")
        if path.suffix == ONNX and not _holds(path, method.weights_sha256):
            raise UserError(f"{where}, {_CHANGED}")
        colorizer = Colorizer.load(
            method.run, which, device, output or method.output, size or method.size
        )
        origin = colorizer.origin
        if origin is None or method.weights_sha256 != origin.weights_sha256:
            raise UserError(f"{where}, {_CHANGED}")
        return colorizer


class _Point(TypedDict, total=False):
    x: float
    y: float
    a: float
    b: float
    rgb: tuple[_Level, _Level, _Level]
    size: int


class _Settings(TypedDict, total=False):
    strength: Strength
    picture: tuple[Count, Count]
    name: str
    method: Origin


def read_hints(path: Path) -> Hints:
    """The content of a hints file.

    Raises:
        DataError: no such file, not JSON, or a point that is none, by its number from 1.
    """
    return hints_from_plain(read_json(path, Any, "hints file"), str(path))


def hints_text(hints: Hints) -> str:
    """The text of a hints file, a point a line."""
    plain = {name: value for name, value in asdict(hints).items() if value not in (None, "")}
    points = ",\n".join(f"  {json.dumps(point)}" for point in plain.pop("points"))
    rest = "".join(f',\n "{name}": {json.dumps(value)}' for name, value in plain.items())
    return f'{{\n "points": [\n{points}\n ]{rest}\n}}\n'


def hints_from_plain(data: Any, where: str) -> Hints:
    """Hints from decoded JSON.

    Args:
        data: see the module.
        where: what holds it, for error texts.

    Raises:
        DataError: as ``read_hints``.
    """
    if isinstance(data, list):
        data = {"points": data}
    if not isinstance(data, dict) or not isinstance(data.get("points"), list):
        raise DataError(
            f'{where}: hints are a list of points [{{"x": .., "y": .., "rgb": [..]}}], or an '
            'object that holds one as "points"'
        )
    points = []
    for number, entry in enumerate(data["points"], 1):
        try:
            points.append(_point(entry))
        except UserError as error:
            raise DataError(f"{where}: point {number}: {error}") from error
    try:
        return Hints(points=tuple(points), **_settings(data))
    except (UserError, TypeError, ValueError) as error:
        raise DataError(f"{where}: {error}") from error


def _settings(data: dict[str, Any]) -> dict[str, Any]:
    """All of ``Hints`` but the points."""
    known = [field.name for field in fields(Hints)]
    if surplus := sorted(map(str, data.keys() - set(known))):
        raise DataError(unknown("key", surplus[0], known))
    settings = {key: data[key] for key in known[1:] if data.get(key) is not None}
    if "palette" in settings:
        settings["palette"] = Palette.from_plain(settings["palette"])
    rest = {key: value for key, value in settings.items() if key != "palette"}
    return settings | checked(rest, _Settings, plain=True)


def _holds(path: Path, sha256: str) -> bool:
    """Whether an exported file says that its weights have this hash; it is not loaded."""
    try:
        return len(sha256) == _HASH and sha256.encode() in path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error


def _point(entry: Any) -> HintPoint:
    if not isinstance(entry, dict):
        raise DataError(f'{shown(entry)} is no object {{"x": .., "y": .., "rgb": [..]}}')
    if surplus := sorted(entry.keys() - _KEYS):
        raise DataError(unknown("key", surplus[0], _KEYS))
    values = dict(checked(entry, _Point, plain=True))
    if "rgb" in values:
        if values.keys() & {"a", "b"}:
            raise DataError("both rgb and a, b; give one of them")
        values["a"], values["b"] = _ab_of(values.pop("rgb"))
    missing = [name for name in ("x", "y", "a", "b") if name not in values]
    if missing:
        raise DataError(f"no {', '.join(missing)}; a point has x, y and either rgb or a and b")
    return HintPoint(**values)


def _ab_of(rgb: tuple[int, int, int]) -> tuple[float, float]:
    _, a, b = lab_from_uint8(np.array(rgb, np.uint8).reshape(1, 1, 3)).ravel().tolist()
    return a, b
