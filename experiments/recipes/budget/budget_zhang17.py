"""Equal budget: classes of colour, then regression with simulated hints; tested without hints.

Command: crosschroma reproduce budget --only budget_zhang17
Time:    4 minutes on one core of an Intel Xeon (AMX, bfloat16), beside other runs
Result:  ImageNet sample 23.25 dB, AE 10.74, ab_std_ratio 0.20; BSDS500 22.54 dB, 10.67, 0.22
"""

from ....models.zhang17.method import HintStage, Zhang17
from ._budget import budget_experiment, stage_steps

_CLASSES, _COLORS, _FINE = stage_steps(8, 16, 6)

experiment = budget_experiment(
    "budget_zhang17",
    Zhang17.Config(
        width=32,
        stages=(
            HintStage(name="classify", steps=_CLASSES, lr=5e-4, hints=False),
            HintStage(name="regress", steps=_COLORS, lr=5e-4, hints=True),
            HintStage(name="regress", steps=_FINE, lr=1e-4, hints=True),
        ),
    ),
)
