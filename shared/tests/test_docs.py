"""What the documentation says of errors is what the code has."""

import re
from pathlib import Path

from shared.exceptions import CODES

ERRORS = Path(__file__).parents[2] / "docs" / "errors.md"


def test_the_documented_codes_are_the_codes():
    documented = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", ERRORS.read_text(), re.M))
    assert documented == CODES
