"""What the documentation says of errors is what the code has, and its links lead on."""

import re
from pathlib import Path

import pytest

from shared.catalogue import CATALOGUE
from shared.exceptions import CODES

ROOT = Path(__file__).parents[2]
ERRORS = ROOT / "docs" / "errors.md"
CHECKS = ROOT / "docs" / "checks.md"
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]


def test_the_documented_codes_are_the_codes():
    documented = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", ERRORS.read_text(), re.M))
    assert documented == CODES


def test_the_documented_checks_are_the_checks():
    row = re.compile(r"^\| `(memo\.\w+)` \| (.*) \| (.*) \|$", re.M)
    documented = {i: (what, hint) for i, what, hint in row.findall(CHECKS.read_text())}
    assert documented == {i: (e.what, e.hint) for i, e in CATALOGUE.items()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_a_page_and_a_heading(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target or target.startswith("mailto:"):
            continue
        name, _, anchor = target.partition("#")
        linked = (page.parent / name) if name else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


def anchors(page):
    """What the headings of a page may be reached by."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}
