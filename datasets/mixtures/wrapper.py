"""A dataset around another one: what a mixture takes over from the dataset that it tests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

from ..base.adapter import Adapter, Source


@dataclass(frozen=True, kw_only=True)
class Wrapper(Adapter):
    """Name, planes, protocol, splits and folder are those of the dataset in field ``wrapped``.

    A subclass sets ``wrapped`` and defines ``split``.
    """

    wrapped: ClassVar[str]  # the field that holds the dataset

    @property
    def name(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """That of the wrapped dataset."""
        return self._inner.name

    @property
    def planes(self) -> frozenset[str]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Those of the wrapped dataset, which are all that a test image has."""
        return self._inner.planes

    @property
    def protocol(self) -> str:
        """That of the wrapped dataset."""
        return self._inner.protocol

    @property
    def protocols(self) -> Sequence[str]:
        """Those of the wrapped dataset."""
        return self._inner.protocols

    def with_protocol(self, name: str) -> Self:
        """The same with the wrapped dataset under another protocol."""
        return replace(self, **{self.wrapped: self._inner.with_protocol(name)})

    @property
    def train_data(self) -> str:
        """That of the wrapped dataset."""
        return self._inner.train_data

    @property
    def has_validation(self) -> bool:
        """Whether the wrapped dataset has validation images."""
        return self._rooted().has_validation

    @property
    def has_test(self) -> bool:
        """Whether the wrapped dataset has test images."""
        return self._rooted().has_test

    @property
    def validation_part(self) -> str:
        """That of the wrapped dataset."""
        return self._inner.validation_part

    def audit_splits(self) -> Mapping[str, Source]:
        """Those of the wrapped dataset."""
        return self._rooted().audit_splits()

    def subsets(self) -> Mapping[str, Sequence[str]]:
        """Those of the wrapped dataset."""
        return self._inner.subsets()

    def base(self) -> Path:
        """The wrapped dataset's folder, checked to exist."""
        return self._rooted().base()

    def rootless(self) -> Self:
        """Without the folders of both."""
        return replace(super().rootless(), **{self.wrapped: self._inner.rootless()})

    @property
    def _inner(self) -> Adapter:
        return getattr(self, self.wrapped)

    def _rooted(self) -> Adapter:
        """The wrapped dataset in this one's folder."""
        return replace(self._inner, root=self.root or self._inner.root)
