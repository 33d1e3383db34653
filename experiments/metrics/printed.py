"""The one list that states direction, unit and digits of every metric; needs no torch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

_NO_WEIGHTS = re.compile(r"download failed|<urlopen|^no \S+\.(pth?|npz|safetensors) in ")
Better = Literal["higher", "lower", "closer"]


@dataclass(frozen=True)
class Printed:
    """How a metric is printed.

    Attributes:
        better: ``higher``, ``lower``, or ``closer`` to the same statistic of the truth.
        unit: its unit, if it has one.
        digits: behind the point, as the field prints them.
    """

    better: Better = "closer"
    unit: str = ""
    digits: int = 3

    def text(self, value: float) -> str:
        """The value with the field's digits."""
        return f"{value:.{self.digits}f}"


# In the order of the columns of tables. Papers print more than is computed here.
PRINTED = {
    "PSNR": Printed("higher", "dB", 2),
    "SSIM7": Printed("higher"),
    "SSIM": Printed("higher"),
    "AE": Printed("lower", "°", 2),
    "LPIPS": Printed("lower"),
    "FID": Printed("lower", "", 2),
    "CF": Printed("closer", "", 2),
    "dCF": Printed("lower", "", 2),
    "RMSE": Printed("lower"),
    "MSE": Printed("lower", "", 4),
    "MAE": Printed("lower", "", 4),
    "dE": Printed("lower", "", 2),
    "dE00": Printed("lower", "", 2),
    "ACC": Printed("higher"),
    "ab_std_ratio": Printed("closer", "", 2),
    "AuC": Printed("higher", "%", 1),
    "AuC balanced": Printed("higher", "%", 1),
    "VGG top-1": Printed("higher", "%", 1),
    "AMT": Printed("higher", "%", 1),
    "LPIPS diversity": Printed("higher", "", 2),
    "time": Printed("lower", "ms", 0),
    "rarity": Printed("higher"),
    "ab": Printed("closer", "CIE Lab"),
}


def printed(name: str) -> Printed:
    """How ``name`` is printed; a variant (``LPIPS-alex``, ``CF_abs``) prints as its family."""
    return PRINTED.get(family(name), Printed())


def family(name: str) -> str:
    """The longest name in ``PRINTED`` that ``name`` begins with as a whole word, or ``name``."""
    fits = (known for known in PRINTED if re.match(rf"{re.escape(known)}(?![A-Za-z0-9])", name))
    return max(fits, key=len, default=name)


def order(name: str) -> tuple[int, str]:
    """Sort key of a metric: the order of ``PRINTED``, then variants and unknown ones by name."""
    names = list(PRINTED)
    known = family(name)
    return (names.index(known) if known in PRINTED else len(names), name)


def label(name: str) -> str:
    """A metric as a column head: name, better direction, unit."""
    spec = printed(name)
    arrow = {"higher": " ↑", "lower": " ↓", "closer": ""}[spec.better]
    unit = f" ({spec.unit})" if spec.unit else ""
    return f"{name}{arrow}{unit}"


def printed_reason(reason: str) -> str:
    """Why a metric is n/a, without the folders and addresses of weights that could not be had."""
    return "backbone weights not at hand" if _NO_WEIGHTS.search(reason) else reason
