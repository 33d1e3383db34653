"""The card of weights on the Hugging Face Hub: use, scores with their protocol, data, terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from ..artifacts.checkpoint import Trained
from ..artifacts.run_file import RunFile, load_run_file, load_run_files
from ..metrics import printed
from ..tables import specs
from ..tables.rows import table_of

_METRICS = ("PSNR", "SSIM7", "SSIM", "AE", "LPIPS-alex", "CF_abs")
_SUBSET = "all"  # of the scores that stand in the card's metadata
_INPUT = {"gray": "gray photographs", "nir": "near-infrared pictures", "both": "pairs of both"}
_NO_TERMS = "not stated; ask the owner of this repository before any use but research"


def scores_of(trained: Trained, folder: Path) -> dict[str, RunFile]:
    """The run files in ``folder`` that score these weights, on test images, by name.

    They are known by the weights' hash, or by the training run and step: what is shipped in half
    precision has another hash than what was scored.
    """
    runs = load_run_files(folder) if folder.is_dir() else {}
    return {name: run for name, run in runs.items() if _scores(run, trained)}


def load_scores(paths: Sequence[Path]) -> dict[str, RunFile]:
    """Run files by name.

    Raises:
        UserError: one that is none.
    """
    return {path.stem: load_run_file(path) for path in paths}


def model_card(
    trained: Trained, address: str, sha256: str, scores: Mapping[str, RunFile], terms: str
) -> str:
    """The text of ``README.md``, with the metadata that the Hub reads at its head.

    Args:
        trained: the method.
        address: ``hf://user/name``.
        sha256: of the weights' file.
        scores: run files by name.
        terms: a licence's identifier on the Hub; ``other`` where none is stated.
    """
    experiment, method = trained.experiment, trained.method
    repo = address.removeprefix("hf://")
    million = sum(method.parameter_counts()[name] for name in method.networks_used) / 1e6
    learnt_from = filter(None, (experiment.data.train_data, experiment.method.learnt_from))
    return f"""---
{_metadata(trained, scores, terms)}
---

# {experiment.name}

Colours {_INPUT[method.domain]}; method `{method.name}` of crosschroma, {million:.2f} M parameters.

## Use

```sh
crosschroma colorize PICTURES --run {address}
```

```python
from crosschroma import Colorizer

colorize = Colorizer.from_pretrained("{repo}")
colorize("photo.jpg").save("photo_colored.png")
```

## Scores

{_scores_text(scores)}

## Training

Learnt from: {"; ".join(learnt_from)}.

{_training(trained)}

## Licence

Of the weights: {_NO_TERMS if terms == "other" else terms}.
The images that they were learnt from have terms of their own.

## Files

`model.safetensors` holds tensors only (SHA-256 `{sha256}`),
`config.json` the settings and this hash.
"""


def _scores(run: RunFile, trained: Trained) -> bool:
    """Whether a run file scores these weights, as they are used, on test images."""
    if run.split.get("part") or run.recipe != trained.experiment.name:
        return False
    same_run = trained.starts and list(run.trained) == trained.starts
    return run.weights.get("sha256") == trained.weights_sha256 or bool(
        same_run and run.weights.get("step") == trained.step
    )


def _metadata(trained: Trained, scores: Mapping[str, RunFile], terms: str) -> str:
    """What the Hub reads, as YAML."""
    from huggingface_hub import EvalResult, ModelCardData

    results = [
        EvalResult(
            task_type="image-to-image",
            task_name="Image colorization",
            dataset_type=run.dataset,
            dataset_name=f"{run.split['name']} ({run.protocol})",
            metric_type=name.lower(),
            metric_name=name,
            metric_value=round(value, printed.printed(name).digits),
        )
        for run in scores.values()
        for name in _METRICS
        if (value := run.summary[_SUBSET].get(name)) is not None
    ]
    return ModelCardData(
        library_name="crosschroma",
        license=terms,
        pipeline_tag="image-to-image",
        tags=["image-colorization", "crosschroma", trained.method.domain],
        model_name=trained.experiment.name,
        eval_results=results or None,
    ).to_yaml()


def _scores_text(scores: Mapping[str, RunFile]) -> str:
    """A table a test list, each with how it was scored and what a reader must know."""
    if not scores:
        return "No run file of these weights was given, so nothing is said of their quality."
    precision = "Scored in single precision; here kernels and matrices are in half precision."
    return "\n\n".join([*(_table(name, run) for name, run in scores.items()), precision])


def _table(name: str, run: RunFile) -> str:
    split, protocol, summary = run.split, run.metric_protocol, run.summary
    shown = [m for m in _METRICS if any(values.get(m) is not None for values in summary.values())]
    lines = [
        f"**{split['name']}**, protocol `{run.protocol}`, {split['images']} images "
        f"(sha256 of the list {split['sha256'][:12]}), from the run file `{name}`:",
        "",
        f"| subset | {' | '.join(map(printed.label, shown))} |",
        f"| --- |{' ---: |' * len(shown)}",
    ]
    labels = specs.SUBSETS_OF.get(table_of(run), {})
    for subset, values in summary.items():
        cells = (_cell(metric, values.get(metric)) for metric in shown)
        lines.append(f"| {labels.get(subset, subset)} | {' | '.join(cells)} |")
    how = [f"- {key}: {protocol[key]}" for key in ("view", "rounding", *shown) if key in protocol]
    said = [text for text in (*specs.cautions(table_of(run)), run.note) if text]
    return "\n".join([*lines, "", *how, *(f"\n{text}" for text in said)])


def _cell(metric: str, value: float | None) -> str:
    return "n/a" if value is None else printed.printed(metric).text(value)


def _training(trained: Trained) -> str:
    if trained.steps is None:
        return "These are weights of other authors, taken over by `crosschroma import-weights`."
    lines = [
        f"{trained.steps} steps in {trained.train_s / 60:.0f} minutes; the weights are those of "
        f"step {trained.step}."
    ]
    for start in cast(list[Mapping[str, Any]], trained.starts):
        commit = f"commit {start['commit'][:12]}, " if start.get("commit") else ""
        lines.append(f"\n```sh\n{start['command']}\n```\n\n({commit}{start['device']})")
    return "\n".join(lines)
