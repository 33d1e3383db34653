"""Weights of a trained run, for evaluation and for methods that start from another run."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from ...datasets.base.bounds import Natural, NotNegative
from ...datasets.base.errors import Note, UserError, did_you_mean
from ...datasets.base.json_file import from_json
from ...losses.pretrained.tensor_file import content_sha256, read_content
from .hub_weights import hub_file, is_hub_address
from .shipped_weights import SUFFIX, shipped_weights

RUNS = Path("runs")  # where training puts its runs unless told
_OF_WEIGHTS = (SUFFIX, ".pt", ".onnx", ".ts")
NONE = "none"  # in settings, instead of a run
LAST, BEST = "last.pt", "best.pt"
PREVIOUS = "previous.pt"  # the last but one, for the case that the last is damaged
HASH = "sha256"  # what names the content's hash, in checkpoints and in metadata
FORMAT = 1  # of checkpoints
_ABOUT = "about"
_MODULE = "module."  # what torch's AveragedModel puts before its weights' names
_FOREIGN = (AttributeError, KeyError, TypeError, ValueError)  # what another file's content raises


class Start(TypedDict):
    """What a checkpoint says of a start of its run; see ``provenance`` for the rest."""

    dirty: bool


class _Content(TypedDict, total=False):
    """What a checkpoint may hold; a best one has ``inference`` instead of what training needs."""

    experiment: dict[str, Any]
    starts: list[Start]
    step: Natural
    train_s: NotNegative
    best: float | None
    best_step: Natural
    best_metrics: dict[str, Any] | None
    worse: Natural
    inference: dict[str, dict[str, Tensor]]
    networks: dict[str, dict[str, Tensor]]
    average: dict[str, dict[str, Tensor]] | None
    optimizers: dict[str, dict[str, Any]]
    precision: dict[str, Any]
    random: list[dict[str, Any]]


def weights_path(run: Path | str, which: str = "result") -> Path:
    """The file of a run's weights, the same for evaluation, inference, teachers and starts.

    Args:
        run: a run's folder, a checkpoint, a file of ``ship``, the name of shipped weights, or
            ``hf://user/name[@revision]``; a file is itself.
        which: of a folder: ``best`` by the validation metric (the last where none was run),
            ``last``, or ``result``: that of the two which the run's settings name.

    Raises:
        UserError: no such run, a folder without a checkpoint, or a damaged best checkpoint; of
            the Hub as ``hub_file``.
    """
    if is_hub_address(run):
        return hub_file(run)
    path = Path(run)
    if not path.exists():
        path = shipped_weights().get(str(run), path)
    if path.is_file():
        return path
    if not path.is_dir():
        raise missing_run(run)
    last, best = path / LAST, path / BEST
    if which == "result" and best.is_file():
        which = _result(load_checkpoint(best, mapped=True))
    chosen = best if which != "last" and best.is_file() else last
    if not chosen.is_file():
        raise UserError(f"no checkpoint {chosen}; train first, or name the folder of a run")
    return chosen


def missing_run(run: Path | str) -> UserError:
    """The error for a run or a file of weights that is not there, with those that may be meant.

    They are shipped weights, and runs and files beside ``run`` and in ``runs``.
    """
    path = Path(run)
    known = {name: name for name in shipped_weights()}
    for folder in (RUNS, path.parent):
        with contextlib.suppress(OSError):
            known |= {there.name: str(there) for there in folder.iterdir() if _holds_weights(there)}
    near = did_you_mean(path.name, known) or ";"
    return UserError(f"no run {run}{near} `crosschroma train` makes one, {RUNS}/ holds them")


def _holds_weights(path: Path) -> bool:
    if path.suffix in _OF_WEIGHTS:
        return True
    return (path / LAST).is_file() or (path / BEST).is_file()


def run_name(weights: str) -> str:
    """Of a run's folder, checkpoint or shipped file, without where it lies on this machine."""
    path = Path(weights)
    return path.parent.name if path.suffix == ".pt" else path.name


def load_checkpoint(path: Path, mapped: bool = False) -> dict[str, Any]:
    """Read a checkpoint without running any code that it may hold.

    Args:
        path: the file.
        mapped: leave tensors in the file until they are used; for a few values of a large file.

    Raises:
        UserError: the file is missing, damaged, foreign, or holds more than tensors and values.
    """
    if not path.is_file():
        raise UserError(f"no checkpoint {path}; train first, or name the folder of a run")
    try:
        state = read_content(path, mapped)
    except UserError as error:
        raise UserError(f"{error}; use a checkpoint that crosschroma wrote") from error
    version = state.get("format") if isinstance(state, dict) else None
    if type(version) is not int or version != FORMAT:
        raise UserError(f"{path} is not a crosschroma checkpoint (format {FORMAT})")
    expected = state.pop(HASH, None)
    if not mapped:
        check_hash(path, expected, state)
    return from_json(state, _Content, str(path), "checkpoint of crosschroma")


def check_hash(path: Path, expected: Any, content: Any) -> None:
    """Compare what a file holds with the hash that was written with it.

    Args:
        path: the file, for the error.
        expected: the hash; ``None`` where none was written, as in files of before, which is said.
        content: tensors and values.

    Raises:
        UserError: they differ.
    """
    if expected is None:
        text = f"{path} states no hash of its content, as older files do not: damage may pass"
        warnings.warn(text, Note, stacklevel=3)
    elif expected != content_sha256(content):
        raise UserError(
            f"{path} is damaged: its content has not the hash that was written with it; take it "
            "from a backup"
        )


def require_finite(networks: Mapping[str, Mapping[str, Tensor]], path: Path) -> None:
    """Refuse weights that colour nothing.

    Raises:
        UserError: a number that is NaN or infinite, by its network and tensor.
    """
    for network, weights in networks.items():
        for name, tensor in weights.items():
            if tensor.is_floating_point() and not tensor.isfinite().all():
                raise UserError(
                    f"{path}: {network}.{name} holds NaN or infinite numbers: the training "
                    "diverged, or the file is damaged; take other weights (--weights, --run)"
                )


def inference_weights(
    checkpoint: Mapping[str, Any], networks: Iterable[str]
) -> dict[str, dict[str, Tensor]]:
    """The weights that a run would ship: a best checkpoint's, else the averages, else the last.

    Args:
        checkpoint: what ``best.pt`` or ``last.pt`` holds.
        networks: names of the networks used at inference.

    Returns:
        Network -> its state.

    Raises:
        UserError: the checkpoint lacks a network.
    """
    try:
        if "inference" in checkpoint:
            return {name: checkpoint["inference"][name] for name in networks}
        averages = checkpoint["average"]
        if averages is None:
            return {name: checkpoint["networks"][name] for name in networks}
        return {
            name: {
                key.removeprefix(_MODULE): value
                for key, value in averages[name].items()
                if key.startswith(_MODULE)
            }
            for name in networks
        }
    except _FOREIGN as error:
        raise UserError(f"the checkpoint has no weights {error}") from error


def read_shipped(path: Path) -> tuple[dict[str, str], dict[str, dict[str, Tensor]]]:
    """The content of a ``.safetensors`` file whose tensors are named ``network.tensor``.

    Returns:
        Its metadata, and network -> its state, in float32.

    Raises:
        UserError: a damaged or foreign file.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata: dict[str, str] = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} is damaged or no safetensors file: {error}") from error
    _check_shipped(path, metadata, tensors)
    networks: dict[str, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        network, _, name = key.partition(".")
        floating = value.is_floating_point()
        networks.setdefault(network, {})[name] = value.float() if floating else value
    require_finite(networks, path)
    return metadata, networks


def shipped_content(about: str, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """Of a file of ``ship``, what its hash is of: the settings' text and the tensors by name."""
    return {_ABOUT: about, **dict(sorted(tensors.items()))}


def _check_shipped(path: Path, metadata: Mapping[str, str], tensors: Mapping[str, Tensor]) -> None:
    if _ABOUT in metadata:  # other files of safetensors may have none
        check_hash(path, metadata.get(HASH), shipped_content(metadata[_ABOUT], tensors))


def read_run_weights(
    run: str, networks: Sequence[str], option: str
) -> tuple[Path, dict[str, dict[str, Tensor]]]:
    """Networks' inference weights of another run; runs no code that a file may hold.

    Args:
        run: as ``weights_path``'s.
        networks: their names.
        option: the setting that named ``run``, for the error.

    Returns:
        The file that they are from, and network -> its state.

    Raises:
        UserError: no such run, or one that does not hold the networks.
    """
    try:
        path = weights_path(run)
        if path.suffix != SUFFIX:
            states = inference_weights(load_checkpoint(path), networks)
            require_finite(states, path)
            return path, states
        _, states = read_shipped(path)
        if missing := [name for name in networks if name not in states]:
            raise UserError(f"the file has no weights {', '.join(missing)}")
        return path, {name: states[name] for name in networks}
    except UserError as error:
        raise UserError(
            f"{option} {run}: no checkpoint with a {' and a '.join(networks)} ({error}); name a "
            "run's folder, its best.pt or last.pt, or shipped weights, or take none"
        ) from error


def load_strictly(
    network: nn.Module, weights: Mapping[str, Tensor], what: str, settings: str = ""
) -> None:
    """Load weights, all of them.

    Args:
        network: what they are loaded into.
        weights: tensor by name.
        what: they are, for the error.
        settings: those that the network was made by, for the error.

    Raises:
        UserError: naming missing, surplus and differently shaped tensors.
    """
    try:
        network.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        fit = f" the settings {settings}" if settings else ""
        raise UserError(f"{what} does not fit{fit}: {error}") from error


def load_start(generator: nn.Module, start: str, option: str, settings: str) -> str:
    """Load what another run's generator has learnt.

    Args:
        generator: named alike in its parts and of the same shapes.
        start: as ``weights_path``'s ``run``.
        option: the setting that named ``start``, for the error.
        settings: those that the generator was made by, for the error.

    Returns:
        What was loaded.

    Raises:
        UserError: no such file, or it does not fit.
    """
    path, weights = read_run_weights(start, ["generator"], option)
    load_strictly(generator, weights["generator"], f"{option} {path}", settings)
    return f"starts from {path}"


def _result(checkpoint: Mapping[str, Any]) -> str:
    """The setting ``training.result``; runs that are older than it have ``best``."""
    try:
        return checkpoint["experiment"]["training"].get("result", "best")
    except _FOREIGN:
        return "best"
