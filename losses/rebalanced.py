"""Cross-entropy over colour bins, with rare colours weighted up."""

from __future__ import annotations

import torch
from torch import Tensor

from ..datasets.base.errors import UserError


def rebalancing_weights(prior: Tensor, uniform: float) -> Tensor:
    """Weight of each bin: the inverse of its smoothed frequency mixed with a uniform one.

    Paper: Zhang et al. 2016, section 2.2: w = 1 / ((1 - lambda) p + lambda / Q), scaled so that
    sum p w = 1; lambda = 1/2.
    As in the released code the uniform part is spread over the bins that occur. Differs: a bin that
    does not occur has the weight of one that is infinitely rare, not an infinite one.

    Args:
        prior: Q frequencies p, which sum to 1.
        uniform: lambda, the uniform share; 1 weights all bins alike.

    Returns:
        Q weights.

    Raises:
        UserError: ``uniform`` outside [0,1], or 0 where a bin does not occur.
    """
    if not 0 <= uniform <= 1:
        raise UserError(f"uniform share {uniform}: must be between 0 and 1; 0.5 is usual")
    # looked at only where a bin can be without weight: a GPU would wait for the answer
    if uniform == 0 and not bool((prior > 0).all()):
        raise UserError(
            "uniform share 0: a colour that the prior does not hold would weigh infinitely; take "
            "a larger one (0.5 is usual)"
        )
    weights = 1 / ((1 - uniform) * prior + uniform / (prior > 0).sum())
    return weights / (prior * weights).sum()


def soft_cross_entropy(
    logits: Tensor,
    numbers: Tensor,
    shares: Tensor,
    valid: Tensor | None = None,
    weights: Tensor | None = None,
) -> Tensor:
    """Cross-entropy between a soft target and a prediction, averaged over the pixels that count.

    Paper: Zhang et al. 2016, equation 2; the weight of a pixel is that of the bin nearest to its
    colour (equation 3).
    Differs: the mean over pixels, not the sum; the value is weighted, where the released code
    weights its gradient only.

    Args:
        logits: BQHW.
        numbers: BKHW int64, the bins of the target, the one with the largest share first.
        shares: BKHW, their shares, which sum to 1 over K.
        valid: B1HW {0,1}; pixels that count. ``None`` counts all.
        weights: Q, the weight of each bin; ``None`` weights all alike.

    Returns:
        Scalar; 0 when no pixel counts.
    """
    logs = torch.log_softmax(logits.float(), dim=1).gather(1, numbers)
    error = -(shares * logs).sum(1, keepdim=True)
    if weights is not None:
        error = weights[numbers[:, :1]] * error
    if valid is None:
        return error.mean()
    return (error * valid).sum() / valid.sum().clamp(min=1)
