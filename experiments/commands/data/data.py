"""``crosschroma data TASK NAME``."""

from __future__ import annotations

import tyro

from ....datasets import audit, registry
from ....datasets.base.errors import unknown
from ..shared.usage import UsageError, usage
from .boxes import boxes
from .detail import detail
from .prior import prior
from .shard import shard

_TASKS = ("check", "audit", "detail", "prior", "boxes", "shard")
_DATA_HELP = """usage: crosschroma data TASK NAME [--root DIR] [more options]

check: what the dataset's folder holds, and what is missing or unreadable; --quick reads only
       the files' headers.
audit: images that two splits share, byte-identical or near-identical.
detail: whether fine detail of results agrees better with the truth than the NIR that was given;
       --pictures DIR ..., --runs RUN ....
prior: how often each ab bin occurs, for methods that weight rare colours up; --out FILE.
boxes: the objects in the images, by Mask R-CNN, for instance_aware; --out FILE.
shard: the photos as tar archives, which the dataset `shards` reads; --out DIR.

datasets: {names}
`crosschroma data check NAME --help` names the settings of one."""


def data(argv: list[str]) -> int:
    """``crosschroma data TASK NAME``; exit code 1 when ``check`` or ``audit`` find fault."""
    if len(argv) < 2 or argv[0].startswith("-") or argv[1].startswith("-"):
        return usage(_DATA_HELP.format(names=", ".join(sorted(registry.ADAPTERS))), argv[-1:])
    task, name, *rest = argv
    if task not in _TASKS:
        raise UsageError(unknown("data command", task, _TASKS))
    adapter = registry.dataset_class(name)
    tasks = {"detail": detail, "prior": prior, "boxes": boxes, "shard": shard}
    if task in tasks:
        return tasks[task](adapter, rest)
    quick = task == "check" and "--quick" in rest
    rest = [word for word in rest if word != "--quick" or not quick]
    options = tyro.cli(
        adapter,
        prog=f"crosschroma data {task} {name}",
        args=rest,
        config=(tyro.conf.OmitArgPrefixes,),
    )
    options.base()  # a missing folder is one error, not one for each split
    if task == "check":
        report = audit.check_dataset(options, quick=quick)
    else:
        report = audit.audit(options.audit_splits())
    print(report)
    return 0 if report.ok else 1
