"""Settings whose numbers have bounds: declared with the field, checked wherever they come from.

A field says its bound by its type, such as ``width: Width = 64``. ``Checked`` then checks it when
the object is built, by the command line, from a file or in Python.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar

from .errors import UserError
from .typed_values import Bound, MisfitError, checked, field_types

_MOST = 2**16  # of what memory grows with: a slip of the finger beyond is refused, not tried

Count = Annotated[int, Bound(least=1)]
Natural = Annotated[int, Bound(least=0)]
Seed = Annotated[int, Bound(least=0, most=2**32 - 1)]  # what NumPy's and torch's have in common
Width = Annotated[int, Bound(least=1, most=_MOST)]  # channels, heads, layers
Side = Annotated[int, Bound(least=1, most=_MOST)]  # pixels
ViewSize = Annotated[int, Bound(least=0, most=_MOST)]  # of a view; 0 is the images' own
Levels = Annotated[int, Bound(least=1, most=12)]  # halvings
Share = Annotated[float, Bound(least=0, most=1)]
PositiveShare = Annotated[float, Bound(above=0, most=1)]
Dropout = Annotated[float, Bound(least=0, below=1)]
Decay = Annotated[float, Bound(least=0, below=1)]  # of running averages: moments, EMA
Positive = Annotated[float, Bound(above=0)]
NotNegative = Annotated[float, Bound(least=0)]  # weights of losses, weight decay
Strength = Annotated[float, Bound(least=0, most=3)]  # of colours: 0 is gray
WhiteLevel = Annotated[int, Bound(least=10, most=65535)]  # of 16 bits; up to 16: how many bits
AnyNumber = Annotated[float, Bound()]


class Checked:
    """Base of settings: every field is checked against its type and bound before all else.

    A subclass is a dataclass; its own ``__post_init__`` runs on checked values.

    Attributes:
        _prefix: of the options that set the fields, for error texts.
    """

    _prefix: ClassVar[str] = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own: Callable[[Any], None] | None = cls.__dict__.get("__post_init__")
        if own is not None:

            @functools.wraps(own)
            def check_and_go_on(self: Checked) -> None:
                self._check()
                own(self)

            cls.__post_init__ = check_and_go_on  # pyright: ignore[reportAttributeAccessIssue]

    def __post_init__(self) -> None:
        """Check the fields, where a subclass has no checks of its own."""
        self._check()

    def _check(self) -> None:
        fields = dataclasses.fields(self)  # pyright: ignore[reportArgumentType]
        values = {field.name: getattr(self, field.name) for field in fields if field.init}
        check_options(values, field_types(type(self)), self._prefix)


def check_options(values: Mapping[str, Any], hints: Mapping[str, Any], prefix: str = "") -> None:
    """Check values by name against their annotations.

    Args:
        values: those to check.
        hints: resolved annotations of at least these.
        prefix: of the options that set them, for the error.

    Raises:
        UserError: naming the option.
    """
    for name, value in values.items():
        try:
            checked(value, hints[name])
        except MisfitError as fault:
            option = f"--{prefix}{name.replace('_', '-')}"
            numbered = (f"value {at + 1}" if isinstance(at, int) else at for at in fault.place)
            place = ", ".join([option, *numbered])
            raise UserError(f"{place}{':' * bool(fault.place)} {fault.text}") from fault
