"""A new training that begins with the weights of another run."""

from __future__ import annotations

from typing import Any

from ...datasets.base.errors import UserError
from ...models.base.method import Method
from ..artifacts.checkpoint import load_strictly, started_from
from ..artifacts.weights_file import load_any


def begin(method: Method, run: str) -> tuple[str, dict[str, Any]]:
    """Give a method the weights that its training begins with.

    Args:
        method: with fresh weights.
        run: a run of the same design, whose inference networks have the same tensors, as
            ``load_any``'s; "" for what the method itself begins with (``load_pretrained``).

    Returns:
        What was loaded and what begins anew, in words, and what the run's provenance says of it.

    Raises:
        UserError: no such run, or one of another design: what does not fit is named.
    """
    if not run:
        return method.load_pretrained(), {}
    trained = load_any(run)
    ours, theirs = method.inference_networks, trained.method.inference_networks
    if set(ours) != set(theirs):
        raise UserError(
            f"--from {run} is a {trained.method.name} with {', '.join(theirs)}, and "
            f"{method.name} has {', '.join(ours)}: only weights of the same design fit"
        )
    for name in ours:
        state = trained.method.get_submodule(name).state_dict()
        load_strictly(method.get_submodule(name), state, f"--from {run}: {name}")
    anew = [name for name in method.networks() if name not in ours]
    text = f"starts from {trained.path}: {', '.join(ours)} fit"
    if anew:
        text += f"; {', '.join(anew)} and all optimisers begin anew"
    learnt = [trained.experiment.data.train_data, trained.experiment.method.learnt_from]
    entry = {
        "run": trained.experiment.name,
        "weights_sha256": trained.weights_sha256,
        "learnt_from": "; ".join(filter(None, [*learnt, started_from(trained.starts)])),
    }
    return text, {"from": entry}
