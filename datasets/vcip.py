"""VCIP 2020 Grand Challenge on NIR image colorization."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal, get_args

from .base import split_lists
from .base.adapter import Record, Source, SplitName
from .base.bounds import Natural
from .base.errors import DataError, UserError, unknown
from .base.typed_values import Bound
from .files.adapter import FileAdapter

Protocol = Literal["vcip-clean", "vcip-official"]
Category = Literal["country", "field", "forest", "mountain"]
_SUBSETS = ("leaked", "not-leaked", "scene-disjoint")


@dataclass(frozen=True, kw_only=True)
class Vcip(FileAdapter):
    """VCIP 2020: 372 training, 18 validation and 28 test pairs, registered, 256x256, 8 bits.

    Source: the challenge's folders (a public copy: github.com/AlexYangxx/MCFNet, commit be885bd),
    cropped from the EPFL RGB-NIR Scene dataset.
    Terms: research and education within the challenge's scope; no right to pass the images on.

    The published protocol leaks, as ``data audit`` shows: 8 of the 28 test pairs are training
    pairs, byte by byte, and 15 of the 18 validation pairs are test pairs. Most scenes were cut
    into two overlapping crops, so 14 test images share a scene with the training set and a random
    split of that set leaks as well. Hence ``vcip-clean``: the 336 training pairs that share no
    scene with any test or validation image. ``vcip-official`` keeps all 372, to stand beside
    published tables.

    Validation is one of ``folds`` scene-grouped parts of the training list, or one of its four
    categories, never the folders ``Validation`` or ``Testing``.

    Attributes:
        protocol_name: which training list.
        fold: the part that is validation: its number, or a category, to see what becomes of kinds
            of scenes that were not trained on; None trains on the whole list.
        folds: number of parts.
    """

    protocol_name: Protocol = "vcip-clean"
    fold: Natural | Category | None = 0
    folds: Annotated[int, Bound(least=2)] = 5

    name: ClassVar[str] = "vcip"
    folder: ClassVar[str] = "vcip2020"
    planes: ClassVar[frozenset[str]] = frozenset({"rgb", "nir"})
    layout: ClassVar[str] = (
        "NIR/<scene>_0000_nir.png, RGB-Registered/<scene>_0000_rgb_reg.png, "
        "Validation/validation_0000_{nir,rgb_reg}.png, "
        "Testing/{testing_0001_nir_reg,Testing_0001_rgb_reg}.png"
    )

    def __post_init__(self) -> None:
        """Refuse a fold that does not exist."""
        numbers = isinstance(self.fold, int) and 0 <= self.fold < self.folds
        if not (numbers or self.fold is None or self.fold in get_args(Category)):
            raise UserError(
                f"vcip: no fold {self.fold} of {self.folds}; "
                f"--data.fold takes 0 to {self.folds - 1}, {', '.join(get_args(Category))}, or "
                "None to train on all pairs"
            )

    @property
    def protocol(self) -> str:
        """``vcip-clean`` or ``vcip-official``."""
        return self.protocol_name

    @property
    def protocols(self) -> tuple[Protocol, ...]:
        """Both."""
        return get_args(Protocol)

    def with_protocol(self, name: str) -> Vcip:
        """The same folder under ``vcip-clean`` or ``vcip-official``, its whole training list."""
        for known in self.protocols:
            if name == known:
                return replace(self, protocol_name=known, fold=None)
        raise UserError(unknown("protocol of vcip", name, self.protocols))

    @property
    def train_data(self) -> str:
        """Names the fold that was kept out, too."""
        kept_out = "" if self.fold is None else f" less {self.validation_part}"
        return f"{self.protocol} train{kept_out}"

    @property
    def has_validation(self) -> bool:
        """Whether a fold is kept out of the training list."""
        return self.fold is not None

    @property
    def validation_part(self) -> str:
        """Such as ``fold 0 of 5``, or ``fold country``."""
        parts = "" if isinstance(self.fold, str) else f" of {self.folds}"
        return f"fold {self.fold}{parts}"

    def records(self, name: SplitName) -> list[Record]:
        """Pairs of one split; raises ``DataError`` for ``validation`` when no fold is set."""
        if name == "test":
            return self._listed("test")
        keys = split_lists.read_split_list(f"vcip-train-{self.protocol_name.removeprefix('vcip-')}")
        if self.fold is None:
            if name == "validation":
                raise DataError(
                    "vcip: fold=None trains on all pairs, none is left for validation; set "
                    f"--data.fold to 0..{self.folds - 1} or a category. The Validation folder is "
                    "no way out: 15 of its 18 pairs are test pairs"
                )
            return [self._record(key) for key in keys]
        if isinstance(self.fold, str):
            validation, train = without_category(keys, self.fold)
        else:
            fold_of = scene_folds(keys, self.folds)
            validation = [key for key in keys if fold_of[key] == self.fold]
            train = [key for key in keys if fold_of[key] != self.fold]
        return [self._record(key) for key in (validation if name == "validation" else train)]

    def published(self, name: SplitName) -> list[Record]:
        """The official split, whatever the protocol: 372, 18 and 28 pairs."""
        return self._listed("test" if name == "test" else f"{name}-official")

    def pairs(self, keys: Sequence[str]) -> Source:
        """Any pairs of the dataset, such as those of ``vcip-validation-not-in-test``."""
        return self.source([self._record(key) for key in keys], "the list")

    def subsets(self) -> Mapping[str, Sequence[str]]:
        """``leaked`` (8), ``not_leaked`` (20), ``scene_disjoint`` (14) of the 28 test keys.

        They refer to the official 372 training pairs; under ``vcip-clean`` all 28 are unseen.
        """
        return {
            name.replace("-", "_"): split_lists.read_split_list(f"vcip-test-{name}")
            for name in _SUBSETS
        }

    def validation_scenes(self) -> frozenset[str]:
        """The scenes, as ``splits/vcip-scenes`` numbers them, that the fold keeps out."""
        scene_of = _scenes()
        kept_out = self.records("validation") if self.has_validation else []
        return frozenset(scene_of[record.key] for record in kept_out)

    def _listed(self, part: str) -> list[Record]:
        return [self._record(key) for key in split_lists.read_split_list(f"vcip-{part}")]

    def _record(self, key: str) -> Record:
        base = self.base()
        kind, _, number = key.partition("_")
        if kind == "Testing":
            folder = base / "Testing"
            return Record(
                key, folder / f"{key}_rgb_reg.png", folder / f"testing_{number}_nir_reg.png"
            )
        if kind == "validation":
            folder = base / "Validation"
            return Record(key, folder / f"{key}_rgb_reg.png", folder / f"{key}_nir.png")
        return Record(
            key, base / "RGB-Registered" / f"{key}_rgb_reg.png", base / "NIR" / f"{key}_nir.png"
        )


def scene_folds(keys: Sequence[str], folds: int) -> dict[str, int]:
    """Fold of every key: whole scenes, balanced by category, then by size; deterministic.

    Scenes are dealt from the largest to the smallest, each to the fold that so far holds the
    fewest images of the scene's categories.
    """
    scene_of = _scenes()
    members: dict[str, list[str]] = defaultdict(list)
    for key in keys:
        members[scene_of[key]].append(key)
    held: list[Counter[str]] = [Counter() for _ in range(folds)]
    fold_of = {}
    for scene in sorted(members, key=lambda scene: (-len(members[scene]), int(scene))):
        categories = Counter(key.split("_")[0] for key in members[scene])
        chosen = min(range(folds), key=lambda fold: _load(held[fold], categories))
        held[chosen].update(categories)
        fold_of.update(dict.fromkeys(members[scene], chosen))
    return fold_of


def without_category(keys: Sequence[str], category: str) -> tuple[list[str], list[str]]:
    """The keys of a category, and those that share no scene with it."""
    scene_of = _scenes()
    inside = [key for key in keys if key.split("_")[0] == category]
    scenes = {scene_of[key] for key in inside}
    return inside, [key for key in keys if scene_of[key] not in scenes]


def _scenes() -> dict[str, str]:
    """The scene of every training key."""
    return dict(line.split() for line in split_lists.read_split_list("vcip-scenes"))


def _load(held: Counter[str], categories: Counter[str]) -> tuple[int, int]:
    return sum(held[name] * count for name, count in categories.items()), held.total()
