"""L2 regression of ab by the network of zhang16 on the ImageNet sample (700 photographs).

Command: crosschroma train zhang16_l2_imagenet_sample
Time:    not run yet; 0.4 s a step on one core of an Intel Xeon (AMX, bfloat16), beside other runs
Result:  not run yet
"""

from dataclasses import replace

from .zhang16_imagenet_sample import experiment as classifier

experiment = replace(
    classifier,
    name="zhang16_l2_imagenet_sample",
    method=replace(classifier.method, loss="l2"),
    training=replace(classifier.training, result="best"),
)
