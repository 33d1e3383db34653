"""The nodes of ComfyUI, copied and loaded as ComfyUI does, on the tensors that it hands over."""

from __future__ import annotations

import importlib.util
import inspect
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from crosschroma.datasets.base.errors import UserError
from crosschroma.experiments.inference.colorizer import Colorizer
from crosschroma.experiments.video.colorize_video import FrameColorizer
from pictures import smooth_picture

PACK = Path(__file__).resolve().parents[3] / "experiments" / "integrations" / "comfyui"
WORKFLOWS = sorted((PACK / "example_workflows").glob("*.json"))
WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN")


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The folder where ComfyUI looks, under a name that is a path, as there."""
    folder = tmp_path_factory.mktemp("custom_nodes") / "crosschroma"
    shutil.copytree(PACK, folder, ignore=shutil.ignore_patterns("__pycache__"))
    name = str(folder).replace(".", "_x_")
    spec = importlib.util.spec_from_file_location(name, folder / "__init__.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    yield module
    for loaded in [key for key in sys.modules if key.startswith(name)]:
        del sys.modules[loaded]


def run(pack: ModuleType, kind: str, **inputs: Any) -> Any:
    """The first output of a node, called as ComfyUI calls it."""
    node = pack.NODE_CLASS_MAPPINGS[kind]
    outputs = getattr(node(), node.FUNCTION)(**inputs)
    assert len(outputs) == len(node.RETURN_TYPES) == len(node.RETURN_NAMES)
    return outputs[0]


def batch(count: int, height: int = 40, width: int = 56) -> torch.Tensor:
    """Gray pictures as ComfyUI's LoadImage gives them: B x H x W x 3 in [0,1]."""
    pictures = [smooth_picture(height, width, seed)[..., :1] for seed in range(count)]
    return torch.from_numpy(np.stack(pictures).astype(np.float32) / 255).expand(-1, -1, -1, 3)


@pytest.fixture(scope="module")
def nir() -> Colorizer:
    return Colorizer.load("encoder_unet_nir_epfl")


def test_every_node_says_what_comfyui_asks(pack: ModuleType) -> None:
    assert pack.NODE_CLASS_MAPPINGS.keys() == pack.NODE_DISPLAY_NAME_MAPPINGS.keys()
    for node in pack.NODE_CLASS_MAPPINGS.values():
        inputs = node.INPUT_TYPES()
        names = list(inputs["required"]) + list(inputs.get("optional", {}))
        parameters = inspect.signature(getattr(node, node.FUNCTION)).parameters
        assert list(parameters)[1:] == names
        for name in inputs.get("optional", {}):
            assert parameters[name].default is not inspect.Parameter.empty
        assert node.CATEGORY == "crosschroma"


@pytest.mark.parametrize(
    ("weights", "domain"), [("zhang16_photos", "gray"), ("encoder_unet_nir_epfl", "nir")]
)
def test_pictures_are_coloured_as_by_the_colorizer(
    pack: ModuleType, weights: str, domain: str
) -> None:
    colorizer = run(pack, "CrosschromaLoad", weights=weights, device="cpu", size=0)
    assert colorizer.domain == domain
    image = batch(2)
    rgb = run(pack, "CrosschromaColorize", image=image, colorizer=colorizer, strength=0.5)
    assert (rgb.shape, rgb.dtype) == (image.shape, torch.float32)
    assert rgb.min() >= 0
    assert rgb.max() <= 1
    for one, result in zip(image, rgb, strict=True):
        expected = colorizer(one.numpy(), strength=0.5)
        assert np.abs(result.numpy() - expected).max() < 1e-6
    weak = run(pack, "CrosschromaColorize", image=image, colorizer=colorizer, strength=0.0)
    assert np.ptp(weak.numpy(), axis=3).max() < 0.01  # gray
    assert np.ptp(rgb.numpy(), axis=3).max() > 0.02


def test_alpha_is_kept_and_levels_beyond_the_range_are_clamped(
    pack: ModuleType, nir: Colorizer
) -> None:
    image = torch.cat([batch(1), torch.linspace(0, 1, 56).expand(1, 40, 56)[..., None]], dim=3)
    rgba = run(pack, "CrosschromaColorize", image=image, colorizer=nir, strength=1.0)
    assert rgba.shape == image.shape
    assert (rgba[..., 3] == image[..., 3]).all()
    over = image[..., :1].clone()
    over[0, 0, 0] = 1.001
    expected = run(pack, "CrosschromaColorize", image=over.clamp(0, 1), colorizer=nir, strength=1.0)
    got = run(pack, "CrosschromaColorize", image=over, colorizer=nir, strength=1.0)
    assert got.shape == (1, 40, 56, 3)
    assert (got == expected).all()
    with pytest.raises(UserError, match=r"must be BHWC .* not \(1, 40, 56, 2\)"):
        run(pack, "CrosschromaColorize", image=image[..., :2], colorizer=nir, strength=1.0)


def test_frames_are_coloured_in_their_order(pack: ModuleType, nir: Colorizer) -> None:
    frames = torch.cat([batch(1), batch(1) * 0.98, batch(1) * 0.96])
    steady, single = (
        run(
            pack,
            "CrosschromaColorizeVideo",
            images=frames,
            colorizer=nir,
            strength=1.0,
            flicker_reduction=reduced,
        )
        for reduced in (True, False)
    )
    reference = FrameColorizer(nir, measure=False)
    expected = np.stack([reference(frame.numpy()) for frame in frames])
    assert np.abs(steady.numpy() - expected).max() < 1e-6
    alone = run(pack, "CrosschromaColorize", image=frames, colorizer=nir, strength=1.0)
    assert (single == alone).all()
    assert not torch.equal(steady, single)


def test_hints_from_a_mask_colour_its_region(pack: ModuleType, hint_painter: Path) -> None:
    colorizer = run(
        pack, "CrosschromaLoad", weights="", device="cpu", size=0, run=f" {hint_painter} "
    )
    image = torch.full((2, 64, 64, 3), 0.5)
    mask = torch.zeros(1, 32, 32)  # of another size than the picture
    mask[0, 4:8, 20:24] = 1
    mask[0, 28, 3] = 1  # too small for the grid
    hints = run(pack, "CrosschromaHints", mask=mask, color="#c83232", size=3, spacing=0.5)
    inside = {(round(hint.x * 32 - 0.5), round(hint.y * 32 - 0.5)) for hint in hints[0]}
    assert len(inside) == 2
    assert all(mask[0, y, x] for x, y in inside)
    blue = torch.zeros(32, 32)
    blue[20:30, 20:30] = 1
    hints = run(
        pack, "CrosschromaHints", mask=blue, color="3232c8", size=5, spacing=0.1, hints=hints
    )
    rgb = run(
        pack, "CrosschromaColorize", image=image, colorizer=colorizer, strength=1.0, hints=hints
    )
    red, green, blue_level = rgb[0, 10:14, 42:46].mean((0, 1)).tolist()
    assert red > max(green, blue_level) + 0.05
    red, green, blue_level = rgb[0, 44:56, 44:56].mean((0, 1)).tolist()
    assert blue_level > max(red, green) + 0.05
    assert (rgb[0] == rgb[1]).all()


def test_hints_that_do_not_fit_are_refused(
    pack: ModuleType, nir: Colorizer, hint_painter: Path
) -> None:
    mask = torch.ones(2, 8, 8)

    def mark(**changed: Any) -> Any:
        values = {"mask": mask, "color": "#b43c28", "size": 5, "spacing": 0.5} | changed
        return run(pack, "CrosschromaHints", **values)

    with pytest.raises(UserError, match="color red: must be #rrggbb"):
        mark(color="red")
    with pytest.raises(UserError, match="mask of the hints is empty"):
        mark(mask=mask * 0)
    with pytest.raises(UserError, match="takes no hints"):
        run(pack, "CrosschromaColorize", image=batch(2), colorizer=nir, strength=1.0, hints=mark())
    painter = Colorizer.load(hint_painter)
    with pytest.raises(UserError, match="hints of 2 masks do not fit 3"):
        run(
            pack,
            "CrosschromaColorize",
            image=batch(3),
            colorizer=painter,
            strength=1.0,
            hints=mark(),
        )


def test_comfyui_shows_the_progress(
    pack: ModuleType, nir: Colorizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []

    class ProgressBar:
        def __init__(self, total: int) -> None:
            assert total == 3

        def update(self, value: int) -> None:
            steps.append(value)

    utils = ModuleType("comfy.utils")
    utils.__dict__["ProgressBar"] = ProgressBar
    monkeypatch.setitem(sys.modules, "comfy", ModuleType("comfy"))
    monkeypatch.setitem(sys.modules, "comfy.utils", utils)
    run(pack, "CrosschromaColorize", image=batch(3), colorizer=nir, strength=1.0)
    assert steps == [1, 1, 1]


def test_the_folder_says_what_it_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location("without", PACK / "__init__.py")
    assert spec
    assert spec.loader
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match="crosschroma is not installed for ComfyUI's Python"):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_fit_the_nodes(pack: ModuleType, path: Path) -> None:
    flow = json.loads(path.read_text())
    nodes = {node["id"]: node for node in flow["nodes"]}
    for number, source, output, target, entry, kind in flow["links"]:
        out, into = nodes[source]["outputs"][output], nodes[target]["inputs"][entry]
        assert (out["type"], into["type"]) == (kind, kind)
        assert number in out["links"]
        assert into["link"] == number
    used = {node["type"] for node in flow["nodes"]} & pack.NODE_CLASS_MAPPINGS.keys()
    assert len(used) >= 2
    for node in (node for node in flow["nodes"] if node["type"] in used):
        cls = pack.NODE_CLASS_MAPPINGS[node["type"]]
        inputs = {name: kind for part in cls.INPUT_TYPES().values() for name, kind in part.items()}
        is_widget = {n: isinstance(k[0], list) or k[0] in WIDGETS for n, k in inputs.items()}
        linked = [(entry["name"], entry["type"]) for entry in node["inputs"]]
        assert linked == [(n, kind[0]) for n, kind in inputs.items() if not is_widget[n]]
        required = [n for n in cls.INPUT_TYPES()["required"] if not is_widget[n]]
        assert all(e["link"] for e in node["inputs"] if e["name"] in required)
        values = dict(zip([n for n in inputs if is_widget[n]], node["widgets_values"], strict=True))
        for name, value in values.items():
            kind = inputs[name][0]
            if isinstance(kind, list):
                assert value in kind
            else:
                expected = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}[kind]
                assert type(value) is expected
        assert [out["type"] for out in node["outputs"]] == list(cls.RETURN_TYPES)
