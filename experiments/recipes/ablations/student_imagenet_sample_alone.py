"""Ablation of student_imagenet_sample: no teacher, the truth alone.

Command: crosschroma train student_imagenet_sample_alone
Time:    not run yet
Result:  not run yet
"""

from dataclasses import replace

from ..student_imagenet_sample import experiment as full
from ..student_imagenet_sample import method

experiment = replace(
    full,
    name="student_imagenet_sample_alone",
    method=replace(method, teacher_weights="none"),
)
