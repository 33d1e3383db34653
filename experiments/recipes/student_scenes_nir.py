"""A narrower, shallower U-Net at half the resolution learns from unet_scenes_nir.

Before it, train the teacher: crosschroma train unet_scenes_nir

Command: crosschroma train student_scenes_nir
Time:    not run yet
Result:  not run yet
"""

from dataclasses import replace

from ...models.student import Student
from ...models.unet import UNet
from .unet_scenes_nir import experiment as teacher

experiment = replace(
    teacher,
    name="student_scenes_nir",
    method=Student.Config(
        student=UNet.Config(domain="nir", width=8, levels=3, lr=2e-3),
        scale=2,
        teacher=teacher.method,
        teacher_weights="runs/unet_scenes_nir",
    ),
    training=replace(teacher.training, steps=400),
)
