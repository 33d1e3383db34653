"""Equal budget: budget_student without its teacher, towards the truth alone.

Command: crosschroma reproduce budget --only budget_student_alone
Time:    1 minute on one core of an Intel Xeon (AMX, bfloat16), beside other runs
Result:  ImageNet sample 23.10 dB, AE 10.85, ab_std_ratio 0.22; BSDS500 22.50 dB, 10.74, 0.21
"""

from dataclasses import replace

from ....models.student import NONE
from ._budget import budget_experiment
from .budget_student import experiment as taught

experiment = budget_experiment("budget_student_alone", replace(taught.method, teacher_weights=NONE))
