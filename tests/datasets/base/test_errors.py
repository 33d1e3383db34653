"""What a wrong name is answered with."""

from __future__ import annotations

import pytest
from crosschroma.datasets.base.errors import did_you_mean, nearest, unknown

MANY = [f"recipe_{i:02}" for i in range(60)] + ["unet_vcip", "Unet_Large", "unet_small"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("unet_vicp", ["unet_vcip", "unet_small", "Unet_Large"]),
        ("UNET_VCIP", ["unet_vcip", "unet_small", "Unet_Large"]),
        ("unet", ["Unet_Large", "unet_small", "unet_vcip"]),
        ("", []),
        ("$$", []),
    ],
)
def test_the_nearest_names(name: str, expected: list[str]) -> None:
    assert nearest(name, MANY) == expected
    assert nearest(name, MANY, count=1) == expected[:1]


def test_few_names_are_all_said_and_many_are_not() -> None:
    few = unknown("colour", "grean", ["green", "red"])
    assert few == "unknown colour 'grean'; did you mean green? (known: green, red)"
    many = unknown("recipe", "unet_v", MANY, "`list`")
    assert many == (
        "unknown recipe 'unet_v'; did you mean unet_vcip, unet_small or Unet_Large? "
        "(63 are known, `list` names them)"
    )
    assert unknown("recipe", "?", MANY) == "unknown recipe '?' (63 are known)"


def test_of_a_mapping_the_values_are_said() -> None:
    assert did_you_mean("unt", {"unet": "runs/unet"}) == "; did you mean runs/unet?"
    assert did_you_mean("x", {"unet": "runs/unet"}) == ""
