"""A trained method and smaller forms of it: students, pruned and quantised networks, one table."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, cast

import torch
import tyro

from ...datasets.base.adapter import Source
from ...datasets.base.atomic_write import write_atomic, write_text_atomic
from ...datasets.base.bounds import Checked, Count, Natural, PositiveShare, Share, Side
from ...datasets.base.errors import UserError
from ...datasets.base.outputs import FolderOutput
from ...datasets.files.folder import Subset, evenly_spaced
from ...datasets.loading.loader import Images
from ...models.base.generator import GeneratorMethod
from ...models.base.weights import NONE, load_strictly
from ...models.student import Student
from ..artifacts import weights_file
from ..artifacts.checkpoint import Trained, load_trained, weights_sha256
from ..artifacts.provenance import provenance
from ..evaluation.timing import machine, save_benchmark, torch_threads, versions
from ..experiment import Experiment, Hardware
from ..inference.fold_batchnorm import folded
from ..training.engine import fit
from .compress_measure import Form, exported_form, measure, torch_form
from .compress_table import Compression, table
from .export import about_of, inference_colors, to_onnx
from .prune import narrowed, sparsified, with_width
from .quantize import quantized

TEACHER = "teacher"


@dataclass(frozen=True, kw_only=True)
class CompressOptions(Checked):
    """How a method is made smaller, and on what it is measured.

    Attributes:
        students: runs of smaller methods that do the same, such as ``student``.
        sparsity: shares of the weights to set to 0, a network each.
        channels: shares of the width to keep, a network each.
        int8: quantise the teacher and its students (needs crosschroma[export]).
        finetune: steps in which pruned networks learn from the teacher; 0 for none.
        batch_size: of these steps.
        calibration: pictures from which int8 takes its ranges; not of the test images.
        count: test images to score, spread evenly; 0 for all.
        size: side of the picture that is timed; default the evaluation's.
        threads: of torch and ONNX Runtime.
        repeats: how often each network is timed; they take turns.
    """

    students: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="RUN...")] = ()
    sparsity: Annotated[tuple[Share, ...], tyro.conf.arg(metavar="SHARE...")] = (0.5, 0.8)
    channels: Annotated[tuple[PositiveShare, ...], tyro.conf.arg(metavar="SHARE...")] = (0.5,)
    int8: bool = True
    finetune: Annotated[Natural, tyro.conf.arg(metavar="STEPS")] = 0
    batch_size: Count = 8
    calibration: Count = 32
    count: Natural = 0
    size: Annotated[Side | None, tyro.conf.arg(metavar="PIXELS")] = None
    threads: Count = 1
    repeats: Count = 9


DEFAULTS = CompressOptions()


def compress(
    run: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")],
    out: Annotated[FolderOutput, tyro.conf.arg(metavar="DIR")] = Path("compressed"),
    options: Annotated[CompressOptions, tyro.conf.arg(name="")] = DEFAULTS,
    root: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None,
) -> Compression:
    """Smaller forms of a trained method beside it in one table: size, work, time, quality.

    Pruned networks can learn again from the one that they were (finetune); students are trained by
    recipes such as student_imagenet_sample. The folder gets every form (``<form>.safetensors`` for
    this package, ``<form>.onnx``), table.json and table.md. Fine-tuning runs lie in its ``runs``,
    and go on where they stopped.

    Args:
        run: the teacher: a run's folder, a checkpoint, a file of ``ship``, or shipped weights.
        out: folder to write.
        options: what is made, and on what it is measured.
        root: the dataset's folder; default the run's.

    Raises:
        UserError: a run that cannot be loaded or is not one generator, a student for another
            domain, or a network that cannot be pruned or exported; the text says why.
    """
    teacher = weights_file.load_any(run)
    if not isinstance(teacher.method, GeneratorMethod):
        raise UserError(f"{teacher.method.name} is not one generator; compress takes those only")
    data = replace(teacher.experiment.data, root=root or teacher.experiment.data.root)
    teacher = replace(teacher, experiment=replace(teacher.experiment, data=data))
    forms = list(_forms(teacher, _students(teacher, options), out, options))
    test = data.split("test")
    chosen = Subset(test, evenly_spaced(len(test), options.count or len(test)))
    view = teacher.experiment.eval_view
    measurement = measure(
        forms, chosen, view, options.size or view.size or 256, options.threads, options.repeats
    )
    result = Compression(
        rows=measurement.rows,
        unavailable=measurement.unavailable,
        method=teacher.method.name,
        recipe=teacher.experiment.name,
        weights_sha256=teacher.weights_sha256,
        dataset=data.name,
        protocol=data.protocol,
        images=len(chosen),
        view=view.protocol,
        shape=measurement.shape,
        threads=options.threads,
        repeats=options.repeats,
        finetune=options.finetune,
        machine=machine(),
        versions=versions("torch", "onnx", "onnxruntime"),
        provenance=provenance(),
    )
    save_benchmark(result, out / "table.json")
    write_text_atomic(out / "table.md", table(result))
    return result


def _students(teacher: Trained, options: CompressOptions) -> list[Trained]:
    students = [weights_file.load_any(path) for path in options.students]
    for student in students:
        if student.method.domain != teacher.method.domain:
            raise UserError(
                f"{student.experiment.name} is for {student.method.domain}, the teacher for "
                f"{teacher.method.domain}; take a student of the same"
            )
    if len({student.experiment.name for student in students}) < len(students):
        raise UserError("two students come from one recipe; give their runs other names")
    return students


def _forms(
    teacher: Trained, students: Sequence[Trained], out: Path, options: CompressOptions
) -> Iterator[Form]:
    weights = _written(teacher, out / f"{TEACHER}{weights_file.SUFFIX}")
    yield torch_form(TEACHER, "as trained", teacher, weights)
    for student in students:
        file = _written(student, out / f"{student.experiment.name}{weights_file.SUFFIX}")
        yield torch_form(student.experiment.name, "student", student, file)
    for name, how, pruned in _pruned(teacher, weights, out, options):
        file = _written(pruned, out / f"{name}{weights_file.SUFFIX}")
        yield torch_form(name, how, pruned, file)
    if options.int8:
        planes = list(_planes(teacher, options.calibration))
        for trained in (teacher, *students):
            name = TEACHER if trained is teacher else trained.experiment.name
            yield from _exported(name, trained, planes, out, options.threads)


def _pruned(
    teacher: Trained, weights: Path, out: Path, options: CompressOptions
) -> Iterator[tuple[str, str, Trained]]:
    """Name, description and network of every pruned form, fine-tuned where asked for."""
    method = teacher.experiment.method
    inner, scale = (
        (method.student, method.scale) if isinstance(method, Student.Config) else (method, 1)
    )
    generator = teacher.method.get_submodule("generator")
    for share in options.sparsity:
        network = sparsified(generator, share)
        config = _student(inner, scale, sparse=True)
        trained = _as_trained(teacher, config, network.state_dict(), f"sparse{100 * share:.0f}")
        how = f"{100 * share:g} % of the weights 0"
        yield _finetuned(trained, how, teacher, weights, out, options)
    for share in options.channels:
        smaller = with_width(inner, share)
        config = _student(smaller, scale, sparse=False)
        narrow = cast(GeneratorMethod, config.build()).generator
        state = narrowed(generator, narrow)
        trained = _as_trained(teacher, config, state, f"channels{100 * share:.0f}")
        how = f"width {getattr(inner, 'width', '')} to {getattr(smaller, 'width', '')}"
        yield _finetuned(trained, how, teacher, weights, out, options)


def _student(inner: Any, scale: int, sparse: bool) -> Student.Config:
    return Student.Config(student=inner, scale=scale, teacher=inner, sparse=sparse)


def _as_trained(
    teacher: Trained, config: Student.Config, state: dict[str, torch.Tensor], name: str
) -> Trained:
    method = cast(Student, config.build())
    load_strictly(method.generator, state, name)
    experiment = replace(teacher.experiment, name=name, method=config)
    sha = weights_sha256({"generator": state})
    return replace(teacher, method=method.eval(), experiment=experiment, weights_sha256=sha)


def _finetuned(
    pruned: Trained, how: str, teacher: Trained, weights: Path, out: Path, options: CompressOptions
) -> tuple[str, str, Trained]:
    name = pruned.experiment.name
    if not options.finetune:
        return name, how, pruned
    start = _written(pruned, out / "runs" / f"{name}-start{weights_file.SUFFIX}")
    run = out / "runs" / name
    fit(_tuning(pruned, start, teacher, weights, options), run, Hardware(workers=0), resume=True)
    return name, f"{how}, {options.finetune} steps", load_trained(run, "last")


def _tuning(
    pruned: Trained, start: Path, teacher: Trained, weights: Path, options: CompressOptions
) -> Experiment:
    """The pruned network learns from the network that it was."""
    method = replace(
        cast(Student.Config, pruned.experiment.method),
        start=str(start),
        teacher=teacher.experiment.method,
        teacher_weights=str(weights),
    )
    training = replace(
        teacher.experiment.training,
        steps=options.finetune,
        batch_size=options.batch_size,
        schedule="cosine",
        warmup=0,
        ema_decay=None,
        validate_every=0,
        checkpoint_every=0,
    )
    return replace(pruned.experiment, method=method, training=training)


def _exported(
    name: str, trained: Trained, planes: Sequence[torch.Tensor], out: Path, count: int
) -> Iterator[Form]:
    """ONNX in float32, the reference for int8, and int8."""
    colors = inference_colors(trained.method)
    odd = planes[0][..., 1:, 1:]  # a size that needs padding, or the trace would know none
    model = to_onnx(folded(colors, odd), odd, about_of(trained))
    encoders: dict[str, Callable[[], bytes]] = {
        "onnx": lambda: model,
        "int8": lambda: quantized(model, planes),
    }
    for dtype, encode in encoders.items():
        path, data = out / f"{name}-{dtype}.onnx", encode()
        write_atomic(path, lambda file, data=data: file.write(data))
        how = "float32" if dtype == "onnx" else f"int8, ranges of {len(planes)} pictures"
        with torch_threads(count):  # ONNX Runtime takes as many as torch has when it loads the file
            form = exported_form(f"{name} {dtype}", how, trained, path)
        yield form


def _planes(teacher: Trained, count: int) -> Iterator[torch.Tensor]:
    """Inputs of the network from pictures that are not for testing."""
    experiment, domain = teacher.experiment, teacher.method.domain
    data = experiment.data
    source: Source = data.split("validation" if data.has_validation else "train")
    view = experiment.eval_view
    images = Images(source, view)
    for index in evenly_spaced(len(source), count):
        yield cast(Any, images[index])[domain][None]


def _written(trained: Trained, path: Path) -> Path:
    """The file that ``ship`` would write, in full precision."""
    shippable = copy.copy(trained)
    method = shippable.experiment.method
    if isinstance(method, Student.Config):
        # where it learnt from lies on this machine alone
        method = replace(method, teacher_weights=_base(method.teacher_weights), start=NONE)
        shippable = replace(shippable, experiment=replace(shippable.experiment, method=method))
    data = weights_file.packed(shippable, half=False)
    write_atomic(path, lambda file: file.write(data))
    return path


def _base(run: str) -> str:
    return Path(run).name
