"""A trained method as a file for other programs, kept only when it paints the same pictures."""

from __future__ import annotations

import copy
import io
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from ...datasets.base.atomic_write import write_atomic
from ...datasets.base.errors import UserError, unknown
from ...models.base.domain import DomainName
from ...models.base.method import Method
from ..artifacts import weights_file
from ..artifacts.checkpoint import Trained
from ..inference.color_network import MethodColors
from ..inference.exported_file import (
    ONNX,
    TORCHSCRIPT,
    About,
    described,
    from_onnx,
    from_torchscript,
    need,
    sealed,
)
from ..inference.fold_batchnorm import folded, norms
from ..inference.parity import parity
from .sample_planes import sample_planes

ExportFormat = Literal["onnx", "torchscript", "safetensors"]
SUFFIXES = {"onnx": ONNX, "torchscript": TORCHSCRIPT, "safetensors": weights_file.SUFFIX}
REQUIRED_DB = 90.0  # an error of a hundredth of an 8-bit level
OUTPUTS: dict[str, Literal["ab", "rgb"]] = {"gray": "ab", "nir": "rgb"}
_OPSET = 17
_TORCH = ("aten::", "prim::")  # operators that every torch has
_SIZE = 256

Network = Callable[[Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class ExportReport:
    """What was written, and how near it is to the method in eager mode.

    Attributes:
        path: the file.
        parity_db: PSNR on the worst picture; infinite when the same to the bit.
        pictures: planes compared, a batch of two among them.
        folded: normalisations folded into convolutions; ``kept`` are those that stayed.
    """

    path: Path
    parity_db: float
    pictures: int
    folded: int
    kept: int


@torch.no_grad()
def export(
    run: Path | str,
    to: ExportFormat,
    out: Path,
    *,
    images: Path | None = None,
    which: str = "result",
    output: str | None = None,
) -> ExportReport:
    """Write a method for inference, after a comparison on real pictures of different sizes.

    ``onnx`` and ``torchscript`` are one network from a plane to colours (``exported_file.About``
    says which) of any batch, height and width, BatchNorm folded. ``safetensors`` is the file of
    ``ship`` in full precision, for this package and other programs that hold the network.

    Args:
        run: as ``shipped.load_any``.
        to: the format.
        out: file, or folder that gets ``<recipe>`` with the format's suffix.
        images: pictures to compare on; ``None`` takes generated scenes.
        which: as ``load_trained``'s.
        output: one of the method's outputs.

    Raises:
        UserError: a run that cannot be loaded, a method that cannot be exported (the text says
            why), a package that is missing, or a file that paints other pictures: the text gives
            the decibels and nothing is written.
    """
    if to not in SUFFIXES:
        raise UserError(unknown("format", to, SUFFIXES))
    trained = weights_file.load_any(run, which, output)
    colors = inference_colors(trained.method)
    size = trained.experiment.eval_view.size or _SIZE
    planes = sample_planes(colors.domain, images, size)
    expected = [colors(plane) for plane in planes]
    network = folded(colors, planes[0]) if to != "safetensors" else colors
    data, predictions = _written(to, network, planes, trained)
    worst_db = parity(colors.domain, expected, predictions)
    if not worst_db >= REQUIRED_DB:
        alone = parity(colors.domain, expected, [network(plane) for plane in planes])
        raise UserError(
            f"{trained.experiment.name} as {to} paints other pictures: {worst_db:.1f} dB on the "
            f"worst of {len(planes)}, {REQUIRED_DB:g} are required (folding alone: {alone:.1f} "
            "dB); nothing was written"
        )
    suffix = SUFFIXES[to]
    path = out if out.suffix == suffix else out / f"{trained.experiment.name}{suffix}"
    write_atomic(path, lambda file: file.write(data))
    return ExportReport(
        path=path,
        parity_db=worst_db,
        pictures=len(planes),
        folded=norms(colors) - norms(network),
        kept=norms(network),
    )


def _written(
    to: ExportFormat, network: nn.Module, planes: list[Tensor], trained: Trained
) -> tuple[bytes, list[Tensor]]:
    """The file's bytes, and what it makes of the planes."""
    try:
        data, loaded = _WRITERS[to](network, planes[0], trained)
        return data, [loaded(plane) for plane in planes]
    except UserError:
        raise
    except Exception as error:  # ONNX Runtime and torch raise kinds of their own
        reason = f"the file does not run on pictures of every size: {error}"
        raise _no_export(about_of(trained), to, reason) from error


def inference_colors(method: Method) -> MethodColors:
    """A copy of a method with nothing but the networks that colour, in eval mode, on the CPU.

    Raises:
        UserError: the method needs gray and NIR together.
    """
    copied = copy.deepcopy(method).cpu()
    for name in copied.networks():
        if name not in copied.inference_networks:
            setattr(copied, name, nn.Identity())
    return cast(MethodColors, MethodColors(copied).eval().requires_grad_(False))


def to_onnx(network: nn.Module, plane: Tensor, about: About) -> bytes:
    """An ONNX model of any batch, height and width.

    Raises:
        UserError: onnx is missing, or the network has an operation that ONNX does not know.
    """
    onnx = need("onnx")
    _refuse_own_operations(network, plane, about, "ONNX")
    file: Any = io.BytesIO()  # declared to be a path, but a file will do
    axes = {0: "batch", 2: "height", 3: "width"}
    try:
        with _quiet():
            # dynamo=False: the other exporter takes minutes, and fixes DDColor's batch size
            torch.onnx.export(
                network,
                (plane,),
                file,
                input_names=[about.domain],
                output_names=[about.output],
                dynamic_axes={about.domain: axes, about.output: axes},
                opset_version=_OPSET,
                dynamo=False,
            )
    except (torch.onnx.errors.OnnxExporterError, RuntimeError, TypeError) as error:
        raise _no_export(about, "ONNX", str(error)) from error
    model = onnx.load_model_from_string(file.getvalue())
    foreign = sorted({node.domain for node in model.graph.node} - {"", "ai.onnx"})
    if foreign:
        raise _no_export(about, "ONNX", f"it needs operations of {', '.join(foreign)}")
    onnx.helper.set_model_props(model, {"crosschroma": described(about)})
    return sealed(model.SerializeToString())


def to_torchscript(network: nn.Module, plane: Tensor, about: About) -> bytes:
    """A TorchScript archive of any batch, height and width, by tracing.

    Raises:
        UserError: the network has an operation that only this package knows.
    """
    _refuse_own_operations(network, plane, about, "TorchScript")
    with _quiet():
        try:
            traced = cast(
                torch.jit.ScriptModule, torch.jit.trace(network, plane, check_trace=False)
            )
        except RuntimeError as error:
            raise _no_export(about, "TorchScript", str(error)) from error
        kinds = {node.kind() for node in traced.inlined_graph.nodes()}
        foreign = sorted(kind for kind in kinds if not kind.startswith(_TORCH))
        if foreign:
            reason = f"it needs {', '.join(foreign)}, which only this package has"
            raise _no_export(about, "TorchScript", reason)
        file = io.BytesIO()
        torch.jit.save(traced, file, _extra_files={"crosschroma": described(about)})
    return file.getvalue()


def about_of(trained: Trained) -> About:
    """What an exported file says of a trained method."""
    domain = cast(DomainName, trained.method.domain)
    return About(
        method=trained.method.name,
        recipe=trained.experiment.name,
        domain=domain,
        output=OUTPUTS[domain],
        size=trained.experiment.eval_view.size,
        weights_sha256=trained.weights_sha256,
    )


def _onnx(network: nn.Module, plane: Tensor, trained: Trained) -> tuple[bytes, Network]:
    need("onnxruntime")
    data = to_onnx(network, plane, about_of(trained))
    return data, from_onnx(data)[1]


def _torchscript(network: nn.Module, plane: Tensor, trained: Trained) -> tuple[bytes, Network]:
    data = to_torchscript(network, plane, about_of(trained))
    return data, from_torchscript(data)[1]


def _safetensors(network: nn.Module, plane: Tensor, trained: Trained) -> tuple[bytes, Network]:
    data = weights_file.packed(trained, half=False)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"weights{weights_file.SUFFIX}"
        path.write_bytes(data)
        return data, inference_colors(weights_file.load_weights_file(path).method)


_WRITERS = {"onnx": _onnx, "torchscript": _torchscript, "safetensors": _safetensors}


class _Operations(TorchDispatchMode):
    """Within it, the names of all operators that run."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.add(func.name())
        return func(*args, **(kwargs or {}))


def _refuse_own_operations(network: nn.Module, plane: Tensor, about: About, format: str) -> None:
    """Before the tracer, which may fail on such an operator's arguments and not name it."""
    with torch.no_grad(), _Operations() as run:
        network(plane)
    own = sorted({name.split(".")[0] for name in run.names if not name.startswith(_TORCH)})
    if own:
        raise _no_export(about, format, f"it needs {', '.join(own)}, which torch alone has not")


def _no_export(about: About, format: str, reason: str) -> UserError:
    short = " ".join(reason.split())[:300]
    return UserError(
        f"{about.method} cannot be written as {format}: {short}; `--to safetensors` keeps any "
        "method's weights"
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Tracing warns of every size that Python sees; the comparison says whether that matters.

    A failing exporter prints its whole graph, also with its log switched off (torch 2.13).
    """
    library: Any = torch._C
    print_graph, library._jit_onnx_log = library._jit_onnx_log, lambda *texts: None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        library._jit_onnx_log = print_graph
