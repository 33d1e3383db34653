"""Equal budget: budget_student without its teacher, towards the truth alone.

Command: crosschroma reproduce budget --only budget_student_alone
Time:    not run yet
Result:  not run yet
"""

from dataclasses import replace

from ....models.student import NONE
from ...budget import budget_experiment
from .budget_student import experiment as taught

experiment = budget_experiment("budget_student_alone", replace(taught.method, teacher_weights=NONE))
