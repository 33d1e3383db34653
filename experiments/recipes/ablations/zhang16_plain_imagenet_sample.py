"""Ablation of zhang16_imagenet_sample: classification, all colours weighted alike.

Command: crosschroma train zhang16_plain_imagenet_sample
Time:    not run
Result:  not run
"""

from dataclasses import replace

from ..zhang16_imagenet_sample import experiment as full

experiment = replace(
    full,
    name="zhang16_plain_imagenet_sample",
    method=replace(full.method, loss="plain"),
)
