"""The run file: one JSON per evaluated method, the only source of the numbers in our tables."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypedDict

from ...datasets.base.atomic_write import write_text_atomic
from ...datasets.base.bounds import Natural
from ...datasets.base.errors import UserError
from ...datasets.base.json_file import from_json, read_json

Kind = Literal["ours", "peer", "baseline"]
Status = Literal["ok", "failed", "diverged"]
Summary = dict[str, dict[str, float | None]]
Value = str | float | None
_SCHEMA = 1


class _Versioned(TypedDict):
    schema: int


class _Part(TypedDict, total=False):
    part: str


class TestList(_Part):
    """The test images of a row."""

    name: str
    sha256: str
    images: int


class _Schedule(TypedDict, total=False):
    steps: int
    batch_size: int


class PlainExperiment(TypedDict, total=False):
    """An experiment as plain data: what tables take from it, and more; ``{}`` for peers."""

    training: _Schedule
    train_view: dict[str, Any]


class ScoredWeights(TypedDict, total=False):
    """The weights that were scored; ``{}`` for peers."""

    file: str
    step: int | None
    sha256: str


class PictureCost(TypedDict, total=False):
    """What colouring one picture costs; see ``cost.Cost``."""

    size: str
    macs: int
    ms: float


@dataclass(frozen=True, kw_only=True)
class RunFile:
    """One row of the results, with everything that is needed to trust or to repeat it.

    Attributes:
        kind: ``ours`` (trained by this project), ``peer`` (pictures that others published) or
            ``baseline`` (no training beyond a look-up table).
        method: name of the method; ``recipe`` the recipe that made it (empty for peers).
        domain: what the method is given: ``nir``, ``gray``, ``both``, or ``nir_and_mean``: the NIR
            picture and the mean colour of the true one.
        dataset: name of the test dataset; ``protocol`` the split protocol; ``split`` its test
            list as {"name", "sha256", "images"}. Scores on validation images say in ``part`` which
            those are ("fold 0 of 5"): they have tables of their own.
        train_data: what the method was trained on, in words.
        metric_protocol: name -> text; how pixels became numbers (resize, rounding to 8 bits, SSIM
            window, LPIPS backbone). Rows of different metric protocols share no table.
        parameters: trainable parameters of the networks used at inference.
        summary: {subset: {metric: mean}}; the subset ``all`` is always there. A metric that could
            not be computed is ``None``, and ``unavailable`` tells why: {metric: reason}.
        rows: per image {"key": ..., metric: value, ...}.
        config: the experiment as plain data; ``config_sha256`` over its canonical JSON.
        steps: optimisation steps of the whole run.
        weights: the weights that were scored: {"file", "step", "sha256"}.
        trained: for each start of the training run the commit, machine and command.
        commit, dirty: the code that evaluated; ``dirty`` also where training code was.
        wall_s: seconds that training (0 for peers) and evaluation took: {"train", "evaluate"}.
        cost: of colouring one picture: {"size", "macs", "ms"}, see ``cost.Cost``; empty where it
            was not measured.
        note: anything a reader of the row must know.
    """

    kind: Kind
    method: str
    domain: Literal["nir", "gray", "both", "nir_and_mean"]
    dataset: str
    protocol: str
    split: TestList
    train_data: str
    metric_protocol: Mapping[str, str]
    summary: Summary
    rows: list[dict[str, Value]]
    recipe: str = ""
    status: Status = "ok"
    parameters: int | None = None
    unavailable: Mapping[str, str] = field(default_factory=dict)
    config: PlainExperiment = field(default_factory=PlainExperiment)
    config_sha256: str = ""
    seed: Natural | None = None
    steps: int | None = None
    weights: ScoredWeights = field(default_factory=ScoredWeights)
    trained: Sequence[dict[str, Any]] = field(default_factory=list)
    commit: str = ""
    dirty: bool = False
    versions: Mapping[str, str] = field(default_factory=dict)
    device: str = ""
    command: str = ""
    created: str = ""
    wall_s: Mapping[str, float] = field(default_factory=dict)
    cost: PictureCost = field(default_factory=PictureCost)
    note: str = ""
    schema: int = _SCHEMA

    def save(self, path: Path) -> None:
        """Write as JSON, one per-image row a line; atomic."""
        data = dataclasses.asdict(self)
        rows = data.pop("rows")
        head = json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False)
        body = ",\n".join("  " + json.dumps(row, ensure_ascii=False) for row in rows)
        closing = f"[\n{body}\n ]" if rows else "[]"
        write_text_atomic(path, f'{head[:-2]},\n "rows": {closing}\n}}\n')


def load_run_file(path: Path) -> RunFile:
    """Read one run file.

    Raises:
        UserError: when the file is not JSON, has another schema, lacks or adds a field, or holds
            another kind of value, by its key.
    """
    remedy = "write it again, or delete it"
    data: _Versioned = read_json(path, _Versioned, "run file", remedy)
    if data["schema"] != _SCHEMA:
        raise UserError(f"{path}: schema {data['schema']}; this version reads schema {_SCHEMA}")
    return from_json(data, RunFile, str(path), "run file", remedy)


def load_run_files(folder: Path) -> dict[str, RunFile]:
    """Every run file of a folder by file name, sorted."""
    return {path.stem: load_run_file(path) for path in sorted(folder.glob("*.json"))}


def canonical_sha256(data: Any) -> str:
    """SHA-256 of plain data, independent of key order."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
