"""Routes through Nginx and gunicorn. The tables of what each route answers are the
services' own; what the gateway hides is in `attack`."""

import re

import pytest

from deploy.tests.client import ApiClient
from deploy.tests.stack import ROOT, SERVICES


@pytest.mark.parametrize("service", SERVICES)
def test_health_schema_and_docs_are_served(service, system):
    gateway, prefix = ApiClient(system.gateway_url), f"/api/v1/{service}"
    for state in ("live", "ready"):
        answer = gateway.get(f"{prefix}/health/{state}")
        assert answer.json() == {"status": "ok", "service": service, "degraded": False}
    schema = gateway.get(f"{prefix}/openapi.json").json()
    assert schema["openapi"].startswith("3.")
    docs = gateway.get(f"{prefix}/docs")
    assert docs.headers["Content-Type"].startswith("text/html")
    assert "//cdn" not in docs.text
    assert gateway.get("/static/admin/css/base.css").status_code == 200


def test_pages_and_their_style_are_served(system):
    gateway = ApiClient(system.gateway_url)
    for path in ("/", "/account/reset/request"):
        answer = gateway.get(path)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        (style,) = re.findall('rel="stylesheet" href="([^"]+)"', answer.text)
    answer = gateway.get(style)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/css")


def test_every_code_of_the_gateway_is_documented():
    listed = re.findall(r"^\* `(\w+)`:", (ROOT / "docs/errors.md").read_text(), re.M)
    template = (ROOT / "nginx" / "gateway.conf.template").read_text()
    body = re.search(r"map \S+ \$problem_code \{(.*?)\}", template, re.S)
    assert body, "the map of codes has another name"
    codes = set(re.findall(r"\b([a-z]+(?:_[a-z]+)+);", body.group(1)))
    assert len(codes) >= 10
    assert codes <= {*listed}
