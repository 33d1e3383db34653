"""A comparison as one HTML file that needs neither a network nor another file."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ...datasets.base.atomic_write import write_text_atomic
from ...datasets.base.errors import UserError
from ..metrics.definitions import METRICS
from ..metrics.printed import printed_reason
from .compare import Comparison
from .gallery import ERROR_LIMIT, GalleryRow, magma

MAX_BYTES = 200_000_000  # what a browser still opens with ease
_TEMPLATE = Path(__file__).with_name("compare_page.html")
_SLOT = "__DATA__"


def write_page(comparison: Comparison, path: Path, max_bytes: int = MAX_BYTES) -> None:
    """Write the page: pictures as lossless WebP, so that its error maps are those of the pixels.

    The viewer zooms and moves all pictures together, wipes each prediction against any other
    picture, draws error maps with a limit to choose, and sorts the table of metrics.

    Args:
        comparison: from ``compare``.
        path: the HTML file; whole or not at all.
        max_bytes: of the file.

    Raises:
        UserError: the page would be larger, or cannot be written.
    """
    # a key such as </script> must not end the element; in JSON the escape means the same
    text = json.dumps(_content(comparison), ensure_ascii=False).replace("<", "\\u003c")
    if len(text) > max_bytes:
        raise UserError(
            f"the page would have {len(text) / 1e6:.0f} MB and should have at most "
            f"{max_bytes / 1e6:.0f}; take fewer images (--count) or smaller ones (--size)"
        )
    template = _TEMPLATE.read_text(encoding="utf-8")
    before, after = template.split(_SLOT)
    write_text_atomic(path, before + text + after)


def _content(comparison: Comparison) -> dict[str, Any]:
    metrics = [METRICS[name] for name in comparison.metrics if _has_values(comparison, name)]
    return {
        "about": comparison.about,
        "methods": list(comparison.methods),
        "metrics": [
            {"name": metric.name, "better": metric.better, "unit": metric.unit}
            for metric in metrics
        ],
        "rows": [_row(row, comparison) for row in comparison.rows],
        "means": comparison.means,
        "unavailable": {n: printed_reason(r) for n, r in comparison.unavailable.items()},
        "limit": ERROR_LIMIT,
        "magma": bytes((magma() * 255).round().to(torch.uint8).flatten().tolist()).hex(),
    }


def _has_values(comparison: Comparison, metric: str) -> bool:
    rows = (row for rows in comparison.scores.values() for row in rows.values())
    return any(row.get(metric) is not None for row in rows)


def _row(row: GalleryRow, comparison: Comparison) -> dict[str, Any]:
    # a method's entry says that its picture is one, also where nothing could be scored
    return {
        "key": row.key,
        "target": row.target,
        "pictures": {name: _data_url(picture) for name, picture in row.images.items()},
        "scores": {m: comparison.scores[m].get(row.key, {}) for m in comparison.methods},
    }


def _data_url(picture: Tensor) -> str:
    """3HW or 1HW in [0,1], rounded to 8 bits."""
    levels = picture.detach().float().cpu().clamp(0, 1).nan_to_num(0).mul(255).round()
    pixels = levels.to(torch.uint8).expand(3, -1, -1).permute(1, 2, 0).contiguous().numpy()
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "WEBP", lossless=True, quality=60, exact=True)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
