"""Ablation of student_imagenet_sample: the KL divergence over channels and MSE in the place of L1.

Command: crosschroma train student_imagenet_sample_kl
Time:    not run yet
Result:  not run yet
"""

from dataclasses import replace

from ..student_imagenet_sample import experiment as full
from ..student_imagenet_sample import method

experiment = replace(
    full,
    name="student_imagenet_sample_kl",
    method=replace(method, loss="kl"),
)
