"""Instance-aware colorization: boxes in maps, fusion, stages, pictures without objects."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from batches import lab_batch
from crosschroma.datasets.base.batch import Batch
from crosschroma.datasets.base.color import rgb_to_lab
from crosschroma.datasets.base.errors import UserError
from crosschroma.models.base.stages import RatedStage
from crosschroma.models.base.weights import FORMAT
from crosschroma.models.instance_aware.method import InstanceAware
from crosschroma.models.instance_aware.networks import Branch, Fusion, box_cells
from crosschroma.models.zhang17.method import Zhang17
from crosschroma.models.zhang17.network import PLACES, Zhang17Network

STAGES = tuple(RatedStage(name=name, steps=1, lr=1e-3) for name in ("full", "instance", "fusion"))
SMALL = InstanceAware.Config(width=4, crop_size=16, stages=STAGES)
BOX = torch.tensor([[4.0, 6.0, 20.0, 30.0]])


def trained(config: InstanceAware.Config = SMALL) -> InstanceAware:
    """A method whose branches differ and whose fusion counts as trained, in eval mode."""
    torch.manual_seed(0)
    method = InstanceAware(config)
    for network in method.networks().values():
        for parameter in network.parameters():
            parameter.data.add_(0.1 * torch.randn_like(parameter))
    method.fusion.trained.fill_(True)
    return method.eval()


class Recorder:
    """A step that trains, and notes what was frozen."""

    def __init__(self, method: InstanceAware, index: int) -> None:
        self.method, self.index, self.optimizers = method, index, method.optimizers()
        self.rested: tuple[str, ...] = ()
        self.terms: dict = {}

    def backward(self, terms: dict, optimizer: str) -> None:
        self.terms = terms
        sum(term.weight * term.value for term in terms.values()).backward()

    def update(self, optimizer: str) -> None:
        self.optimizers[optimizer].step()
        self.optimizers[optimizer].zero_grad()

    @contextmanager
    def frozen(self, *networks: str):
        self.rested = networks
        modules = [self.method.get_submodule(name) for name in networks]
        for module in modules:
            module.requires_grad_(False)
        yield
        for module in modules:
            module.requires_grad_(True)


def test_parameters_are_those_of_the_paper() -> None:
    fusion = Fusion(64)
    heads = [fusion.instance_heads, fusion.background_heads]
    assert [len(of) for of in heads] == [13, 13]
    assert sum(p.numel() for of in heads for p in of.parameters()) == 1_078_266


@pytest.mark.parametrize(
    ("box", "stride", "cells"),
    [
        ((10.0, 20.0, 50.0, 60.0), 1, (20, 10, 60, 50)),
        ((10.9, 20.9, 50.9, 60.9), 1, (20, 10, 60, 50)),
        ((10.0, 20.0, 50.0, 60.0), 8, (2, 1, 7, 6)),
        ((17.0, 17.0, 22.0, 22.0), 8, (2, 2, 3, 3)),  # within one cell: that cell
        ((60.0, 0.0, 64.0, 64.0), 8, (0, 7, 8, 8)),
        ((63.5, 63.5, 64.0, 64.0), 8, (7, 7, 8, 8)),
        ((-5.0, -5.0, 100.0, 100.0), 8, (0, 0, 8, 8)),
    ],
)
def test_boxes_in_maps(box: tuple, stride: int, cells: tuple) -> None:
    assert box_cells(box, stride, 64 // stride, 64 // stride) == cells


def test_a_branch_is_zhang17_with_every_place_seen_once() -> None:
    torch.manual_seed(0)
    network, branch = Zhang17Network(4).eval(), Branch(4).eval()
    state = {n: v for n, v in network.state_dict().items() if not n.startswith("classes")}
    branch.load_state_dict(state)
    given, seen = torch.rand(1, 4, 16, 24), {}

    def keep(place: str, feature: torch.Tensor) -> torch.Tensor:
        assert place not in seen
        seen[place] = feature
        return feature

    assert torch.equal(branch(given, keep), network(given)[0])
    assert tuple(seen) == PLACES
    strides = [24 // feature.shape[-1] for feature in seen.values()]
    assert strides == [1, 2, 4, 8, 8, 8, 8, 4, 4, 2, 2, 1, 1]
    assert torch.equal(branch(given, painted=False), seen["conv10_up"])
    # what is put in its place goes on, through the skip to the first block as well
    changed = branch(given, lambda place, map: 0 * map if place == "conv3_3" else map)
    without = {**state, "skip8.weight": 0 * state["skip8.weight"]}
    assert not torch.equal(changed, branch(given))
    branch.load_state_dict(without)
    branch(given, keep_new := lambda place, map: 0 * map if place == "conv3_3" else map)
    assert torch.equal(branch(given, keep_new), changed)


def fused_slowly(fusion: Fusion, place: str, feature, instances, boxes, size) -> torch.Tensor:
    """The fusion as the paper has it: every map padded with zeros to the picture's size."""
    height, width = feature.shape[-2:]
    maps, weights, inside = [], [], torch.zeros(height, width)
    for number, (x1, y1, x2, y2) in enumerate(boxes.tolist()):
        scale = size[0] // height
        left, top = int(x1 / scale), int(y1 / scale)
        right, bottom = max(int(x2 / scale), left + 1), max(int(y2 / scale), top + 1)
        around = (left, width - right, top, height - bottom)
        one = instances[number : number + 1]
        for found, plane in ((maps, one), (weights, fusion.instance_heads[place](one))):
            small = F.interpolate(plane, (bottom - top, right - left), mode="bilinear")
            found.append(F.pad(small, around))
        inside[top:bottom, left:right] = 1
    weights.append(fusion.background_heads[place](feature) + 1e5 * (1 - inside))
    shares = torch.cat(weights, 1).softmax(1)
    return sum(shares[:, i : i + 1] * plane for i, plane in enumerate([*maps, feature]))  # pyright: ignore


@pytest.mark.parametrize("place", ["conv1_2", "conv4_3", "conv9_up"])
def test_fusion_is_a_softmax_over_padded_maps(place: str) -> None:
    torch.manual_seed(0)
    fusion = Fusion(4).eval()
    stride, channels = {"conv1_2": (1, 4), "conv4_3": (8, 32), "conv9_up": (2, 8)}[place]
    feature = torch.randn(1, channels, 64 // stride, 48 // stride)
    instances = torch.randn(2, channels, 32 // stride, 32 // stride)
    boxes = torch.tensor([[3.2, 5.9, 30.0, 40.0], [20.0, 30.0, 47.9, 60.0]])  # they overlap
    for heads in (fusion.instance_heads, fusion.background_heads):
        heads[place][-2].bias.data.fill_(0.5)  # weights that are not all 0 after the ReLU
    cells = [box_cells(box, stride, *feature.shape[-2:]) for box in boxes.tolist()]
    fused = fusion._fused(place, feature, instances, cells)
    expected = fused_slowly(fusion, place, feature, instances, boxes, (64, 48))
    torch.testing.assert_close(fused, expected)
    outside = torch.ones(feature.shape[-2:], dtype=torch.bool)
    for part in cells:
        part.of(outside).fill_(False)
    assert outside.any()
    assert torch.equal(fused[..., outside], feature[..., outside])
    for part in cells:
        assert (part.of(fused) - part.of(feature)).abs().mean() > 0.1


def test_a_picture_without_boxes_is_exactly_the_branch_alone() -> None:
    method, batch = trained(), lab_batch(1)
    given = torch.cat(
        [batch["gray"] - 0.5, torch.zeros(1, 2, 32, 40), -torch.ones(1, 1, 32, 40) / 2], 1
    )
    alone = method.generator(given)
    assert torch.equal(method.predict(batch), alone)
    assert torch.equal(method.predict(Batch(**batch, boxes=[torch.zeros(0, 4)])), alone)
    none = trained(replace(SMALL, max_boxes=0))
    assert torch.equal(none.predict(Batch(**batch, boxes=[BOX])), alone)
    assert (method.predict(Batch(**batch, boxes=[BOX])) - alone).abs().max() > 1e-3


def test_pictures_keep_apart_in_a_batch() -> None:
    method, batch = trained(), lab_batch(3)
    boxes = [BOX, torch.zeros(0, 4), torch.cat([BOX + 3, BOX])]
    together = method.predict(Batch(**batch, boxes=boxes))
    for index, found in enumerate(boxes):
        one = Batch(gray=batch["gray"][index : index + 1], boxes=[found])
        torch.testing.assert_close(together[index : index + 1], method.predict(one))
    swapped = method.predict(Batch(**batch, boxes=boxes[::-1]))
    assert not torch.allclose(swapped[0], together[0], atol=1e-3)


def test_only_networks_that_run_are_counted() -> None:
    assert InstanceAware(SMALL).networks_used == ("generator",)
    assert trained().networks_used == ("generator", "instance", "fusion")


def test_boxes_do_nothing_until_the_fusion_has_learnt() -> None:
    method = trained()
    method.fusion.trained.fill_(False)
    batch = lab_batch(1)
    assert torch.equal(method.predict(Batch(**batch, boxes=[BOX])), method.predict(lab_batch(1)))


def test_objects_are_seen_cut_out_and_only_the_first_so_many() -> None:
    method, batch = trained(replace(SMALL, max_boxes=2)), lab_batch(1)
    seen = []
    method.instance.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    boxes = torch.cat([BOX, torch.tensor([[0.0, 0.0, 40.0, 32.0], [1.0, 1.0, 9.0, 9.0]])])
    method.predict(Batch(**batch, boxes=[boxes]))
    [crops] = seen
    assert crops.shape == (2, 4, 16, 16)
    for crop, part in zip(crops, ((slice(6, 30), slice(4, 20)), (...,)), strict=True):
        cut = batch["gray"][0, 0][part][None, None]
        small = F.interpolate(cut, (16, 16), mode="bilinear", antialias=True)
        torch.testing.assert_close(crop[:1], small[0] - 0.5)
        assert crop[1:3].abs().sum() == 0
        assert crop[3].unique().tolist() == [-0.5]


def test_boxes_stay_in_place_when_a_picture_is_mirrored_out() -> None:
    """At 29 x 35 the network sees 32 x 40, the picture one row down and two columns right."""
    method = trained()
    whole = lab_batch(1)["gray"]
    inner = whole[..., 1:30, 2:37]
    rows, columns = ([1, *range(29), 27, 26], [2, 1, *range(35), 33, 32, 31])
    mirrored = inner[..., rows, :][..., columns]
    offset = torch.tensor([2.0, 1.0, 2.0, 1.0])
    made = method.predict(Batch(gray=inner, boxes=[BOX - offset]))
    expected = method.predict(Batch(gray=mirrored, boxes=[BOX]))
    torch.testing.assert_close(made, expected[..., 1:30, 2:37])


def state_of(method: InstanceAware) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in method.state_dict().items()}


def changed(before: dict, method: InstanceAware) -> set[str]:
    """The networks, and what of them is not the same any more."""
    return {
        n.split(".")[0] for n, v in method.state_dict().items() if not torch.equal(v, before[n])
    }


def test_stages_train_one_network_each() -> None:
    torch.manual_seed(0)
    method = InstanceAware(SMALL)
    batch = Batch(**lab_batch(), boxes=[BOX, torch.zeros(0, 4)])
    steps = [Recorder(method, index) for index in range(3)]
    before = state_of(method)
    method.train().training_step(batch, steps[0])
    assert "generator" in changed(before, method)
    state = method.generator.state_dict()
    assert all(torch.equal(v, state[n]) for n, v in method.instance.state_dict().items())
    for name in ("block10.1.weight", "block10.1.bias", "colors.weight", "colors.bias"):
        assert torch.equal(method.fusion.state_dict()[name], state[name])
    assert not method.fusion.trained

    before = state_of(method)
    method.train().training_step(batch, steps[1])
    assert changed(before, method) == {"instance"}
    assert not method.fusion.trained

    before = state_of(method)
    method.train().training_step(batch, steps[2])
    assert changed(before, method) == {"fusion"}  # nor the running averages of the others
    assert method.fusion.trained
    assert [step.rested for step in steps] == [(), (), ("generator", "instance")]
    assert [list(step.terms) for step in steps] == [
        ["full/huber_ab"],
        ["instance/huber_ab"],
        ["fusion/huber_ab"],
    ]


def test_only_stages_of_objects_need_boxes() -> None:
    assert InstanceAware(SMALL).needs == {"gray", "rgb", "boxes"}
    assert InstanceAware(replace(SMALL, stages=STAGES[:1])).needs == {"gray", "rgb"}


def test_the_fusion_hears_of_every_head() -> None:
    torch.manual_seed(0)
    method = InstanceAware(replace(SMALL, width=8))
    batch = Batch(**lab_batch(), boxes=[BOX, BOX + 2])
    for term in method._losses("fusion", batch).values():
        term.value.backward()
    silent = [n for n, p in method.fusion.named_parameters() if not p.grad.abs().sum() > 0]
    assert silent == []


def test_losses_are_huber_in_ab_units_of_pictures_and_of_crops() -> None:
    method = trained()
    batch = Batch(**lab_batch(1), boxes=[BOX])

    def huber(found: torch.Tensor, rgb: torch.Tensor) -> torch.Tensor:
        error = (110 * found - rgb_to_lab(rgb)[:, 1:]).abs()
        return torch.where(error < 1, error.square() / 2, error - 0.5).sum(1).mean()

    terms = [method._losses(stage.name, batch)[f"{stage.name}/huber_ab"] for stage in STAGES]
    cut = F.interpolate(batch["rgb"][..., 6:30, 4:20], (16, 16), mode="bilinear", antialias=True)
    gray = F.interpolate(batch["gray"][..., 6:30, 4:20], (16, 16), mode="bilinear", antialias=True)
    none = torch.zeros(1, 2, 16, 16)
    crop = method.instance(torch.cat([gray - 0.5, none, none[:, :1] - 0.5], 1))
    alone = method.predict(lab_batch(1))
    for term, expected in zip(
        terms,
        (huber(alone, batch["rgb"]), huber(crop, cut), huber(method.predict(batch), batch["rgb"])),
        strict=True,
    ):
        torch.testing.assert_close(term.value, expected)
        assert term.weight == pytest.approx(10 / 110)


def test_pixels_that_do_not_count_teach_nothing() -> None:
    method = trained()
    batch = Batch(**lab_batch(1), boxes=[BOX])
    batch["valid"] = torch.ones(1, 1, 32, 40)
    batch["valid"][..., 12:] = 0
    terms = {name: method._losses(name, batch) for name in ("full", "instance", "fusion")}
    batch["rgb"] = batch["rgb"].clone()
    batch["rgb"][..., 16:] = 0.5  # crops are averaged from about four pixels
    for name, before in terms.items():
        after = method._losses(name, batch)
        for term in before:
            torch.testing.assert_close(before[term].value, after[term].value)


def test_branches_start_from_a_zhang17_run(tmp_path: Path) -> None:
    torch.manual_seed(1)
    given = Zhang17(Zhang17.Config(width=4)).generator.state_dict()
    path = tmp_path / "best.pt"
    torch.save({"format": FORMAT, "inference": {"generator": given}}, path)
    method = InstanceAware(replace(SMALL, start=str(tmp_path)))
    assert f"both branches from {path}" in method.load_pretrained()
    for branch in (method.generator, method.instance):
        assert torch.equal(branch.state_dict()["block5.2.weight"], given["block5.2.weight"])
    assert torch.equal(method.fusion.state_dict()["colors.weight"], given["colors.weight"])
    wider = InstanceAware(replace(SMALL, width=8, start=str(path)))
    with pytest.raises(UserError, match=r"--method\.start .*does not fit .* of zhang17"):
        wider.load_pretrained()
    lost = InstanceAware(replace(SMALL, start=str(tmp_path / "none.pt")))
    with pytest.raises(UserError, match=r"--method\.start .*no checkpoint with a generator"):
        lost.load_pretrained()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"stages": STAGES[::-1]}, "their order is full, instance, fusion"),
        ({"stages": ()}, "no stage trains anything"),
        ({"crop_size": 20}, "crop-size 20: must be a multiple of 8"),
        ({"max_boxes": -1}, "max-boxes -1"),
    ],
)
def test_settings_are_checked(changes: dict, text: str) -> None:
    with pytest.raises(UserError, match=text):
        InstanceAware(replace(SMALL, **changes))
