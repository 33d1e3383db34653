"""Scores on the terminal, and the run file beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ....datasets.base.errors import UserError
from ...artifacts.run_file import RunFile, load_run_file
from ...experiment import Experiment
from ...settings import differences, from_plain, to_plain

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


def print_comparison(name: str, committed: RunFile | None, new: RunFile) -> None:
    """Print a row's means over all images, the committed row's beside them, and the difference."""
    before = {} if committed is None else committed.summary["all"]
    after = new.summary["all"]
    table = Table("metric", "committed", "new", "new - committed", title=f"{name}, test images")
    for metric in SHOWN:
        one, other = before.get(metric), after.get(metric)
        if one is not None or other is not None:
            table.add_row(metric, _text(one), _text(other), _difference(one, other))
    Console(width=None if Console().is_terminal else 160).print(table)
    for text in _reservations(name, committed, new):
        print(text)


def _reservations(name: str, committed: RunFile | None, new: RunFile) -> list[str]:
    """What a reader must know of the difference between two rows."""
    if new.status != "ok":
        return [f"{name}: {new.status}: {new.note}"]
    if committed is None:
        return [f"{name}: no committed row to compare with"]
    texts = []
    if committed.split.get("sha256") != new.split.get("sha256"):
        texts.append(f"{name}: the committed row is of other test images")
    views = (committed.metric_protocol.get("view"), new.metric_protocol.get("view"))
    if views[0] != views[1]:
        texts.append(f"{name}: the committed row is of pictures {views[0]}, not {views[1]}")
    # settings that came later than the committed row have their defaults
    before = to_plain(from_plain(dict(committed.config), Experiment))
    if names := differences(_without_folders(before), _without_folders(new.config)):
        texts.append(f"{name}: settings that differ from the committed row's: {', '.join(names)}")
    return texts


def _without_folders(plain: Any) -> Any:
    """Plain settings with files and runs named alone: they may lie in other folders."""
    if isinstance(plain, Mapping):
        return {name: _without_folders(value) for name, value in plain.items()}
    if isinstance(plain, list):
        return [_without_folders(value) for value in plain]
    return Path(plain).name if isinstance(plain, str) and "/" in plain else plain


def _refuse_another(path: Path, run: RunFile) -> None:
    """A file is overwritten by the same recipe and seed on the same test list alone."""
    if not path.exists():
        return
    present, new = (
        f"{of.recipe or of.method}, seed {of.seed}, {of.protocol}, {of.split.get('name')}"
        for of in (load_run_file(path), run)
    )
    if present != new:
        raise UserError(f"{path} holds {present}, not {new}; name another file, or delete it")


def _difference(one: float | None, other: float | None) -> str:
    if one is None or other is None:
        return "n/a"
    return f"{other - one:+.{min(_digits(one), _digits(other))}f}"


def _text(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.{_digits(value)}f}"


def _digits(value: float) -> int:
    return 2 if abs(value) >= 10 else 3
