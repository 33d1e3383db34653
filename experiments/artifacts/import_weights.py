"""Checkpoints that authors released, as weights of ours."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from ...datasets.base.errors import UserError, unknown
from ...datasets.unknown_data import UnknownData
from ...losses.pretrained.published_weights import PublishedFile, published_file, sha256
from ...losses.pretrained.tensor_file import read_named_tensors
from ...models.base.weights import Start
from ..experiment import Experiment
from . import released_weights
from .checkpoint import Trained, weights_sha256
from .provenance import provenance

_ZHANG = "https://colorizers.s3.us-east-2.amazonaws.com/"  # of github.com/richzhang/colorization
_DDCOLOR = "https://huggingface.co/piddnad/DDColor-models/resolve/main/"
_HUB_HASH = re.compile(r"-([0-9a-f]{8,})\.\w+$")  # torch hub's: first digits of the SHA-256


@dataclass(frozen=True, kw_only=True)
class Release:
    """What authors published, known by the SHA-256 of its files.

    Attributes:
        name: of the imported weights, as tables print it.
        files: as the method's ``FILES``; their folder is "" where no URL leads to the file itself.
        learnt_from: what it was trained on, in words.
        settings: of the method, where they are not those of its other releases.
    """

    name: str
    files: tuple[PublishedFile, ...]
    learnt_from: str
    settings: Mapping[str, Any] = field(default_factory=dict)


_INSTCOLOR = "coco_finetuned_mask_256"  # folders of github.com/ericsujw/InstColorization
_FROM_COCO = "ImageNet train, then COCO-Stuff train"
# methods whose weights are several files of one folder
FILES = {"instcolor": ("latest_net_GComp.pth", "latest_net_G.pth", "latest_net_GF.pth")}
BY_HAND = {
    "instcolor": "checkpoints.zip (https://drive.google.com/open?id=1Xb-DKAA9ibCVLqm8teKd1MWk6imjwTBh);"
    f" unpack it and name the folder checkpoints/{_INSTCOLOR}_ffs"
}


def _files(method: str, *digests: str) -> tuple[PublishedFile, ...]:
    return tuple(
        PublishedFile(n, digest, "") for n, digest in zip(FILES[method], digests, strict=True)
    )


RELEASES = {
    "zhang16": (
        Release(
            name="zhang16_released",
            files=(PublishedFile("colorization_release_v2-9b330a0b.pth", "9b330a0b", _ZHANG),),
            learnt_from="ImageNet train",
        ),
    ),
    "zhang17": (
        Release(
            name="zhang17_released",
            files=(PublishedFile("siggraph17-df00044c.pth", "df00044c", _ZHANG),),
            learnt_from="ImageNet train",
        ),
        Release(  # in github.com/ericsujw/InstColorization's checkpoints.zip, siggraph_retrained
            name="zhang17_retrained",
            files=(PublishedFile("latest_net_G.pth", "29fc246aea5c99e7", ""),),
            learnt_from="ImageNet train",
            settings={"mask_center": 0.5},
        ),
    ),
    "ddcolor": (
        Release(
            name="ddcolor_paper_tiny",
            files=(PublishedFile("ddcolor_paper_tiny.pth", "81dd643904f4664c", _DDCOLOR),),
            learnt_from="ImageNet train",
        ),
        Release(
            name="ddcolor_paper",
            files=(PublishedFile("ddcolor_paper.pth", "789781789db1bafc", _DDCOLOR),),
            learnt_from="ImageNet train",
        ),
        Release(
            name="ddcolor_modelscope",
            files=(PublishedFile("ddcolor_modelscope.pth", "17c460d7e55b32a5", _DDCOLOR),),
            learnt_from="ImageNet train, gray pictures left out",
        ),
        Release(
            name="ddcolor_artistic",
            files=(PublishedFile("ddcolor_artistic.pth", "a591ee5beedad36d", _DDCOLOR),),
            learnt_from="ImageNet train and private pictures",
            settings={"weight_colorfulness": 0.0},
        ),
    ),
    "instcolor": (
        Release(
            name=f"instcolor_{_INSTCOLOR}_ffs",
            files=_files("instcolor", "8b5d727597138615", "91c2812f62095526", "90011a980955ce3d"),
            learnt_from=_FROM_COCO,
        ),
        Release(
            name=f"instcolor_{_INSTCOLOR}",
            files=_files("instcolor", "38882fce5173aec8", "280f01187dbaa919", "963ccb44316f1886"),
            learnt_from=_FROM_COCO,
        ),
    ),
}


def import_weights(
    name: str,
    file: Path | None = None,
    *,
    train_data: str = "",
    settings: Mapping[str, Any] | None = None,
) -> Trained:
    """A method of ours with the weights that its authors released.

    Args:
        name: of the method, one of ``released.METHODS``.
        file: a checkpoint of the authors (the folder that holds ``FILES``), or the name of one of
            ``RELEASES``, which is downloaded into the folder of torch's downloads; by default the
            method's first.
        train_data: what it was trained on, in words, where the file is none of ``RELEASES``.
        settings: of the method's ``Config``, over the released ones.

    Returns:
        The method in eval mode, for ``shipped.write``. Steps and seed are unknown.

    Raises:
        UserError: an unknown method; no such file, and it cannot be downloaded; one that is
            damaged, that runs code on loading, whose SHA-256 is not the one in its name, or whose
            weights are not those of the released network (missing and surplus ones are named).
    """
    if name not in released_weights.METHODS:
        raise UserError(unknown("method with released weights", name, released_weights.METHODS))
    paths = _at_hand(name, file)
    digests = [_checked_sha256(path) for path in paths]
    release = next((r for r in RELEASES[name] if _are(digests, r)), None)
    own_settings = {**(release.settings if release else {}), **(settings or {})}
    states = [read_named_tensors(path) for path in paths]
    method = released_weights.METHODS[name](states, own_settings)
    learnt_from = train_data or (release.learnt_from if release else "unknown")
    origin = "the authors' weights" if release else "imported weights"
    files = [f"{p.name}, sha256 {d[:12]}" for p, d in zip(paths, digests, strict=True)]
    source = paths[0].parent if name in FILES else paths[0]
    experiment = Experiment(
        name=release.name if release else f"{name}_{source.stem}",
        method=cast(Any, method).config,
        data=UnknownData(known_as=f"{learnt_from} ({origin} {'; '.join(files)})"),
    )
    networks = {n: method.get_submodule(n).state_dict() for n in method.inference_networks}
    return Trained(
        method=method,
        experiment=experiment,
        step=None,
        steps=None,
        train_s=0.0,
        starts=[cast(Start, provenance())],
        weights_sha256=weights_sha256(networks),
        path=source,
    )


def _at_hand(method: str, file: Path | None) -> list[Path]:
    """The method's files on this machine."""
    if method in FILES:
        paths = [Path(file or "") / name for name in FILES[method]]
        absent = [path.name for path in paths if not path.is_file()]
        if file is None or absent:
            raise UserError(
                f"no {', '.join(absent or FILES[method])} in {file}; the authors of {method} "
                f"publish {BY_HAND[method]}"
            )
        return paths
    if file is not None and file.is_file():
        return [file]
    published = {r.files[0].file: r.files[0] for r in RELEASES[method] if r.files[0].folder}
    name = next(iter(published)) if file is None else str(file)
    if name not in published:
        urls = ", ".join(p.folder + p.file for p in published.values())
        raise UserError(f"no file {file}; the authors of {method} publish {urls}")
    return [published_file(published[name])]


def _are(digests: Sequence[str], release: Release) -> bool:
    pairs = zip(digests, release.files, strict=True)
    return all(digest.startswith(file.sha256) for digest, file in pairs)


def _checked_sha256(path: Path) -> str:
    digest = sha256(path)
    if (prefix := _HUB_HASH.search(path.name)) and not digest.startswith(prefix[1]):
        raise UserError(
            f"{path} is not what its name says: its SHA-256 begins with "
            f"{digest[: len(prefix[1])]}; download it anew"
        )
    return digest
