"""The gateway's error codes are on the one list that is published."""

import re

from deploy.tests.stack import ROOT

LISTED = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/errors.md").read_text(), re.M))


def test_every_code_of_the_gateway_is_documented() -> None:
    template = (ROOT / "nginx" / "gateway.conf.template").read_text()
    body = re.search(r"map \S+ \$problem_code \{(.*?)\}", template, re.S)
    assert body, "the map of codes has another name"
    codes = set(re.findall(r"\b([a-z]+(?:_[a-z]+)+);", body.group(1)))
    assert len(codes) >= 10
    assert codes <= LISTED
