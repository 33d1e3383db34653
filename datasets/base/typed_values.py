"""Values checked against type annotations: of settings when they are built, of JSON when read."""

from __future__ import annotations

import dataclasses
import functools
import math
import reprlib
import types
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Literal

from .errors import UserError, unknown
from .outputs import Output

_LARGEST = 2**63  # whole numbers beyond are no counts, and do not fit torch's
_DEEPEST = 64  # levels of a value of any kind
_SHOWN = reprlib.Repr()
_SHOWN.maxstring = _SHOWN.maxother = 60


class MisfitError(UserError):
    """A value that is not what its annotation says.

    Args:
        place: names and list positions that lead to the value, outermost first.
        text: what is wrong with it.
        of_kind: whether it is another kind of value, rather than a wrong one of the right kind.
    """

    def __init__(self, place: Sequence[str | int], text: str, of_kind: bool = False) -> None:
        self.place, self.text, self.of_kind = tuple(place), text, of_kind
        names = "".join(f"[{at}]" if isinstance(at, int) else f".{at}" for at in self.place)
        super().__init__(f"{names.removeprefix('.')}: {text}" if names else text)


@dataclass(frozen=True)
class Bound:
    """What a number must be, as metadata of ``Annotated``; NaN and infinity never pass.

    ``Bound()`` says that every finite number has a meaning.

    Attributes:
        least: the smallest; ``above`` where that itself is too small.
        most: the largest; ``below`` where that itself is too large.
    """

    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None

    def admits(self, value: float) -> bool:
        """Whether a finite number is within."""
        return (
            (self.least is None or value >= self.least)
            and (self.most is None or value <= self.most)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        if self.least is not None and self.most is not None:
            return f"must be {self.least:g} to {self.most:g}"
        if self.least == 0 and self.below is None:
            return "must not be negative"
        if self.above == 0 and self.most is None and self.below is None:
            return "must be positive"
        limits = {"at least": self.least, "above": self.above}
        limits |= {"at most": self.most, "below": self.below}
        texts = [f"{word} {limit:g}" for word, limit in limits.items() if limit is not None]
        return f"must be {' and '.join(texts)}"


def checked(value: Any, hint: Any, plain: bool = False) -> Any:
    """The value, if it is what an annotation says.

    Args:
        value: of any kind.
        hint: the annotation, resolved; a number's ``Bound`` stands in its ``Annotated``.
        plain: the value is decoded JSON. Lists then become tuples, texts become paths, and objects
            become dataclasses where the annotation says so, and what is returned is all of these.

    Raises:
        MisfitError: it is not; the first fault, with its place.
    """
    try:
        return _checked(value, hint, plain)
    except RecursionError as error:
        raise MisfitError((), "is nested too deeply") from error


def shown(value: Any) -> str:
    """A value for an error text, shortened."""
    try:
        return _SHOWN.repr(value)
    except (ValueError, RecursionError):  # numbers of thousands of digits
        return f"a {type(value).__name__}"


@functools.cache
def field_types(cls: type) -> dict[str, Any]:
    """The resolved annotations of a class, ``Annotated`` left in."""
    return typing.get_type_hints(cls, include_extras=True)


def _checked(value: Any, hint: Any, plain: bool) -> Any:
    origin = typing.get_origin(hint)
    check = _OF_ORIGIN.get(origin)
    if check is not None:
        return check(value, hint, plain)
    if typing.is_typeddict(hint) or (plain and dataclasses.is_dataclass(hint)):
        return _named_values(value, hint, plain)
    if hint is Any:
        _check_depth(value)
        return value
    if isinstance(value, str | Path):
        _check_text(str(value), plain)
        if hint is Path and plain:
            return Path(value)
    if not _is_simply(value, origin or hint):
        raise _of_another_kind(value, hint)
    return value


def _bounded(value: Any, hint: Any, plain: bool) -> Any:
    """An ``Annotated``, whose ``Bound`` is for numbers and ``Output`` for paths."""
    base, *extras = typing.get_args(hint)
    value = _checked(value, base, plain)
    for extra in extras:
        if isinstance(extra, Bound) and value is not None and not extra.admits(value):
            raise MisfitError((), f"{shown(value)}: {extra}")
        fault = extra.fault(value) if isinstance(extra, Output) and value is not None else None
        if fault:
            raise MisfitError((), f"{value}: {fault}")
    return value


def _check_text(text: str, plain: bool) -> None:
    """Refuse what no file may be called, and of files also what no terminal prints."""
    surrogates = plain and not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text)
    if "\0" in text or surrogates:
        raise MisfitError((), f"{shown(text)}: holds characters that are no text")


def _check_depth(value: Any, depth: int = 0) -> None:
    """Refuse what recursion over the value could not follow."""
    if depth > _DEEPEST:
        raise MisfitError((), "is nested too deeply")
    if isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            _check_depth(part, depth + 1)


def _one_of(value: Any, hint: Any, plain: bool) -> Any:
    faults = []
    hints = typing.get_args(hint)
    for one in hints:
        try:
            return _checked(value, one, plain)
        except MisfitError as fault:
            faults.append(fault)
    # a fault of the right kind of value says more than the list of kinds
    right_kind = [fault for fault in faults if not fault.of_kind]
    raise right_kind[0] if right_kind else _of_another_kind(value, *hints)


def _of_another_kind(value: Any, *hints: Any) -> MisfitError:
    kinds = " or ".join(map(_describe, hints))
    return MisfitError((), f"{shown(value)}: must be {kinds}", of_kind=True)


def _literal(value: Any, hint: Any, plain: bool) -> Any:
    choices = typing.get_args(hint)
    if not any(type(value) is type(choice) and value == choice for choice in choices):
        raise _of_another_kind(value, hint)
    return value


def _tuple(value: Any, hint: Any, plain: bool) -> Any:
    parts = typing.get_args(hint)
    if not isinstance(value, list if plain else (list, tuple)):
        raise _of_another_kind(value, hint)
    if parts[-1] is not ...:
        if len(value) != len(parts):
            raise MisfitError((), f"{shown(value)}: must be a list of {len(parts)}")
    else:
        parts = [parts[0]] * len(value)
    return _as_given(
        value, tuple(_at(i, v, p, plain) for i, (v, p) in enumerate(zip(value, parts, strict=True)))
    )


def _list(value: Any, hint: Any, plain: bool) -> Any:
    (part,) = typing.get_args(hint)
    if not isinstance(value, list if plain else (list, tuple)):
        raise _of_another_kind(value, hint)
    if _surely(value, part):
        return value
    return _as_given(value, [_at(i, v, part, plain) for i, v in enumerate(value)])


def _mapping(value: Any, hint: Any, plain: bool) -> Any:
    key_type, part = typing.get_args(hint)
    if not isinstance(value, Mapping):
        raise _of_another_kind(value, hint)
    if _surely(value.keys(), key_type) and _surely(value.values(), part):
        return value
    for key in value:
        _checked(key, key_type, plain)
    converted = {key: _at(key, item, part, plain) for key, item in value.items()}
    return value if all(converted[key] is value[key] for key in value) else converted


def _surely(values: Collection[Any], hint: Any) -> bool:
    """Whether all values pass, without a look at each; ``False`` says nothing.

    Run files hold hundreds of thousands of numbers.
    """
    types_here = set(map(type, values))
    if typing.get_origin(hint) is dict and types_here == {dict}:
        of_keys, of_values = typing.get_args(hint)
        return _surely(set(chain.from_iterable(values)), of_keys) and _surely(
            list(chain.from_iterable(value.values() for value in values)), of_values
        )
    kinds = _plain_kinds(hint)
    if not kinds or not types_here <= kinds:
        return False
    if str in types_here:
        text = "".join([value for value in values if type(value) is str])
        if not text.isascii() or "\0" in text:
            return False
    numbers = [value for value in values if type(value) in (int, float)]
    try:
        return not numbers or (
            -_LARGEST < min(numbers) <= max(numbers) < _LARGEST and math.isfinite(sum(numbers))
        )
    except OverflowError:  # of a whole number beside NaN
        return False


@functools.cache
def _plain_kinds(hint: Any) -> frozenset[type]:
    """The types of values that an annotation without bounds admits; none where it says more."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        kinds = [_plain_kinds(part) for part in typing.get_args(hint)]
        return frozenset().union(*kinds) if all(kinds) else frozenset()
    if hint is float:
        return frozenset({float, int})
    return frozenset({hint}) if hint in (str, int, type(None)) else frozenset()


def _as_given(value: Any, converted: Any) -> Any:
    """The value itself where nothing became another: settings stay the objects that they are."""
    same = len(value) == len(converted) and all(map(lambda a, b: a is b, value, converted))
    return value if same and type(value) is type(converted) else converted


def _named_values(value: Any, cls: Any, plain: bool) -> Any:
    """An object as a dataclass, or as what a ``TypedDict`` says; the latter may hold more."""
    if not isinstance(value, dict):
        raise _of_another_kind(value, cls)
    hints = field_types(cls)
    if typing.is_typeddict(cls):
        required: Collection[str] = cls.__required_keys__
        known: Collection[str] = hints
    else:
        fields = [field for field in dataclasses.fields(cls) if field.init]
        known = [field.name for field in fields]
        required = [
            field.name
            for field in fields
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        ]
        if surplus := sorted(map(str, value.keys() - set(known))):
            raise MisfitError((), unknown("key", surplus[0], known))
    if missing := [name for name in required if name not in value]:
        raise MisfitError((), f"no {', '.join(sorted(missing))}")
    read = {name: _at(name, value[name], hints[name], plain) for name in known if name in value}
    if typing.is_typeddict(cls):
        return {**value, **read}
    try:
        return cls(**read)
    except MisfitError:
        raise
    except UserError as error:  # what the class itself checks
        raise MisfitError((), str(error)) from error


def _at(key: Any, value: Any, hint: Any, plain: bool) -> Any:
    """The part of a value at a key or position."""
    try:
        return _checked(value, hint, plain)
    except MisfitError as fault:
        place = key if isinstance(key, int) else str(key)
        raise MisfitError((place, *fault.place), fault.text) from fault.__cause__


def _is_simply(value: Any, kind: Any) -> bool:
    if kind in (int, float):
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if isinstance(value, int):
            return abs(value) < _LARGEST
        return kind is float and math.isfinite(value)
    return value is None if kind in (None, type(None)) else isinstance(value, kind)


_DESCRIPTIONS: dict[Any, str] = {
    int: "a whole number",
    float: "a finite number",
    str: "a text",
    bool: "true or false",
    type(None): "None",
    None: "None",
    Path: "a path",
}
_OF_ORIGIN: dict[Any, Callable[[Any, Any, bool], Any]] = {
    Annotated: _bounded,
    typing.Union: _one_of,
    types.UnionType: _one_of,
    Literal: _literal,
    tuple: _tuple,
    list: _list,
    Sequence: _list,
    dict: _mapping,
    Mapping: _mapping,
}


def _describe(hint: Any) -> str:
    origin = typing.get_origin(hint)
    if origin is Annotated:
        return _describe(typing.get_args(hint)[0])
    if origin is Literal:
        return f"one of {', '.join(map(str, typing.get_args(hint)))}"
    if origin in (tuple, list, Sequence):
        return "a list"
    if origin in (dict, Mapping) or typing.is_typeddict(hint):
        return "an object of names and values"
    return _DESCRIPTIONS.get(hint, f"a {getattr(hint, '__qualname__', hint)}")
