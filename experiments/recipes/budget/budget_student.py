"""Equal budget: a small U-Net at a quarter of the resolution learns from budget_unet.

Its teacher has had the budget once more, and is to be trained first.

Command: crosschroma reproduce budget --only budget_student
Time:    4 minutes on one core of an Intel Xeon (AMX, bfloat16), beside other runs
Result:  ImageNet sample 23.06 dB, AE 11.01, ab_std_ratio 0.21; BSDS500 22.48 dB, 10.82, 0.19
"""

from dataclasses import replace

from ..student_imagenet_sample import method
from ._budget import budget_experiment
from .budget_unet import experiment as teacher

experiment = budget_experiment(
    "budget_student",
    replace(method, teacher=teacher.method, teacher_weights=f"runs/budget/{teacher.name}"),
)
