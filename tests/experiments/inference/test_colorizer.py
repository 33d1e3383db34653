"""Pictures in, pictures out: sizes, luminance, kinds of input, tiles, strength, hints."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from crosschroma.datasets.base.batch import Batch
from crosschroma.datasets.base.color import (
    AB_SCALE,
    lab_from_uint8,
    lightness_from_uint8,
    rgb_to_lab,
)
from crosschroma.datasets.base.errors import DataError, UserError
from crosschroma.experiments.inference.colorizer import Colorizer
from crosschroma.experiments.inference.palette import Palette
from crosschroma.models.base.domain import output_to_rgb
from crosschroma.models.base.generator import GeneratorMethod
from crosschroma.models.color.hint_points import HintPoint
from crosschroma.models.instance_aware.method import InstanceAware
from crosschroma.models.unet import UNet
from pictures import smooth_picture
from PIL import Image


def colorizer(domain: str, size: int | None = 64, **options) -> Colorizer:
    torch.manual_seed(0)
    return Colorizer(UNet.Config(domain=domain, width=4, levels=3).build(), size, **options)


class Tint(GeneratorMethod):
    """ab of one value everywhere, or the given hints; NIR as it is."""

    name = "tint"
    takes_hints = True

    @dataclass(frozen=True, kw_only=True)
    class Config(GeneratorMethod.Config):
        domain: str = "gray"

    def __init__(self, config: Config) -> None:
        super().__init__(config.domain)
        self.seen: list[tuple[int, int]] = []

    def optimizers(self) -> dict:
        return {}

    def predict(self, batch: Batch) -> torch.Tensor:
        plane = batch[self.domain]
        self.seen.append(tuple(plane.shape[-2:]))
        if self.domain == "nir":
            return (2 * plane - 1).expand(-1, 3, -1, -1)
        if "hints" in batch:
            return batch["hints"][:, :2]
        return torch.full_like(plane, 10 / AB_SCALE).expand(-1, 2, -1, -1)


@pytest.mark.parametrize("size", [(48, 64), (300, 211), (33, 500)])
@pytest.mark.parametrize("domain", ["gray", "nir"])
def test_any_size_comes_back(domain: str, size: tuple[int, int]) -> None:
    colored = colorizer(domain)(smooth_picture(*size))
    assert colored.shape == (*size, 3)
    assert colored.dtype == np.uint8


@pytest.mark.parametrize("domain", ["gray", "nir"])
def test_at_its_own_size_it_is_the_system(domain: str) -> None:
    colorize = colorizer(domain, None)
    image = smooth_picture(40, 56)
    plane = (
        lightness_from_uint8(image) if domain == "gray" else image.mean(2, dtype=np.float32) / 255
    )
    batch = Batch(key=["a"], **{domain: torch.from_numpy(plane)[None, None]})
    with torch.no_grad():
        rgb = colorize.colors.method.colorize(batch)[0].permute(1, 2, 0)
    assert np.abs(colorize(image).astype(float) - 255 * rgb.numpy()).max() <= 0.51


def test_luminance_is_kept_at_full_resolution() -> None:
    """Fine detail far beyond the network's 64 pixels survives, up to 8-bit rounding."""
    image = smooth_picture(400, 300)
    image[::2, ::3] //= 2
    given = lab_from_uint8(image)[..., 0]
    colored = lab_from_uint8(np.ascontiguousarray(colorizer("gray")(image)))[..., 0]
    assert np.abs(colored - given).mean() < 0.3
    assert np.abs(colored - given).max() < 2.0


def test_sixteen_bits_keep_luminance_finer_than_eight() -> None:
    levels = np.linspace(20000, 21000, 64 * 64).astype(np.uint16).reshape(64, 64)
    colored = colorizer("gray")(levels)
    assert colored.dtype == np.uint16

    def lightness(rgb: np.ndarray) -> np.ndarray:
        unit = torch.from_numpy(rgb / 65535).permute(2, 0, 1)
        return rgb_to_lab(unit)[0].numpy()

    given = lightness(np.repeat(levels[..., None], 3, 2))
    assert np.abs(lightness(colored) - given).max() < 0.01  # one 8-bit level is 0.4 here
    assert np.unique(colored[..., 1]).size > 300


def test_kinds_of_input_agree() -> None:
    colorize = colorizer("gray")
    image = smooth_picture(50, 60)
    expected = colorize(image)
    assert np.array_equal(np.asarray(colorize(Image.fromarray(image))), expected)
    single = colorize(image.astype(np.float64) / 255)
    assert single.dtype == np.float32
    assert np.abs(255 * single - expected).max() < 0.6
    tensor = torch.from_numpy(image / 255).permute(2, 0, 1)
    for given in (tensor, tensor.float()[None].expand(2, -1, -1, -1)):
        colored = colorize(given)
        assert colored.shape == given.shape
        last = colored[-1] if given.ndim == 4 else colored
        assert np.abs(255 * last.permute(1, 2, 0).numpy() - expected).max() < 0.6
    plane = torch.rand(30, 20)
    assert torch.equal(colorize(plane), colorize(plane[None]))


def test_pillow_images_keep_alpha_and_orientation() -> None:
    image = Image.fromarray(smooth_picture(40, 60))
    image.putalpha(Image.fromarray(smooth_picture(40, 60, 1)[..., 0]))
    colored = colorizer("gray")(image)
    assert colored.mode == "RGBA"
    assert colored.getchannel("A").tobytes() == image.getchannel("A").tobytes()
    image.getexif()[0x0112] = 6  # the top is at the right
    turned = colorizer("gray")(image)
    assert turned.size == (40, 60)


@pytest.mark.parametrize("domain", ["gray", "nir"])
def test_a_path_is_read_as_pillow_reads_it(domain: str, tmp_path: Path) -> None:
    colorize = colorizer(domain)
    image = Image.fromarray(smooth_picture(40, 60))
    image.putalpha(Image.fromarray(smooth_picture(40, 60, 1)[..., 0]))
    image.save(tmp_path / "photo.png")
    expected = colorize(image)
    for path in (tmp_path / "photo.png", str(tmp_path / "photo.png")):
        colored = colorize(path)
        assert colored.mode == "RGBA"
        assert colored.tobytes() == expected.tobytes()


def test_a_path_without_a_picture_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.png"):
        colorizer("gray")(tmp_path / "nowhere.png")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "YCbCr", "I;16", "I", "F"])
def test_any_mode_of_pillow(mode: str) -> None:
    gray = Image.fromarray(smooth_picture(40, 50)[..., 0])
    image = Image.fromarray((np.asarray(gray) / 255).astype(np.float32)) if mode == "F" else gray
    image = image.convert("I").convert(mode) if mode == "I;16" else image.convert(mode)
    assert colorizer("gray")(image).size == (50, 40)


def test_gray_levels_and_equal_rgb_are_the_same_input() -> None:
    plane = smooth_picture(50, 60)[..., 0]
    colorize = colorizer("gray")
    assert np.array_equal(colorize(plane), colorize(np.repeat(plane[..., None], 3, 2)))


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (np.zeros((40, 40), np.int32), "int32"),
        (np.zeros((40, 40, 4), np.uint8), r"\(40, 40, 4\)"),
        (np.full((40, 40), 1.5), r"\[1.5, 1.5\]"),
        (np.full((40, 40), np.nan), "nan"),
        (torch.zeros(2, 40, 40), r"\(2, 40, 40\)"),
        (torch.zeros(40, 40, dtype=torch.uint8), "uint8"),
    ],
)
def test_what_is_no_picture_is_named(given, named: str) -> None:
    with pytest.raises(DataError, match=named):
        colorizer("gray")(given)


def test_strength_scales_the_chroma() -> None:
    colorize = Colorizer(Tint.Config().build(), 64)
    image = np.full((40, 40), 128, np.uint8)
    for strength in (0.0, 0.5, 1.0, 2.0):
        lab = lab_from_uint8(np.ascontiguousarray(colorize(image, strength=strength)))
        assert np.abs(lab[..., 1:] - 10 * strength).max() < 1
    nir = colorizer("nir")
    gray = lab_from_uint8(np.ascontiguousarray(nir(smooth_picture(40, 40), strength=0)))
    assert np.abs(gray[..., 1:]).max() < 1
    full = lab_from_uint8(np.ascontiguousarray(nir(smooth_picture(40, 40))))
    assert np.abs(gray[..., 0] - full[..., 0]).max() < 1
    for wrong in (-0.1, 4.0, float("nan")):
        with pytest.raises(UserError, match=f"strength {wrong}"):
            colorize(image, strength=wrong)


def test_large_nir_pictures_are_seen_in_tiles_without_a_seam() -> None:
    method = Tint.Config(domain="nir").build()
    colorize = Colorizer(method, None, tile=64)
    plane = smooth_picture(150, 90)[..., 0]
    assert np.array_equal(colorize(plane), np.repeat(plane[..., None], 3, 2))
    assert set(method.seen) == {(64, 64)}
    assert len(method.seen) == 3 * 2
    method.seen.clear()
    colorize(plane[:64, :64])
    assert method.seen == [(64, 64)]


@pytest.mark.parametrize("domain", ["gray", "nir"])
def test_a_network_sees_its_own_size(domain: str) -> None:
    method = Tint.Config(domain=domain).build()
    Colorizer(method, 32)(smooth_picture(100, 200))
    assert method.seen == [(32, 64)]


def test_enlarged_colours_take_the_detail_of_nir() -> None:
    plane = smooth_picture(100, 200)[..., 0]
    plane[40:60, 80:120] = 255 - plane[40:60, 80:120]
    made = Colorizer(Tint.Config(domain="nir").build(), 32)(plane).astype(int)
    blurred = Image.fromarray(plane).resize((64, 32), Image.Resampling.BILINEAR)
    blurred = np.array(blurred.resize((200, 100), Image.Resampling.BILINEAR)).astype(int)
    error = np.abs(made - plane[..., None]).mean()
    assert error < 0.3 * np.abs(blurred - plane).mean()


def test_hints_reach_the_method_where_they_were_put() -> None:
    """A point on a picture of 200 pixels, seen by the network at 50."""
    colorize = Colorizer(Tint.Config().build(), 50)
    hint = HintPoint(x=150.0, y=40.0, a=40.0, b=-20.0, size=9)
    image = np.full((200, 200), 128, np.uint8)
    lab = lab_from_uint8(np.ascontiguousarray(colorize(image, hints=[hint])))
    assert np.abs(lab[40, 150, 1:] - [40, -20]).max() < 1
    assert np.abs(lab[150, 40, 1:]).max() < 0.5
    with pytest.raises(UserError, match="unet takes no hints"):
        colorizer("gray")(image, hints=[hint])


class Finder(Tint):
    """Paints its objects, and nothing else; notes the boxes that it was given."""

    takes_boxes = True

    def __init__(self, config: Tint.Config) -> None:
        super().__init__(config)
        self.boxes: list[list[list[float]]] = []

    def predict(self, batch: Batch) -> torch.Tensor:
        ab = torch.zeros_like(batch["gray"]).repeat(1, 2, 1, 1)
        [boxes] = batch.get("boxes", [torch.zeros(0, 4)])
        self.boxes.append(boxes.tolist())
        for left, top, right, bottom in boxes.int().tolist():
            ab[..., top:bottom, left:right] = 30 / AB_SCALE
        return ab


def test_boxes_reach_the_method_where_they_are() -> None:
    """Of a picture of 100 x 200 pixels, seen by the network at 50 x 100."""
    method = Finder(Tint.Config())
    colorize = Colorizer(method, 50)
    image = np.full((100, 200), 128, np.uint8)
    boxes = [(120.0, 20.0, 160.0, 60.0), (190.0, 90.0, 230.0, 130.0), (199.0, 0.0, 199.9, 50.0)]
    ab = lab_from_uint8(np.ascontiguousarray(colorize(image, boxes=boxes)))[..., 1:]
    assert method.boxes == [[[60, 10, 80, 30], [95, 45, 100, 50]]]  # cut, and no slivers
    assert np.abs(ab[40, 140] - 30).max() < 1
    assert np.abs(ab[70, 140]).max() < 1
    colorize(image, boxes=[])
    colorize(image)
    assert method.boxes[1:] == [[], []]
    with pytest.raises(UserError, match="unet takes no boxes of objects; instance_aware does"):
        colorizer("gray")(image, boxes=[])


def test_every_tile_has_its_part_of_the_boxes() -> None:
    method = Finder(Tint.Config())
    image = np.full((64, 120), 128, np.uint8)
    colorize = Colorizer(method, None, tile=64)
    ab = lab_from_uint8(np.ascontiguousarray(colorize(image, boxes=[(40, 8, 90, 40)])))[..., 1:]
    assert method.boxes == [[[40, 8, 64, 40]], [[0, 8, 34, 40]]]  # from columns 0 and 56
    assert np.abs(ab[8:40, 40:90] - 30).max() < 1
    outside = np.ones((64, 120), bool)
    outside[8:40, 40:90] = False
    assert np.abs(ab[outside]).max() < 1


def test_objects_are_coloured_as_by_the_method_itself() -> None:
    torch.manual_seed(0)
    method = InstanceAware.Config(width=4, crop_size=16).build().eval()
    with torch.no_grad():  # a fusion that has learnt something
        for parameter in method.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    method.fusion.trained.fill_(True)
    image = smooth_picture(48, 64)
    box = (8.0, 4.0, 40.0, 30.0)
    gray = torch.from_numpy(lightness_from_uint8(image))[None, None]
    with torch.no_grad():
        rgb = method.colorize(Batch(key=["a"], gray=gray, boxes=[torch.tensor([box])]))
    colorize = Colorizer(method, None)
    colored = colorize(image, boxes=[box])
    assert np.abs(colored - 255 * rgb[0].permute(1, 2, 0).numpy()).max() <= 0.51
    assert not np.array_equal(colored, colorize(image))


def test_hints_are_obeyed_under_a_palette() -> None:
    """The transfer of the whole picture's colours leaves the hinted one as it was given."""
    colorize = Colorizer(Tint.Config().build(), None)
    image = np.full((60, 60), 128, np.uint8)
    grass = np.tile(np.array([60, 120, 50], np.uint8), (60, 60, 1))
    grass[:20] += 30
    palette = Palette.of(grass)
    hint = HintPoint(x=30, y=30, a=10.0, b=40.0, size=9)
    plain = lab_from_uint8(colorize(image, palette=palette))[5, 5, 1:]
    assert plain == pytest.approx(palette.ab_mean, abs=1)
    hinted = lab_from_uint8(colorize(image, hints=[hint], palette=palette))
    assert hinted[30, 30, 1:] == pytest.approx([10, 40], abs=1)
    assert np.abs(hinted[30, 30, 1:] - plain).max() > 5


def test_a_picture_is_painted_once_for_several_sizes() -> None:
    colorize = colorizer("gray")
    image = smooth_picture(200, 300)
    seen = colorize.prepare(image)
    colors = colorize.predict(seen)
    assert np.array_equal(colorize.render(seen, colors), colorize(image))
    small = seen.shrunk(75)
    assert small.plane.shape[-2:] == (50, 75)
    assert seen.shrunk(300) is seen
    shown = colorize.render(small, colors)
    whole = np.array(Image.fromarray(colorize(image)).resize((75, 50), Image.Resampling.BOX))
    assert np.abs(shown.astype(int) - whole).mean() < 2
    assert np.array_equal(colorize.shown_input(seen), colorize.shown_input(image))


def test_suggestions_come_from_the_place_that_was_asked_for() -> None:
    class Namer(Tint):
        def suggest(self, batch: Batch, x: int, y: int, count: int = 5) -> list:
            assert batch["hints"][0, 2].sum() == 1
            return [(x, y, tuple(batch["gray"].shape[-2:]))]

    colorize = Colorizer(Namer(Tint.Config()), 50)
    assert colorize.suggests
    seen = colorize.prepare(np.full((100, 200), 128, np.uint8))
    hint = HintPoint(x=0, y=0, a=0, b=0, size=1)
    assert colorize.suggest(seen, 150.2, 41, [hint]) == [(75, 20, (50, 100))]
    assert colorize.suggest(seen, 199.4, 99.4, [hint]) == [(99, 49, (50, 100))]
    with pytest.raises(UserError, match="outside"):
        colorize.suggest(seen, 200, 0, [hint])
    assert not colorizer("gray").suggests
    with pytest.raises(UserError, match="unet suggests no colours"):
        colorizer("gray").suggest(seen, 0, 0)


def test_what_is_given_is_shown() -> None:
    image = smooth_picture(40, 40)
    shown = colorizer("gray").shown_input(image)
    assert np.ptp(shown.astype(int), axis=2).max() <= 1
    difference = lab_from_uint8(shown)[..., 0] - lab_from_uint8(image)[..., 0]
    assert np.abs(difference).max() < 1
    plane = image[..., 0]
    assert np.array_equal(colorizer("nir").shown_input(plane), np.repeat(plane[..., None], 3, 2))


def test_a_method_that_needs_both_planes_is_refused() -> None:
    class Both(UNet):
        domain = "both"

    with pytest.raises(UserError, match="gray and NIR together"):
        Colorizer(Both(UNet.Config(width=4, levels=2)), 64)


def test_a_method_without_predict_gives_ab_of_its_rgb() -> None:
    class Own(UNet):
        def colorize(self, batch: Batch) -> torch.Tensor:
            return output_to_rgb("gray", self.predict(batch), batch)

    config = UNet.Config(domain="gray", width=4, levels=2)
    torch.manual_seed(1)
    own = Colorizer(Own(config), None)
    torch.manual_seed(1)
    plain = Colorizer(UNet(config), None)
    image = smooth_picture(32, 40)
    assert np.abs(own(image).astype(int) - plain(image)).max() <= 1
