"""Numbers quoted from papers: ``results/published.json``, read and checked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict

from ...datasets.base.errors import UserError
from ...datasets.base.json_file import read_json
from ..metrics.printed import label, order
from .render import NOTHING, Cell, Column, Grid, Notes, Record


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


class _PublishedFile(TypedDict):
    provenance: dict[str, str]
    sources: dict[str, str]
    protocols: dict[str, str]
    tables: dict[str, PublishedTable]


def load_published(path: Path) -> QuotedTables:
    """Read the quoted numbers; none when there is no such file.

    Raises:
        UserError: naming the file and the row, when it is not JSON or a row lacks its source,
            protocol or provenance.
    """
    if not path.exists():
        return QuotedTables({}, {}, {}, {})
    remedy = "mend it, or restore it with git"
    data: _PublishedFile = read_json(path, _PublishedFile, "file of published tables", remedy)
    published = QuotedTables(data["provenance"], data["sources"], data["protocols"], data["tables"])
    for name, table in published.tables.items():
        if not table.rows:
            raise UserError(f"{path}: table {name} has no row; take it out, or add one")
        for row in table.rows:
            _check(path, name, row, published)
    return published


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


def published_grids(table: PublishedTable, published: QuotedTables) -> list[Grid]:
    """The quoted rows of a test set, one grid a protocol; the caution stands above the first."""
    by_protocol: dict[str, list[PublishedRow]] = defaultdict(list)
    for row in table.rows:
        by_protocol[row.protocol].append(row)
    grids = [_published_grid(rows, published) for rows in by_protocol.values()]
    grids[0] = replace(grids[0], lines=[table.comparable, *grids[0].lines])
    return grids


def _published_grid(rows: Sequence[PublishedRow], published: QuotedTables) -> Grid:
    protocol = rows[0].protocol
    metrics = sorted({name for row in rows for name in row.metrics}, key=order)
    notes = Notes()
    columns = [Column("method"), Column("year", numeric=True), Column("params (M)", numeric=True)]
    columns += [Column(label(name), numeric=True) for name in metrics]
    columns += [Column("source"), Column("protocol"), Column("read as")]
    cells = [
        [
            Cell(row.method, notes=notes.number(row.note)),
            Cell(str(row.year or NOTHING)),
            Cell(row.params_M or NOTHING),
            *(Cell(row.metrics.get(name, NOTHING)) for name in metrics),
            Cell(row.source),
            Cell(row.protocol),
            Cell(published.provenance[row.provenance].partition(":")[0]),
        ]
        for row in rows
    ]
    sources = dict.fromkeys(row.source for row in rows)
    tags = dict.fromkeys(row.provenance for row in rows)
    return Grid(
        heading=f"Published, protocol {protocol}",
        columns=columns,
        rows=cells,
        lines=[
            f"Protocol: {published.protocols[protocol]}.",
            "Sources: " + "; ".join(f"{key}: {published.sources[key]}" for key in sources) + ".",
            "Read as " + "; ".join(published.provenance[tag] for tag in tags) + ".",
        ],
        notes=notes.texts,
    )


def published_records(table: PublishedTable, name: str) -> list[Record]:
    """The quoted rows for the CSV of table ``name``, figures in columns of their own."""
    records = []
    for row in table.rows:
        record: Record = {
            "kind": "published",
            "method": row.method,
            "dataset": name,
            "protocol": row.protocol,
            "source": row.source,
            "note": row.note,
            "year": row.year,
            "provenance": row.provenance,
            "published params (M)": row.params_M,
        }
        records.append(record | {f"published {key}": text for key, text in row.metrics.items()})
    return records
