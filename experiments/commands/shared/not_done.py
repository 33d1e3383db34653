"""What a command leaves out, in one line at its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_NAMED = 3


def not_done(skipped: Mapping[str, Sequence[str]], left_out: Mapping[str, Sequence[str]]) -> str:
    """One line; empty where all was done.

    Args:
        skipped: files that were not used at all, by reason.
        left_out: what of files was not used, such as "first of 12 frames", and which files.
    """
    parts = [
        f"{len(names)} {'file' if len(names) == 1 else 'files'} skipped, {reason}: {_some(names)}"
        for reason, names in skipped.items()
        if names
    ]
    parts += [f"{what}: {_some(names)}" for what, names in left_out.items() if names]
    return f"not done: {'; '.join(parts)}" if parts else ""


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
