"""What the documentation says of errors is what the code has, and its links lead on."""

import re
from pathlib import Path

import pytest

from shared.exceptions import CODES
from shared.limits.rules import DEFAULTS

ROOT = Path(__file__).parents[2]
ERRORS = ROOT / "docs" / "errors.md"
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]


def test_the_documented_codes_are_the_codes():
    documented = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", ERRORS.read_text(), re.M))
    assert documented == CODES


def test_the_documented_limits_are_the_defaults():
    text = (ROOT / "docs" / "limits.md").read_text()
    documented = dict(re.findall(r"^\| `([A-Z_]+)` \| `(\d+/\d+)` \|", text, re.M))
    assert documented == {name: str(limit) for name, limit in DEFAULTS.items()}


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
