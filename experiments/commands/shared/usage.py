"""What the commands answer with: usage texts, usage errors and exit codes."""

from __future__ import annotations

import sys

from ....datasets.base.errors import UserError

USAGE_ERROR, FAILED = 2, 1


class UsageError(UserError):
    """The command line itself is wrong: exit code 2."""


def usage(text: str, argv: list[str]) -> int:
    """Print a usage text: as the answer to ``--help``, else as what is wrong; the exit code."""
    is_help = argv[:1] in (["-h"], ["--help"])
    print(text, file=sys.stdout if is_help else sys.stderr)
    return 0 if is_help else USAGE_ERROR
