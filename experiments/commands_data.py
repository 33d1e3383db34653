"""``crosschroma data check|audit`` and ``crosschroma bench data``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import rich
import tyro

from ..datasets import audit, registry
from ..datasets.source import Adapter

_DATA_HELP = """usage: crosschroma data {{check,audit}} NAME [--root DIR] [the dataset's settings]

check: what the dataset's folder holds, and what is missing or unreadable.
audit: images that two splits share, byte-identical or near-identical.

datasets: {names}"""


def data(argv: list[str]) -> int:
    """``crosschroma data check|audit NAME``; the exit code is 1 when they find fault."""
    if len(argv) < 2 or argv[0] not in ("check", "audit"):
        print(_DATA_HELP.format(names=", ".join(sorted(registry.ADAPTERS))))
        return 0 if argv in (["-h"], ["--help"]) else 2
    task, name, *rest = argv
    adapter = registry.get(name)
    options = tyro.cli(
        adapter,
        prog=f"crosschroma data {task} {name}",
        args=rest,
        config=(tyro.conf.OmitArgPrefixes,),
    )
    report = audit.check(options) if task == "check" else audit.audit(options.audit_splits())
    print(report)
    return 0 if report.ok else 1


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
