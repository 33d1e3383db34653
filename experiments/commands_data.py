"""``crosschroma data check|audit`` and ``crosschroma bench data``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import rich
import tyro

from ..datasets import audit, registry
from ..datasets.source import Adapter


@dataclass(frozen=True, kw_only=True)
class CheckOptions:
    """Report what a dataset's folder holds, and what is missing or unreadable.

    Attributes:
        name: the dataset.
        root: its folder; default $CROSSCHROMA_DATA/<its usual name>.
    """

    name: tyro.conf.Positional[str]
    root: Path | None = None


@dataclass(frozen=True, kw_only=True)
class AuditOptions:
    """Find images that two splits of a dataset share, byte-identical or near-identical.

    Attributes:
        name: the dataset.
        root: its folder; default $CROSSCHROMA_DATA/<its usual name>.
    """

    name: tyro.conf.Positional[str]
    root: Path | None = None


DataCommand = (
    Annotated[CheckOptions, tyro.conf.subcommand("check", prefix_name=False)]
    | Annotated[AuditOptions, tyro.conf.subcommand("audit", prefix_name=False)]
)


def data(argv: list[str]) -> int:
    """``crosschroma data check|audit NAME``; the exit code is 1 when they find fault."""
    options = tyro.cli(DataCommand, prog="crosschroma data", args=argv)
    adapter = adapter_at(options.name, options.root)
    if isinstance(options, CheckOptions):
        checked = audit.check(adapter)
        print(checked)
        return 0 if checked.ok else 1
    audited = audit.audit(adapter.audit_splits())
    print(audited)
    return 0 if audited.ok else 1


def adapter_at(name: str, root: Path | None) -> Adapter:
    """The dataset of that name with its defaults, in a folder."""
    return replace(registry.get(name)(), root=root)


@dataclass(frozen=True, kw_only=True)
class BenchDataOptions:
    """Loading (decode, resize, Lab, tensor) against PIL + scikit-image, side by side in one run.

    Attributes:
        out: JSON file to write.
    """

    out: Path = Path("results/benchmarks/data.json")


def bench(argv: list[str]) -> int:
    """``crosschroma bench data``."""
    from . import benchmark

    options = tyro.cli(
        Annotated[BenchDataOptions, tyro.conf.subcommand("data", prefix_name=False)],
        prog="crosschroma bench",
        args=argv,
    )
    rich.print(benchmark.bench_data(options.out))
    return 0
