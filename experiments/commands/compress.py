"""``crosschroma compress``."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True, kw_only=True)
class CompressArguments:
    """Smaller forms of a trained method beside it in one table: size, work, time, quality.

    Pruned networks can learn again from the one that they were (--finetune); students are trained
    by recipes such as student_imagenet_sample. The folder gets every form's weights, table.json
    and table.md.

    Attributes:
        run: the teacher: a run's folder, a checkpoint, a file of ``ship``, or shipped weights.
        out: folder to write.
        students: runs of smaller methods that do the same.
        sparsity: shares of the weights to set to 0, a network each.
        channels: shares of the width to keep, a network each.
        int8: quantise the teacher and its students (needs crosschroma[export]).
        finetune: steps in which pruned networks learn from the teacher.
        batch_size: of these steps.
        calibration: pictures from which int8 takes its ranges, not of the test images.
        images: test images to score, spread evenly; 0 for all.
        size: side of the picture that is timed; default the evaluation's.
        threads: of torch and ONNX Runtime.
        repeats: how often each network is timed.
        root: the dataset's folder.
    """

    run: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("compressed")
    students: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="RUN...")] = ()
    sparsity: Annotated[tuple[float, ...], tyro.conf.arg(metavar="SHARE...")] = (0.5, 0.8)
    channels: Annotated[tuple[float, ...], tyro.conf.arg(metavar="SHARE...")] = (0.5,)
    int8: bool = True
    finetune: Annotated[int, tyro.conf.arg(metavar="STEPS")] = 0
    batch_size: int = 8
    calibration: int = 32
    images: int = 0
    size: Annotated[int | None, tyro.conf.arg(metavar="PIXELS")] = None
    threads: int = 1
    repeats: int = 9
    root: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None


def compress(argv: list[str]) -> int:
    """``crosschroma compress RUN``."""
    arguments = tyro.cli(CompressArguments, prog="crosschroma compress", args=argv)
    from ..deploy.compress import CompressOptions
    from ..deploy.compress import compress as compressed
    from ..deploy.compress_table import verdict

    names = [field.name for field in fields(CompressOptions)]
    options = CompressOptions(**{name: getattr(arguments, name) for name in names})
    result = compressed(arguments.run, arguments.out, options, arguments.root)
    print((arguments.out / "table.md").read_text())
    print(verdict(result))
    print(arguments.out / "table.json")
    return 0
