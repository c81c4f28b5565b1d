"""What the pages name is there: files they link to, flags and metrics they speak of."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from docs.generate_metrics import all_families
from podtick.flags import CHECK_OPTIONS, DEMO_SWITCHES, OPTIONS, STATS_OPTIONS, STATS_SWITCHES
from podtick.model.metrics.table import TARGET_ROWS
from podtick.options import Option, Switch

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "docs/decisions/*.md", "helm/podtick/*.md")
    for path in ROOT.glob(pattern)
    if path.name != "CHANGELOG.md"  # which says what was true once
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`]+)`")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
METRIC = re.compile(r"podtick_(?:container|pod|qos|kubepods|node|agent)_[a-z0-9_]*[a-z0-9]")
OWN_FILE = re.compile(r"(?:docs|deploy|helm|agent|tests|bench)/[\w./-]*\w/?")
NOT_OURS = {"--quick", "--json", "--stdout"}
"""Flags of the benchmark and of other programs that are named alone."""


def names(pages: list[Path]) -> list[str]:
    return [str(page.relative_to(ROOT)) for page in pages]


each_page = pytest.mark.parametrize("page", PAGES, ids=names(PAGES))


def anchors(page: Path) -> set[str]:
    """How a page's headings are linked to."""
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in HEADING.findall(page.read_text())}


def flags_of(text: str) -> Iterator[str]:
    """The flags of podtick that a page speaks of: named alone, or in a command line of ours."""
    spans = CODE.findall(FENCE.sub("", text))
    lines = (line for block in FENCE.findall(text) for line in block.splitlines())
    for span in spans:
        if span.startswith(("--", "podtick ")):
            yield from FLAG.findall(span)
    for line in lines:
        if ours := re.search(r"(?:^|[/ ])podtick (?:agent|check|stats|demo)\b(.*)", line):
            yield from FLAG.findall(ours[1])


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(FENCE.sub("", page.read_text())):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        assert target.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in anchors(target), f"{page.name}: {link}: no such heading"


@each_page
def test_files_that_are_named_are_there(page: Path) -> None:
    for span in CODE.findall(FENCE.sub("", page.read_text())):
        if OWN_FILE.fullmatch(span):
            assert (ROOT / span).exists(), f"{page.name}: {span}"


@each_page
def test_flags_that_are_named_exist(page: Path) -> None:
    options: tuple[Option[Any] | Switch, ...] = (
        *OPTIONS,
        *STATS_OPTIONS,
        *STATS_SWITCHES,
        *CHECK_OPTIONS,
        *DEMO_SWITCHES,
    )
    known = {option.flag for option in options} | {"--help", "--version"} | NOT_OURS
    assert set(flags_of(page.read_text())) <= known


@each_page
def test_metrics_that_are_named_exist(page: Path) -> None:
    known = all_families()
    for name in METRIC.findall(page.read_text()):
        assert name in known or any(family.startswith(f"{name}_") for family in known), f"{page.name}: {name}"


def test_names_at_cadvisor_are_those_of_the_table() -> None:
    """What docs/compared.md calls cAdvisor's is what `/metrics/cadvisor` serves."""
    named = {row.name: row.cadvisor.name for row in TARGET_ROWS if row.cadvisor}
    lines = (ROOT / "docs" / "compared.md").read_text().splitlines()
    cells = [line.split(" | ") for line in lines if line.startswith("| `")]
    pairs = [(name, theirs) for mine, theirs, *_ in cells for name in CODE.findall(mine) if name in named]
    assert len(pairs) > 15
    for name, theirs in pairs:
        assert named[name] in theirs, name
