"""docs/metrics.md says what the table says."""

from dataclasses import replace
from pathlib import Path

from docs.generate_metrics import render
from podtick.model.metrics.row import Level
from podtick.model.metrics.table import rows_at
from tests.support.golden import Golden

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_of_metrics_is_up_to_date(golden: Golden) -> None:
    replace(golden, folder=DOCS).check("metrics.md", render())


def test_the_page_names_every_row() -> None:
    page = render()
    for level in Level:
        for row in rows_at(level):
            assert f"`{row.name}`" in page
