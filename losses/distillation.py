"""What a student learns from a teacher."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from ..datasets.base.errors import UserError, unknown

Axis = Literal["channels", "pixels"]


def distillation_kl(
    student: Tensor, teacher: Tensor, temperature: float = 1.0, axis: Axis = "channels"
) -> Tensor:
    """t^2 KL(teacher || student) between softened softmax distributions, averaged over these.

    Paper: Hinton, Vinyals and Dean 2015, "Distilling the Knowledge in a Neural Network", section
    2; t^2 keeps the gradient's size whatever t.

    Args:
        student: BCHW; logits of bins, or regressed planes.
        teacher: the same shape; no gradient flows to it.
        temperature: t, above 0.
        axis: what the softmax runs over. ``channels``: at every pixel, a distribution over C bins;
            of two regressed planes a and b it sees only a - b. ``pixels``: in every channel, a
            distribution over places; it sees no constant that is added to a plane.

    Returns:
        Scalar from 0.

    Raises:
        UserError: an unknown ``axis``, or a temperature that is not positive.
    """
    if axis not in Axis.__args__:
        raise UserError(unknown("axis of distillation", axis, Axis.__args__))
    if temperature <= 0:
        raise UserError(f"temperature {temperature} of distillation: must be above 0")
    ours, theirs = student.float() / temperature, teacher.detach().float() / temperature
    if axis == "pixels":
        ours, theirs = (x.flatten(2).transpose(1, 2) for x in (ours, theirs))
    log_ours, log_theirs = (F.log_softmax(x, dim=1) for x in (ours, theirs))
    divergence = F.kl_div(log_ours, log_theirs, reduction="none", log_target=True).sum(1)
    return temperature**2 * divergence.mean()
