"""Published numbers: as the papers print them, each with its source."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from crosschroma.datasets.base.errors import UserError
from crosschroma.experiments.tables.published import load_published

PUBLISHED = Path(__file__).resolve().parents[3] / "results" / "published.json"


def test_published_numbers_are_complete_and_as_the_papers_print_them() -> None:
    published = load_published(PUBLISHED)
    rows = [(name, row) for name, table in published.tables.items() for row in table.rows]
    assert len(rows) == len({(name, row.protocol, row.method) for name, row in rows}) == 90
    assert all(table.comparable and table.title for table in published.tables.values())
    for _, row in rows:
        assert row.metrics
        assert row.provenance in set("CTSA"), "a number is read somewhere, not recalled"
        assert all(re.fullmatch(r"−?\d+(\.\d+)?( ± \d+\.\d+)?", v) for v in row.metrics.values())
        assert row.year is None or 2014 < row.year < 2027
    spots = [
        ("vcip", "vcip-official", "SF-GPT (DWT)", "AE", "2.57"),
        ("vcip", "vcip-official", "NIR-GNN", "PSNR", "17.50"),
        ("imagenet-val5k", "val5k-ddcolor", "DDColor-L", "FID", "3.92"),
        ("imagenet-val5k", "val5k-lcad", "CT2", "dCF", "2.17"),
        ("imagenet-val50k", "val50k-ddcolor", "CT2", "CF", "39.96"),
        ("imagenet-ctest10k", "ctest10k-own", "Imagination", "PSNR", "23.8"),
        ("coco", "coco-vvfm", "VVFM, best of 5", "dE00", "8.53"),
        ("zhang17-points", "zhang17-points", "siggraph17, 501 points", "PSNR", "32.14"),
        ("coco-students", "students-coco", "U-Net + cGAN", "CF", "31.8"),
        ("seeds", "seed-own", "seed 002: pix2pix", "PSNR", "−153.5"),
    ]
    for table, protocol, method, metric, text in spots:
        (row,) = [r for n, r in rows if (n, r.protocol, r.method) == (table, protocol, method)]
        assert row.metrics[metric] == text, method


def test_a_published_row_needs_its_source(tmp_path: Path) -> None:
    path = tmp_path / "published.json"
    data = json.loads(PUBLISHED.read_text())
    data["tables"]["vcip"]["rows"][0]["source"] = "hearsay"
    path.write_text(json.dumps(data))
    with pytest.raises(UserError, match="'SST': source 'hearsay' is not described"):
        load_published(path)
    del data["tables"]["vcip"]["rows"][0]["source"]
    path.write_text(json.dumps(data))
    with pytest.raises(UserError, match="is not a file of published tables"):
        load_published(path)
