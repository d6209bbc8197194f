"""The pinned requirements have no known holes, and can be installed next year too."""

import re
from importlib.metadata import distributions
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).parents[3] / "requirements"
WITH_EXTRA = re.compile(r"([A-Za-z0-9._-]+)\[([a-z0-9,_-]+)\]")

# Releases before these have holes that reach us (docs/security.md, Versions).
FLOORS = {
    "pyjwt": (2, 15, 1),
    "djangorestframework": (3, 18, 2),
    "djangorestframework-simplejwt": (5, 5, 1),
    "django": (5, 2, 19),
    "gunicorn": (27, 0, 0),
}


@pytest.mark.parametrize("name", FLOORS)
def test_no_pin_is_below_the_floor(name: str) -> None:
    text = (REQUIREMENTS / "runtime.txt").read_text()
    [pinned] = re.findall(rf"^{name}==(\d+)\.(\d+)\.(\d+)\s", text, re.M)
    assert tuple(map(int, pinned)) >= FLOORS[name]


@pytest.mark.parametrize("file", ["runtime.txt", "dev.txt"])
def test_an_extra_that_a_package_asks_for_is_pinned_with_it(file: str) -> None:
    """Else pip takes the newest release for it, which has no hash here: so everything
    is installed until there is one, and nothing after that (seen with pip 23.0)."""
    pinned = set(re.findall(r"^(\S+)==", (REQUIREMENTS / file).read_text(), re.M))
    names = {each.partition("[")[0] for each in pinned}
    for distribution in distributions():
        if distribution.name.lower() not in names:
            continue
        for wanted in distribution.requires or []:
            match = WITH_EXTRA.match(wanted)
            if match and "extra ==" not in wanted:
                assert match[0] in pinned, f"{distribution.name} wants {match[0]}"
