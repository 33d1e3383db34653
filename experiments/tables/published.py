"""Numbers quoted from papers: ``results/published.json``, read and checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...datasets.base.errors import UserError


@dataclass(frozen=True, kw_only=True)
class PublishedRow:
    """One method as a paper prints it.

    Attributes:
        metrics: metric -> the text as printed ("0.60", "22.82 ± 0.18"), so that no digit is lost.
        source, protocol, provenance: keys of ``QuotedTables``'s dictionaries of that name.
        params_M: parameters in millions, as printed.
        note: a caution about this row.
    """

    method: str
    metrics: Mapping[str, str]
    source: str
    protocol: str
    provenance: str
    year: int | None = None
    params_M: str = ""  # noqa: N815 (mega, not milli)
    note: str = ""


@dataclass(frozen=True)
class PublishedTable:
    """The rows quoted for one test set; ``comparable`` says what they may be compared with."""

    title: str
    comparable: str
    rows: tuple[PublishedRow, ...]


@dataclass(frozen=True)
class QuotedTables:
    """All quoted tables by name, and the texts behind the keys in their rows."""

    provenance: Mapping[str, str]
    sources: Mapping[str, str]
    protocols: Mapping[str, str]
    tables: Mapping[str, PublishedTable]


def load_published(path: Path) -> QuotedTables:
    """Read the quoted numbers; none when there is no such file.

    Raises:
        UserError: naming the file and the row, when it is not JSON or a row lacks its source,
            protocol or provenance.
    """
    if not path.exists():
        return QuotedTables({}, {}, {}, {})
    try:
        data = json.loads(path.read_text())
        tables = {name: _table(table) for name, table in data["tables"].items()}
        published = QuotedTables(data["provenance"], data["sources"], data["protocols"], tables)
    except (ValueError, TypeError, KeyError, AttributeError, OSError) as error:
        raise UserError(
            f"{path} does not hold published tables: {error!r}; mend it, or restore it with git"
        ) from error
    for name, table in tables.items():
        for row in table.rows:
            _check(path, name, row, published)
    return published


def _table(data: Mapping[str, Any]) -> PublishedTable:
    rows = tuple(PublishedRow(**row) for row in data["rows"])
    return PublishedTable(data["title"], data["comparable"], rows)


def _check(path: Path, table: str, row: PublishedRow, published: QuotedTables) -> None:
    known = (
        ("source", row.source, published.sources),
        ("protocol", row.protocol, published.protocols),
        ("provenance", row.provenance, published.provenance),
    )
    for what, key, texts in known:
        if key not in texts:
            raise UserError(
                f"{path}: table {table}, row '{row.method}': {what} '{key}' is not described "
                f"(known: {', '.join(sorted(texts))})"
            )
