"""Scores on the terminal, and the run file beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ...datasets.base.errors import UserError
from ..artifacts.run_file import RunFile, load

SHOWN = ("PSNR", "SSIM", "SSIM7", "AE", "LPIPS-alex", "MAE", "ACC", "ab_std_ratio", "CF")


def print_scores(
    title: str,
    of: str,
    scores: Mapping[str, Mapping[str, float | None]],
    metrics: Sequence[str] = SHOWN,
) -> None:
    """Print {row: {metric: value}} as a table; ``of`` says what a row is."""
    names = [name for name in metrics if any(name in values for values in scores.values())]
    shown = Table(of, *names, title=title)
    for row, values in scores.items():
        shown.add_row(row, *(_text(values.get(name)) for name in names))
    Console(width=None if Console().is_terminal else 160).print(shown)


def report_scores(run: RunFile, json: Path | None, metrics: Sequence[str] = ()) -> None:
    """Print a run's summary, a line a subset; write the run file where asked."""
    part = run.split.get("part")
    title = f"{run.method} on {run.dataset} ({run.protocol}{f', {part}' if part else ''})"
    print_scores(title, "subset", run.summary, metrics or SHOWN)
    for name, reason in run.unavailable.items():
        print(f"{name}: n/a, {reason}")
    if json is not None:
        _refuse_another(json, run)
        run.save(json)
        print(json)


def _refuse_another(path: Path, run: RunFile) -> None:
    """A file is overwritten by the same recipe and seed on the same test list alone."""
    if not path.exists():
        return
    have, want = (
        f"{of.recipe or of.method}, seed {of.seed}, {of.protocol}, {of.split.get('name')}"
        for of in (load(path), run)
    )
    if have != want:
        raise UserError(f"{path} holds {have}, not {want}; name another file, or delete it")


def _text(value: float | None) -> str:
    if value is None:
        return "n/a"
    return f"{value:.2f}" if abs(value) >= 10 else f"{value:.3f}"
