"""A table without a format, and how it becomes Markdown, LaTeX and CSV."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

NOTHING = "–"
Record = dict[str, object]  # column -> value
_CODE = re.compile(r"(?<!`)(`[^`]+`)(?!`)")
_MARKUP = re.compile(r"[\\`*~\[\]]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)")
_FORMULA = ("=", "+", "-", "@")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?")
_BLOCK = re.compile(r"^(\d*)([#>+.)=-])(?=\s|[#>=-]|$)")


@dataclass(frozen=True)
class Cell:
    """A text; ``notes`` are numbers of the grid's notes, ``runs`` names of run files to link."""

    text: str = NOTHING
    bold: bool = False
    notes: tuple[int, ...] = ()
    runs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Column:
    """A column head, under a common head ``group`` with its neighbours."""

    head: str
    group: str = ""
    numeric: bool = False


@dataclass(frozen=True, kw_only=True)
class Grid:
    """One table: rows that may be compared.

    Attributes:
        heading: what the rows are.
        lines: paragraphs above the table; backquotes mark code.
        notes: texts below the table, numbered from 1.
        details: lines that Markdown folds away and LaTeX leaves out.
        brief: whether README shows it, too.
    """

    heading: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    lines: Sequence[str] = ()
    notes: Sequence[str] = ()
    details: Sequence[str] = ()
    brief: bool = True


@dataclass
class Notes:
    """Numbered texts below a table; the same text has one number."""

    texts: list[str] = field(default_factory=list)

    def number(self, *texts: str) -> tuple[int, ...]:
        """Numbers of the texts that are not empty."""
        numbers = []
        for text in filter(None, (" ".join(text.split()) for text in texts)):
            if text not in self.texts:
                self.texts.append(text)
            numbers.append(self.texts.index(text) + 1)
        return tuple(numbers)


@dataclass(frozen=True)
class Document:
    """All tables of one test set, under one title.

    Attributes:
        name: of its files.
        title: what was tested.
        lines: paragraphs that hold for all grids.
        grids: what Markdown and LaTeX print.
        page: name of the files that hold all of it, if not ``name``.
        records: what the CSV files hold, by what follows the name in theirs.
    """

    name: str
    title: str
    lines: Sequence[str]
    grids: Sequence[Grid]
    page: str = ""
    records: Mapping[str, Sequence[Record]] = field(default_factory=dict)


def markdown(document: Document, *, runs_at: str, level: int) -> str:
    """GitHub-flavoured Markdown.

    Args:
        document: what to print.
        runs_at: relative link from the text's place to the folder of the run files.
        level: of the title's heading; 0 prints bold lines, for use inside another text.
    """
    parts = [_heading(document.title, level), *map(_paragraph, document.lines)]
    for grid in document.grids:
        parts += [_heading(grid.heading, level and level + 1), *map(_paragraph, grid.lines)]
        parts.append(_markdown_table(grid, runs_at))
        if grid.notes:
            notes = enumerate(grid.notes, 1)
            parts.append("\n".join(f"{number}. {_paragraph(note)}" for number, note in notes))
        if grid.details:
            listed = "\n".join(f"- {_paragraph(line)}" for line in grid.details)
            summary = "<summary>How pixels became numbers</summary>"
            parts.append(f"<details>{summary}\n\n{listed}\n\n</details>")
    return "\n\n".join(parts) + "\n"


def _heading(text: str, level: int) -> str:
    return f"{'#' * level} {_paragraph(text)}" if level else f"**{_paragraph(text)}**"


def _markdown_table(grid: Grid, runs_at: str) -> str:
    heads = [
        _entry(column.head) + (f"<br>{_entry(column.group)}" if column.group else "")
        for column in grid.columns
    ]
    rules = ["---:" if column.numeric else "---" for column in grid.columns]
    body = [[_markdown_cell(cell, runs_at) for cell in row] for row in grid.rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in [heads, rules, *body])


def _entry(text: str) -> str:
    return escape_markdown(text).replace("|", "\\|")


def _markdown_cell(cell: Cell, runs_at: str) -> str:
    text = _entry(cell.text)
    links = [f"{runs_at}/{quote(run)}.json" for run in cell.runs]
    if len(links) == 1:
        text = f"[{text}]({links[0]})"
    elif links:
        text += f" ({', '.join(f'[{n}]({link})' for n, link in enumerate(links, 1))})"
    if cell.bold:
        text = f"**{text}**"
    return text + "".join(f"<sup>{number}</sup>" for number in cell.notes)


def _paragraph(text: str) -> str:
    """A text that begins a line: no heading, list or quotation either."""
    return _BLOCK.sub(r"\1\\\2", escape_markdown(text))


def escape_markdown(text: str) -> str:
    """Text as Markdown that renders as it stands: no markup, links, pictures, HTML or entities.

    What stands between two single backquotes is code; white space becomes one space, so that no
    text begins a line.
    """
    parts = _CODE.split(" ".join(text.split()))
    parts[::2] = [_MARKUP.sub(r"\\\g<0>", part).replace("<", "&lt;") for part in parts[::2]]
    return "".join(parts)


def latex(document: Document) -> str:
    """One ``table`` environment a grid, to be used by ``\\input``; needs ``booktabs``."""
    head = "% Written by `crosschroma table`, do not edit. Needs \\usepackage{booktabs}.\n"
    tables = [
        _latex_table(document, grid, f"tab:{document.name}-{number}")
        for number, grid in enumerate(document.grids, 1)
    ]
    return head + "\n".join(tables)


def _latex_table(document: Document, grid: Grid, label: str) -> str:
    alignment = "".join("r" if column.numeric else "l" for column in grid.columns)
    heads = " & ".join(escape_latex(column.head) for column in grid.columns)
    body = [" & ".join(_latex_cell(cell) for cell in row) + r" \\" for row in grid.rows]
    notes = [rf"\par\textsuperscript{{{n}}} {escape_latex(t)}" for n, t in enumerate(grid.notes, 1)]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering\small\setlength{\tabcolsep}{3pt}",
            rf"\caption{{{escape_latex(document.title)}. {escape_latex(grid.heading)}.}}",
            rf"\label{{{label}}}",
            rf"\begin{{tabular}}{{{alignment}}}",
            r"\toprule",
            *_latex_groups(grid.columns),
            heads + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            *notes,
            *(rf"\par {escape_latex(line)}" for line in (*document.lines, *grid.lines)),
            r"\end{table}",
            "",
        ]
    )


def _latex_groups(columns: Sequence[Column]) -> list[str]:
    """The line of common heads and the rules under them; nothing where no column has one."""
    if not any(column.group for column in columns):
        return []
    cells, rules, start = [], [], 1
    for group, members in itertools.groupby(columns, key=lambda column: column.group):
        end = start + len(list(members)) - 1
        width = end - start + 1
        if group:
            cells.append(rf"\multicolumn{{{width}}}{{c}}{{{escape_latex(group)}}}")
            rules.append(rf"\cmidrule(lr){{{start}-{end}}}")
        else:
            cells.append(" & " * (width - 1))
        start = end + 1
    return [" & ".join(cells) + r" \\", " ".join(rules)]


def _latex_cell(cell: Cell) -> str:
    text = escape_latex(cell.text)
    if cell.bold:
        text = rf"\textbf{{{text}}}"
    if cell.notes:
        text += rf"\textsuperscript{{{','.join(map(str, cell.notes))}}}"
    return text


_LATEX = str.maketrans(
    {
        **{char: f"\\{char}" for char in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "|": r"\textbar{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "`": "",
        "↑": r"$\uparrow$",
        "↓": r"$\downarrow$",
        "±": r"$\pm$",
        "−": "$-$",
        "–": "--",
        "×": r"$\times$",
        "Δ": r"$\Delta$",
        "°": r"$^\circ$",
    }
)


def escape_latex(text: str) -> str:
    """Plain text as LaTeX on one line; backquotes, which mark code in our texts, are dropped."""
    return " ".join(text.split()).translate(_LATEX)


def csv_text(records: Sequence[Record]) -> str:
    """One line a record."""
    out = io.StringIO()
    heads = dict.fromkeys(head for record in records for head in record)
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(map(escape_csv, heads))
    writer.writerows([escape_csv(record.get(head)) for head in heads] for record in records)
    return out.getvalue()


def escape_csv(value: object) -> object:
    """A cell on one line that no spreadsheet takes for a formula; numbers stay numbers."""
    if not isinstance(value, str):
        return value
    text = " ".join(value.split())
    return f"'{text}" if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text) else text
