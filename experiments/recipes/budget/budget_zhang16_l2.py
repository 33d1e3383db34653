"""Equal budget: L2 regression of ab by the network of zhang16.

Command: crosschroma reproduce budget --only budget_zhang16_l2
Time:    1 minute on one core of an Intel Xeon (AMX, bfloat16), beside other runs
Result:  ImageNet sample 22.77 dB, AE 12.03, ab_std_ratio 0.19; BSDS500 22.41 dB, 11.49, 0.17
"""

from dataclasses import replace

from ..zhang16_imagenet_sample import experiment as classifier
from ._budget import budget_experiment

experiment = budget_experiment("budget_zhang16_l2", replace(classifier.method, loss="l2"))
