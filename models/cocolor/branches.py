"""The two branches of CoColor: its colorizers, where they start, and the paths over them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ...datasets.base.bounds import Checked
from ..base.domain import DomainName
from ..base.method import Method
from ..base.weights import NONE, run_name
from ..unet import UNet
from .paths import PATHS

CoDomain = Literal["nir", "gray", "both"]

GIVEN: dict[CoDomain, tuple[DomainName, ...]] = {
    "nir": ("nir",),
    "gray": ("gray",),
    "both": ("nir", "gray"),
}


@dataclass(frozen=True, kw_only=True)
class Branches(Checked):
    """What colours NIR and what gray, and what either gives the other.

    Attributes:
        nir_colorizer: F_N, a method that is one generator, for NIR.
        gray_colorizer: F_G, the same for gray. Of either method's settings those of the
            network and of the generator's optimiser count, those of its losses and of
            averaging over mirror images do not.
        nir_start: a run of F_N's method to start from, instead of what its settings start
            from: the run's folder, a checkpoint, or a file of ``ship``; ``none`` for no run.
        gray_start: the same of F_G.
        gray_branch: without it F_N is alone: no F_G, no translators, no fusion.
        nir_to_gray: what makes X_N2G: a ``translator`` of its own, as in the paper, or the
            ``colorizer`` F_N, whose result's L*/100 it then is (ours).
        learn_translated: whether both colorizers learn from translated images, or F_G alone
            (``gray``): F_N then passes their gradients on to the translator and gathers none,
            since X_G2N may give away the tone that F_N has to guess from true NIR (ours).
        translation: without it there are only F_N(X_N) and F_G(X_G), which then are to agree
            with each other.
        frozen: a colorizer that learns in ``pretrain`` only: ``gray`` for F_G, ``nir`` for F_N,
            whose result from NIR the other stages then leave as it is.
    """

    nir_colorizer: Method.Config = field(
        default_factory=lambda: UNet.Config(domain="nir", norm="group")
    )
    gray_colorizer: Method.Config = field(
        default_factory=lambda: UNet.Config(domain="gray", norm="group")
    )
    nir_start: str = NONE
    gray_start: str = NONE
    gray_branch: bool = True
    translation: bool = True
    nir_to_gray: Literal["translator", "colorizer"] = "translator"
    learn_translated: Literal["both", "gray"] = "both"
    frozen: Literal["none", "nir", "gray"] = "none"

    @property
    def learnt_from(self) -> str:
        parts = [
            method.learnt_from
            if start == NONE
            else f"F_{domain[0].upper()} starts from {run_name(start)}"
            for domain, (method, start) in self.colorizers.items()
        ]
        return "; ".join(dict.fromkeys(filter(None, parts)))

    @property
    def colorizers(self) -> dict[DomainName, tuple[Method.Config, str]]:
        """F_N and, where it is there, F_G: its settings and the run that it starts from."""
        configs: dict[DomainName, tuple[Method.Config, str]]
        configs = {"nir": (self.nir_colorizer, self.nir_start)}
        if self.gray_branch:
            configs["gray"] = (self.gray_colorizer, self.gray_start)
        return configs

    def paths_from(self, domain: CoDomain) -> list[str]:
        """The paths from what ``domain`` gives, by their names in ``PATHS``."""
        return [
            name
            for name, (plane, colorizer) in PATHS.items()
            if plane in GIVEN[domain]
            and colorizer in self.colorizers
            and (plane == colorizer or (self.translation and self.gray_branch))
        ]
