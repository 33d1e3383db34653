"""Ablation of zhang16_l2_imagenet_sample: regression that starts from the classifier ("L2, ft").

Command: crosschroma train zhang16_imagenet_sample
         crosschroma train zhang16_l2_ft_imagenet_sample
Time:    not run
Result:  not run
"""

from dataclasses import replace

from ..zhang16_l2_imagenet_sample import experiment as full

experiment = replace(
    full,
    name="zhang16_l2_ft_imagenet_sample",
    method=replace(full.method, start="runs/zhang16_imagenet_sample/last.pt"),
)
