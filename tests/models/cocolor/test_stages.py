from __future__ import annotations

from dataclasses import replace

import pytest
from crosschroma.datasets.base.errors import UserError
from crosschroma.models.cocolor.method import CoColor
from crosschroma.models.cocolor.stages import Stage


def test_settings_that_train_nothing_are_named() -> None:
    small = CoColor.Config().smoke()
    with pytest.raises(UserError, match="no stage trains anything"):
        replace(small, stages=()).build()
    with pytest.raises(UserError, match="no stage trains anything"):
        replace(small, gray_branch=False, stages=(Stage(name="translate", steps=3),)).build()
    with pytest.raises(UserError, match="output gray cannot be made from nir"):
        replace(small, output="gray").build()
