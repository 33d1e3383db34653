"""The gallery picture: its size, its figures and its error maps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from crosschroma.datasets.base.errors import UserError
from crosschroma.experiments.compare.gallery import (
    ERROR_LIMIT,
    GalleryRow,
    absolute_error,
    error_map,
    gallery,
)
from PIL import Image

TARGET = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(0))
COLUMNS = {"NIR": TARGET[:, :1], "unet": TARGET * 0.9, "target": TARGET}


def brightness(colours: torch.Tensor) -> torch.Tensor:
    weights = torch.tensor([0.2126, 0.7152, 0.0722])[:, None, None]
    return (colours * weights).sum(1)


def rows_of(
    keys: list[str], columns: dict[str, torch.Tensor], target: str | None = None
) -> list[GalleryRow]:
    return [
        GalleryRow(key=key, images={name: b[at] for name, b in columns.items()}, target=target)
        for at, key in enumerate(keys)
    ]


def test_error_is_the_mean_over_channels() -> None:
    prediction = torch.zeros(1, 3, 2, 2)
    target = torch.tensor([0.1, 0.2, 0.6])[None, :, None, None].expand(1, 3, 2, 2)
    torch.testing.assert_close(absolute_error(prediction, target), torch.full((1, 1, 2, 2), 0.3))


def test_error_map_is_black_where_equal_and_brightens_with_the_error() -> None:
    black = error_map(TARGET, TARGET)
    assert black.shape == TARGET.shape
    assert black.max() < 0.03
    ramp = torch.linspace(0, ERROR_LIMIT, 64).expand(1, 3, 1, 64)
    shown = brightness(error_map(ramp, torch.zeros_like(ramp)))[0, 0]
    assert (shown.diff() > 0).all()
    beyond = error_map(torch.ones(1, 3, 1, 1), torch.zeros(1, 3, 1, 1))
    torch.testing.assert_close(brightness(beyond)[0, 0, 0], shown[-1])


def test_a_wider_limit_shows_less() -> None:
    one, zero = torch.full((1, 3, 1, 1), 0.1), torch.zeros(1, 3, 1, 1)
    assert brightness(error_map(one, zero, 1.0)) < brightness(error_map(one, zero, 0.2))


def test_a_nan_prediction_shows_as_the_largest_error() -> None:
    broken = TARGET.clone()
    broken[0, :, 5, 5] = float("nan")
    shown = brightness(error_map(broken, TARGET))
    assert shown[0, 5, 5] > 0.9
    assert shown.isfinite().all()


def test_the_picture_holds_the_pixels_and_their_error_in_order(tmp_path: Path) -> None:
    path = tmp_path / "new" / "gallery.png"
    picture = gallery(rows_of(["a", "b"], COLUMNS, "target"), path)
    assert picture.size == (2 * 16 + 4 * 128 + 3 * 6, picture.height)
    assert 2 * 128 < picture.height < 2 * 128 + 200
    written = np.asarray(Image.open(path))
    np.testing.assert_array_equal(written, np.asarray(picture))
    assert [file.name for file in path.parent.iterdir()] == ["gallery.png"]
    shown = {
        0: COLUMNS["NIR"].expand(-1, 3, -1, -1),
        1: COLUMNS["unet"],
        2: error_map(COLUMNS["unet"], TARGET),
        3: TARGET,
    }
    for column, images in shown.items():
        left = 16 + column * 134
        cells = [np.round(image.permute(1, 2, 0).numpy() * 255) for image in images]
        strip = written[:, left : left + 128].astype(float)
        tops = [
            top
            for cell in cells
            for top in range(len(strip) - 128 + 1)
            if np.abs(strip[top : top + 128] - cell).max() <= 1
        ]
        assert len(tops) == 2
        assert tops[0] < tops[1]


def test_error_maps_can_be_left_out() -> None:
    plain = gallery(rows_of(["a", "b"], COLUMNS, "target"), errors=False)
    whole = gallery(rows_of(["a", "b"], COLUMNS, "target"))
    assert plain.size[0] == 2 * 16 + 3 * 128 + 2 * 6
    assert plain.size[1] < whole.size[1]  # no scale below
    last = np.asarray(whole)[:, 16 + 3 * 134 : 16 + 3 * 134 + 128]
    assert (np.asarray(plain)[16:280, 16 + 2 * 134 :][:, :128] == last[16:280]).all()


def test_the_white_ground_and_dark_letters() -> None:
    pixels = np.asarray(gallery(rows_of(["a", "b"], COLUMNS, "target")))
    assert (pixels[:10] == 255).all()
    assert (pixels[:, :16] == 255).all()
    heading = pixels[16:28, 16:144]
    assert heading.min() < 60


def test_without_a_target_there_is_neither_error_nor_scale() -> None:
    plain = gallery(rows_of(["a"], {"NIR": TARGET[:1, :1], "unet": TARGET[:1]}))
    assert plain.width == 2 * 16 + 2 * 128 + 6


def test_rows_of_different_sizes_keep_their_shape() -> None:
    rows = [
        GalleryRow(
            key="wide", images={"gray": torch.zeros(1, 60, 120), "out": torch.zeros(3, 60, 120)}
        ),
        GalleryRow(
            key="high", images={"gray": torch.zeros(1, 120, 60), "out": torch.zeros(3, 120, 60)}
        ),
    ]
    picture = gallery(rows)
    pixels = np.asarray(picture)
    black = (pixels[:, 16 : 16 + 120] == 0).all((1, 2)).sum()
    assert picture.width == 2 * 16 + 2 * 120 + 6
    assert black == 60 + 240


def test_many_columns_and_long_names_stay_within_the_page() -> None:
    columns = {"NIR": TARGET[:, :1]}
    columns |= {f"a method with quite a long name {n}": TARGET * 0.9 for n in range(5)}
    picture = gallery(rows_of(["folder/" * 20 + "x", "b"], {**columns, "t": TARGET}, "t"))
    assert picture.width <= 1700
    # 12 cells: headings, notes and pictures stay out of the gaps between them
    width = (picture.width - 2 * 16 + 6) // 12 - 6
    pixels = np.asarray(picture)[: 16 + 2 * (width + 30)]
    for cell in range(11):
        left = 16 + cell * (width + 6) + width
        assert (pixels[:, left + 1 : left + 5] > 200).all()


def test_rows_with_other_columns_are_named() -> None:
    rows = rows_of(["a"], COLUMNS, "target") + rows_of(["odd"], {"NIR": TARGET[:, :1]})
    with pytest.raises(UserError, match=r"odd has the columns NIR"):
        gallery(rows)
    with pytest.raises(UserError, match="no images"):
        gallery([])


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        gallery(rows_of(["a", "b"], COLUMNS, "target"), tmp_path / "file" / "gallery.png")
