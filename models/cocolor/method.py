"""CoColor: a NIR and a gray colorizer that help each other over translated images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, Self, cast

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from ...datasets.base.batch import Batch
from ...datasets.base.bounds import Natural, NotNegative, Width
from ...datasets.base.color import Gamut
from ...datasets.base.errors import UserError, unknown
from ...losses.terms import Terms
from ..base.domain import DomainName
from ..base.generator import GeneratorMethod
from ..base.method import Method, Step
from ..base.padding import pad_and_crop
from ..base.self_ensemble import SelfEnsemble, self_ensemble
from ..base.stages import Schedule, Stage, Staged, check_names
from ..base.weights import NONE, load_start
from .branches import GIVEN, Branches, CoDomain
from .fusion import FeatureExchange, PathFusion
from .losses import LossWeights, TrainingPlanes
from .paths import PATHS, PathColorizer, PathResult, luminance, paint, painted, with_luminance
from .translator import Translator

Output = Literal["fused", "mean", "nir", "nir_as_gray", "gray", "gray_as_nir"]

_COLORIZERS: dict[DomainName, str] = {"nir": "nir_colorizer", "gray": "gray_colorizer"}
_STAGES = ("pretrain", "translate", "joint", "fuse")
_TRANSLATORS = {"nir_as_gray": "translator_n2g", "gray_as_nir": "translator_g2n"}


class CoColor(Staged[Stage], Method):
    """Colour from NIR, from gray or from both, by up to four paths over two colorizers.

    With F_N and F_G the colorizers and X_N2G, X_G2N the translated images, the paths are
    F_N(X_N) (``nir``), F_G(X_N2G) (``nir_as_gray``), F_G(X_G) (``gray``) and F_N(X_G2N)
    (``gray_as_nir``). NIR alone has the first two, gray alone the last two. X_G is L*/100, and
    where gray is given ``colorize`` keeps it; the L* of a NIR image on the gray path is the
    translated one. Batches with a plane ``photo`` teach the gray paths from these photographs too.

    Paper: Yang, Chen, Yang 2023 (CoColor), abstract and figure 3: the four paths, the translation
    in both directions, pre-trained colorizers, progressive training with fusion under consistency
    of pixels and features.
    Differs: the paper's networks, weights, stage lengths, discriminators and fusion operator are
    not public. Here the colorizers are any of this suite's, the translators are supervised by the
    pairs (L1 and SSIM), nothing is adversarial, and features agree in direction, not in size.
    """

    name = "cocolor"

    @dataclass(frozen=True, kw_only=True)
    class Config(Branches, LossWeights, Method.Config):
        """Settings of ``CoColor``, with those of its branches and the weights of its losses.

        Attributes:
            domain: what ``colorize`` is given. Training is the same for all three.
            output: what ``colorize`` returns: the ``fused`` result of all paths that the domain
                has, their ``mean``, or that of one path.
            fusion: ``weights`` learns one for every path at every pixel; ``mean`` learns nothing.
            feature_exchange: let the colorizer of the given domain decode its coarsest map plus
                what it gains from the other's, before the fusion; see ``FeatureExchange``. Off by
                default: it costs a third pass of a colorizer.
            stages: the schedule; the last goes on to the end. ``pretrain`` trains each colorizer
                on its own domain, ``translate`` the translators, ``joint`` all of these, ``fuse``
                only what makes one result of several. Those that would train nothing are left
                out, and their steps go to the following ones. Learning rates take their course
                anew in each.
            translator_width: channels of a translator at full resolution.
            translator_blocks: its residual blocks.
            fusion_width: channels of the fusion's convolutions.
            ensemble: of views of the image when colouring, for all that a path or fusion does;
                see ``self_ensemble``. The colorizers' own setting does not count.
            translator_lr: Adam's learning rate of the translators; ``fusion_lr`` of fusion and
                exchange. The colorizers have their own.
        """

        domain: CoDomain = "nir"
        output: Output = "fused"
        fusion: Literal["weights", "mean"] = "weights"
        feature_exchange: bool = False
        stages: tuple[Stage, ...] = (
            Stage(name="pretrain", steps=4000),
            Stage(name="translate", steps=1000),
            Stage(name="joint", steps=4000),
            Stage(name="fuse", steps=1000),
        )
        translator_width: Width = 64
        translator_blocks: Natural = 9
        fusion_width: Width = 32
        ensemble: SelfEnsemble = "scales"
        translator_lr: NotNegative = 1e-3
        fusion_lr: NotNegative = 1e-3

        def __post_init__(self) -> None:
            """Check the stages."""
            check_names(self.stages, _STAGES)

        def smoke(self) -> Self:
            return replace(
                self,
                nir_colorizer=self.nir_colorizer.smoke(),
                gray_colorizer=self.gray_colorizer.smoke(),
                nir_start=NONE,
                gray_start=NONE,
                stages=(Stage(name="joint", steps=1), Stage(name="fuse", steps=1)),
                translator_width=4,
                translator_blocks=1,
                fusion_width=8,
                ensemble="none",
            )

        @property
        def outputs(self) -> tuple[str, ...]:
            """Every path, and ``fused_`` and ``mean_`` of each domain that has several."""
            several = [domain for domain in GIVEN if len(self.paths_from(domain)) > 1]
            joined = (f"{kind}_{domain}" for domain in several for kind in ("fused", "mean"))
            return (*self.paths_from("both"), *joined)

        def with_output(self, output: str) -> Self:
            if output not in self.outputs:
                raise UserError(unknown("output of cocolor", output, self.outputs))
            if output in PATHS:
                changes = {"output": output, "domain": PATHS[output].given}
            else:
                changes = dict(zip(("output", "domain"), output.split("_"), strict=True))
            return replace(self, **changes)

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self._names: list[str] = []
        for domain, (colorizer, _) in config.colorizers.items():
            self._add(_COLORIZERS[domain], PathColorizer(colorizer, domain))
        if config.gray_branch and config.translation:
            for path, name in _TRANSLATORS.items():
                if path == "gray_as_nir" or config.nir_to_gray == "translator":
                    self._add(name, Translator(config.translator_width, config.translator_blocks))
        if config.gray_branch:
            self._add_fusion()
        self.inference_networks = tuple(self._names)
        self.schedule = Schedule([s for s in config.stages if self.trained_in(s.name)])
        self._check_output()

    @property
    def domain(self) -> CoDomain:
        return self.config.domain

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({"nir", "rgb"})

    @property
    def networks_used(self) -> tuple[str, ...]:
        path_names = self._output_paths()
        used = {_COLORIZERS[PATHS[path].colorizer] for path in path_names}
        used |= {self._translator(path) for path in path_names if path in _TRANSLATORS}
        if self.config.output == "fused" and len(path_names) > 1:
            used |= {"fusion", "exchange"}
        return tuple(name for name in self._names if name in used)

    def networks(self) -> dict[str, nn.Module]:
        return {name: self.get_submodule(name) for name in self._names}

    def load_pretrained(self) -> str:
        loaded = {}
        for domain, (_, start) in self.config.colorizers.items():
            name = _COLORIZERS[domain]
            method = cast(GeneratorMethod, self.get_submodule(f"{name}.system"))
            if start == NONE:
                loaded[name] = method.load_pretrained()
            else:
                option, settings = f"--method.{domain}-start", f"--method.{domain}-colorizer"
                loaded[name] = load_start(method.generator, start, option, settings)
        return "; ".join(f"{name}: {text}" for name, text in loaded.items() if text)

    def optimizers(self) -> dict[str, Optimizer]:
        config, optimizers = self.config, {}
        for name, network in self.networks().items():
            if name in self._colorizers():
                method = cast(Method, network.get_submodule("system"))
                optimizers[name] = method.optimizers()["generator"]
            else:
                translator = name in _TRANSLATORS.values()
                lr = config.translator_lr if translator else config.fusion_lr
                optimizers[name] = Adam(network.parameters(), lr=lr)
        return optimizers

    def trained_in(self, stage: str) -> list[str]:
        """The networks that learn in a stage, by name."""
        config, translators = self.config, list(_TRANSLATORS.values())
        thawed = [name for domain, name in _COLORIZERS.items() if domain != config.frozen]
        names = {
            "pretrain": list(_COLORIZERS.values()),
            "translate": translators if config.translates else [],
            "joint": [*thawed, *translators],
            "fuse": ["fusion", "exchange"],
        }
        return [name for name in names[stage] if name in self._names]

    def training_step(self, batch: Batch, step: Step) -> None:
        stage = self.schedule.stage(step.index).name
        trained = self.trained_in(stage)
        resting = [name for name in self._names if name not in trained]
        for name in resting:
            self.get_submodule(name).eval()  # running averages rest, too
        losses = {
            "pretrain": self._pretrain_losses,
            "translate": self._translate_losses,
            "joint": self._joint_losses,
            "fuse": self._fuse_losses,
        }
        with step.frozen(*resting):
            terms = losses[stage](TrainingPlanes.of(batch))
            step.backward({f"{stage}/{name}": term for name, term in terms.items()}, stage)
        for name in trained:
            step.update(name)

    def paths(self, batch: Batch) -> dict[str, Tensor]:
        """The result of every path that the batch's planes allow.

        Args:
            batch: with ``nir``, ``gray`` or both.

        Returns:
            By the names of ``PATHS``: B3HW sRGB in [0,1].
        """
        planes: dict[DomainName, Tensor] = {
            domain: batch[domain] for domain in GIVEN["both"] if domain in batch
        }
        path_names = [path for domain in planes for path in self.config.paths_from(domain)]
        outputs = self._predict_paths(path_names, planes)
        return {path: result.rgb for path, result in outputs.items()}

    def colorize(self, batch: Batch) -> Tensor:
        given, kind = GIVEN[self.domain], self.config.ensemble

        def run(planes: Tensor) -> Tensor:
            split = planes.split(1, dim=1)
            return self._result(dict(zip(given, split, strict=True)))

        planes = torch.cat([batch[domain] for domain in given], dim=1)
        # half the size in cells of self_ensemble; the colorizers pad to their own strides
        stride = 8 if kind == "scales" else 1
        rgb = pad_and_crop(lambda image: self_ensemble(run, image, kind), planes, stride)
        rgb = rgb.clamp(0, 1)
        return rgb if self.domain == "nir" else with_luminance(rgb, batch["gray"])

    def _result(self, planes: dict[DomainName, Tensor]) -> Tensor:
        """RGB by the configured output."""
        outputs = self._predict_paths(self._output_paths(), planes)
        if self.config.output == "fused":
            return self._fused(self.domain, outputs)
        return torch.stack([result.rgb for result in outputs.values()]).mean(0)

    def _add(self, name: str, network: nn.Module) -> None:
        setattr(self, name, network)
        self._names.append(name)

    def _add_fusion(self) -> None:
        """The networks that join paths, and what they and the consistency of features ask for."""
        config = self.config
        path_names = {domain: len(config.paths_from(domain)) for domain in GIVEN}
        several = {domain: count for domain, count in path_names.items() if count > 1}
        if config.fusion == "weights":
            self._add("fusion", PathFusion(several, config.fusion_width))
        shapes = {
            cast(PathColorizer, self.get_submodule(name)).coarsest for name in self._colorizers()
        }
        exchanged = config.feature_exchange and config.translation
        if (exchanged or config.weight_feature_consistency) and (len(shapes) > 1 or None in shapes):
            raise UserError(
                "cocolor: the colorizers have no coarsest maps of equal channels and stride; "
                "set weight_feature_consistency to 0 and leave feature_exchange off"
            )
        if exchanged:
            channels, _ = cast(tuple[int, int], shapes.pop())
            self._add("exchange", FeatureExchange(("nir", "gray"), channels))

    def _colorizers(self) -> list[str]:
        return [name for name in _COLORIZERS.values() if name in self._names]

    def _check_output(self) -> None:
        config, path_names = self.config, self.config.paths_from(self.domain)
        possible = ["fused", "mean", *path_names] if path_names else []
        if config.output not in possible:
            raise UserError(
                f"cocolor: output {config.output} cannot be made from {config.domain} here; "
                f"choose one of {', '.join(possible) or 'another domain'}"
            )

    def _output_paths(self) -> list[str]:
        """The paths that ``colorize`` walks."""
        output = self.config.output
        return self.config.paths_from(self.domain) if output in ("fused", "mean") else [output]

    def _predict_paths(
        self,
        path_names: Iterable[str],
        planes: Mapping[DomainName, Tensor],
        gamut: Gamut = "chroma",
    ) -> dict[str, PathResult]:
        """Walk the paths; a colorizer runs once on all planes that it learns from."""
        requested, outputs = set(path_names), dict[str, PathResult]()
        rests = self.training and self.config.learn_translated == "gray"
        resting = {"gray_as_nir"} if rests else set[str]()
        for colorizer, name in _COLORIZERS.items():  # F_N first: F_G may be given what it makes
            mine = [
                path for path in PATHS if path in requested and PATHS[path].colorizer == colorizer
            ]
            inputs = {path: self._plane(path, planes, outputs) for path in mine}
            for learn in (True, False):
                group = {path: inputs[path] for path in mine if (path in resting) != learn}
                if group:
                    outputs |= paint(self.get_submodule(name), colorizer, group, gamut, learn)
        return {path: outputs[path] for path in PATHS if path in outputs}

    def _plane(
        self, path: str, planes: Mapping[DomainName, Tensor], outputs: Mapping[str, PathResult]
    ) -> Tensor:
        """What the colorizer at the end of a path is given, B1HW in [0,1]."""
        plane_name, colorizer = PATHS[path]
        if plane_name == colorizer:
            return planes[plane_name]
        if (translator := self._translator(path)) in _TRANSLATORS.values():
            return self.get_submodule(translator)(planes[plane_name]).float()
        nir = outputs["nir"] if "nir" in outputs else self._predict_paths(["nir"], planes)["nir"]
        return luminance(nir.rgb)

    def _translator(self, path: str) -> str:
        """The network that translates for a path."""
        translator = _TRANSLATORS[path]
        return translator if translator in self._names else _COLORIZERS["nir"]

    def _fused(self, domain: CoDomain, outputs: Mapping[str, PathResult]) -> Tensor:
        """One result of those of all the paths that ``domain`` has: B3HW in [0,1]."""
        path_names = self.config.paths_from(domain)
        results = [self._exchanged(path, outputs) for path in path_names]
        rgb, planes = [r.rgb for r in results], [r.plane for r in results]
        if "fusion" in self._names and len(path_names) > 1:
            return self.get_submodule("fusion")(domain, rgb, planes)
        return torch.stack(rgb).mean(0)

    def _exchanged(self, path: str, outputs: Mapping[str, PathResult]) -> PathResult:
        """The result of a path without translation, its features helped by the other colorizer."""
        plane_name, colorizer = PATHS[path]
        result = outputs[path]
        if "exchange" not in self._names or plane_name != colorizer:
            return result
        other = outputs[f"{plane_name}_as_{'gray' if plane_name == 'nir' else 'nir'}"]
        gain = self.get_submodule("exchange")(plane_name, result.feature, other.feature)
        network = self.get_submodule(_COLORIZERS[colorizer])
        output, feature = network(result.plane, gain)
        return painted(colorizer, output, result.plane, feature)

    def _pretrain_losses(self, training: TrainingPlanes) -> Terms:
        own_paths = [path for path in self.config.paths_from("both") if path in GIVEN["both"]]
        return self._supervised(self._predict_paths(own_paths, training.planes, "clip"), training)

    def _translate_losses(self, training: TrainingPlanes) -> Terms:
        planes: dict[DomainName, Tensor] = {**training.planes, "gray": training.paired_gray}
        path_names = [path for path, name in _TRANSLATORS.items() if name in self._names]
        return self._translation(
            {path: self._plane(path, planes, {}) for path in path_names}, training
        )

    def _joint_losses(self, training: TrainingPlanes) -> Terms:
        config = self.config
        outputs = self._predict_paths(config.paths_from("both"), training.planes, "clip")
        terms = self._supervised(outputs, training)
        if not config.gray_branch:
            return terms
        if not config.translation:
            return terms | config.consistency_terms(
                "nir", outputs["nir"], outputs["gray"].first(training.pairs)
            )
        terms |= config.consistency_terms("nir", outputs["nir"], outputs["nir_as_gray"])
        terms |= config.consistency_terms("gray", outputs["gray"], outputs["gray_as_nir"])
        return terms | self._translation(
            {path: outputs[path].plane for path in _TRANSLATORS}, training
        )

    def _fuse_losses(self, training: TrainingPlanes) -> Terms:
        outputs = self._predict_paths(self.config.paths_from("both"), training.planes)
        pairs = {path: result.first(training.pairs) for path, result in outputs.items()}
        terms: Terms = {}
        for domain in GIVEN:
            if len(self.config.paths_from(domain)) > 1:
                truth = training.truth["gray" if domain == "gray" else "nir"]
                fused = self._fused(domain, outputs if domain == "gray" else pairs)
                if domain != "nir":
                    fused = with_luminance(fused, training.planes["gray"][: len(fused)])
                terms |= self.config.error_terms(domain, fused, truth)
        return terms

    def _supervised(self, outputs: Mapping[str, PathResult], training: TrainingPlanes) -> Terms:
        terms: Terms = {}
        for path, result in outputs.items():
            terms |= self.config.error_terms(path, result.rgb, training.truth[PATHS[path].given])
        return terms

    def _translation(self, planes: Mapping[str, Tensor], training: TrainingPlanes) -> Terms:
        true = {"nir_as_gray": training.paired_gray, "gray_as_nir": training.planes["nir"]}
        terms: Terms = {}
        for path, name in _TRANSLATORS.items():
            if name in self._names:
                translated, short = planes[path][: training.pairs], name.removeprefix("translator_")
                terms |= self.config.translation_terms(short, translated, true[path])
        return terms
