"""Equal budget: a small U-Net at a quarter of the resolution learns from budget_unet.

Its teacher has had the budget once more, and is to be trained first.

Command: crosschroma reproduce budget --only budget_student
Time:    not run yet
Result:  not run yet
"""

from dataclasses import replace

from ...budget import budget_experiment
from ..student_imagenet_sample import method
from .budget_unet import experiment as teacher

experiment = budget_experiment(
    "budget_student",
    replace(method, teacher=teacher.method, teacher_weights=f"runs/budget/{teacher.name}"),
)
