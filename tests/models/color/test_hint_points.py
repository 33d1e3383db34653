"""Hints: points as planes, and the simulation's distribution."""

from __future__ import annotations

import pytest
import torch
from crosschroma.datasets.base.errors import UserError
from crosschroma.models.color.hint_points import HintPoint, points_to_hints, reveal, simulate_hints


def rows_and_columns(mask: torch.Tensor) -> tuple[list[int], list[int]]:
    filled = mask.nonzero()
    return sorted({int(r) for r in filled[:, 0]}), sorted({int(c) for c in filled[:, 1]})


def test_a_point_is_a_square_about_it() -> None:
    hints = points_to_hints([HintPoint(x=10, y=4, a=55, b=-22, size=3)], 16, 24)
    assert hints.shape == (1, 3, 16, 24)
    assert rows_and_columns(hints[0, 2]) == ([3, 4, 5], [9, 10, 11])
    torch.testing.assert_close(hints[0, :, 4, 10], torch.tensor([0.5, -0.2, 1.0]))
    assert hints.abs().sum().item() == pytest.approx(9 * 1.7)


@pytest.mark.parametrize(
    ("x", "y", "rows", "columns"),
    [(0, 0, [0, 1, 2, 3, 4], [0, 1, 2, 3, 4]), (23, 15, [11, 12, 13, 14, 15], list(range(19, 24)))],
)
def test_squares_stay_inside(x: int, y: int, rows: list, columns: list) -> None:
    hints = points_to_hints([HintPoint(x=x, y=y, a=0, b=10, size=5)], 16, 24)
    assert rows_and_columns(hints[0, 2]) == (rows, columns)


def test_points_of_a_larger_picture_are_scaled() -> None:
    """Pixels 40 to 43 of 96 are pixel 10 of 24."""
    for x in (40, 43):
        hints = points_to_hints([HintPoint(x=x, y=63, a=1, b=1, size=1)], 16, 24, (64, 96))
        assert rows_and_columns(hints[0, 2]) == ([15], [10])


def test_the_later_point_covers_the_earlier() -> None:
    one, two = HintPoint(x=8, y=8, a=110, b=0, size=3), HintPoint(x=9, y=8, a=-110, b=0, size=1)
    assert points_to_hints([one, two], 16, 16)[0, 0, 8, 8:11].tolist() == [1, -1, 0]
    assert points_to_hints([two, one], 16, 16)[0, 0, 8, 8:11].tolist() == [1, 1, 0]


def test_no_points_are_no_hints() -> None:
    assert points_to_hints([], 8, 8).abs().sum() == 0


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"x": -1}, "x -1: must be 0 or more"),
        ({"y": float("nan")}, "y nan"),
        ({"a": 111}, "a 111: must be -110 to 110"),
        ({"b": float("nan")}, "b nan"),
        ({"size": 0}, "size 0: must be a whole number from 1 to 9"),
        ({"size": 2.5}, "size 2.5"),
        ({"size": 10}, "size 10"),
    ],
)
def test_points_are_checked(values: dict, text: str) -> None:
    with pytest.raises(UserError, match=text):
        HintPoint(**{"x": 1, "y": 1, "a": 0, "b": 0, **values})


def test_a_point_outside_the_picture_is_named() -> None:
    with pytest.raises(UserError, match="x 24, y 3 lies outside the picture, which is 24 wide"):
        points_to_hints([HintPoint(x=24, y=3, a=0, b=0)], 16, 24)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_what_is_revealed_is_the_mean_of_the_square() -> None:
    ab = torch.rand(2, 20, 30, generator=generator(0))
    hint = torch.zeros(3, 20, 30)
    reveal(ab, hint, 4, generator(1))
    rows, columns = rows_and_columns(hint[2])
    assert (len(rows), len(columns)) == (4, 4)
    inside = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    mean = ab[:, *inside].mean((1, 2))
    torch.testing.assert_close(hint[:2, *inside], mean[:, None, None].expand(2, 4, 4))
    assert hint[:, hint[2] == 0].abs().sum() == 0


def test_a_square_is_at_most_the_image() -> None:
    hint = torch.zeros(3, 4, 6)
    reveal(torch.ones(2, 4, 6), hint, 9, generator(0))
    assert hint[2].sum() == 16


def test_places_are_normal_about_the_middle() -> None:
    """Corner of a 1-pixel square along 101 pixels: mean 50.5, standard deviation 25.25, clipped."""
    random, places = generator(0), []
    for _ in range(3000):
        hint = torch.zeros(3, 101, 101)
        reveal(torch.ones(2, 101, 101), hint, 1, random)
        places.append(hint[2].nonzero()[0])
    found = torch.stack(places).float()
    assert found.mean(0).tolist() == pytest.approx([50, 50], abs=2)
    assert (found.sub(50.5).abs() < 25.25).float().mean(0).tolist() == pytest.approx(
        [0.68, 0.68], abs=0.04
    )
    assert found.min() == 0
    assert found.max() == 100
    assert torch.corrcoef(found.T)[0, 1].abs() < 0.06


def test_counts_are_geometric_and_sides_uniform(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[list[int]] = []
    monkeypatch.setattr(
        "crosschroma.models.color.hint_points.reveal",
        lambda ab, hint, size, random: sizes[-1].append(size),
    )
    random = generator(0)
    for _ in range(3000):
        sizes.append([])
        simulate_hints(torch.zeros(1, 2, 8, 8), 1 / 8, 0.0, random)
    counts = torch.tensor([len(found) for found in sizes]).float()
    assert counts.mean().item() == pytest.approx(7, abs=0.5)
    for count in range(3):
        expected = (7 / 8) ** count / 8
        assert (counts == count).float().mean().item() == pytest.approx(expected, abs=0.02)
    sides = torch.tensor([size for found in sizes for size in found])
    shares = torch.bincount(sides, minlength=11) / len(sides)
    assert shares[1:10].tolist() == pytest.approx([1 / 9] * 9, abs=0.01)
    assert shares[0] + shares[10] == 0


def test_some_images_are_revealed_whole() -> None:
    ab = torch.rand(400, 2, 4, 4, generator=generator(0)) - 0.5
    hints = simulate_hints(ab, stop=1.0, everything=0.25, generator=generator(1))
    whole = hints[:, 2].flatten(1).all(1)
    assert whole.float().mean().item() == pytest.approx(0.25, abs=0.06)
    assert torch.equal(hints[whole, :2], ab[whole])
    assert hints[~whole].abs().sum() == 0


def test_simulation_is_seeded() -> None:
    ab = torch.rand(4, 2, 16, 16)
    one, two = (simulate_hints(ab, 1 / 8, 0.1, generator(3)) for _ in range(2))
    assert torch.equal(one, two)
    assert not torch.equal(one, simulate_hints(ab, 1 / 8, 0.1, generator(4)))
