"""Equal budget: instance-aware colorization of photographs that have no boxes.

Without boxes there are no objects to train the two other stages on, and ``colorize`` is the
picture's branch alone: the row is that of this branch, not of the method.

Command: crosschroma reproduce budget --only budget_instance_aware
Time:    3 minutes on one core of an Intel Xeon (AMX, bfloat16), beside other runs
Result:  ImageNet sample 23.18 dB, AE 10.71, ab_std_ratio 0.21; BSDS500 22.52 dB, 10.65, 0.21
"""

from ....models.base.stages import RatedStage
from ....models.instance_aware.method import InstanceAware
from ._budget import TRAINING, budget_experiment

experiment = budget_experiment(
    "budget_instance_aware",
    InstanceAware.Config(
        width=32, stages=(RatedStage(name="full", steps=TRAINING.steps, lr=5e-4),)
    ),
)
