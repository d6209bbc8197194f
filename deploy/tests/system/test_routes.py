"""Routes through Nginx and gunicorn. The tables of what each route answers are the
services' own; what the gateway hides is in `attack`."""

import re
import uuid

import pytest

from deploy.tests.client import LOGIN, ApiClient, TestUser, refused
from deploy.tests.stack import ROOT, SERVICES, System


@pytest.fixture
def gateway(system: System) -> ApiClient:
    return ApiClient(system.gateway_url)


@pytest.mark.parametrize("service", SERVICES)
def test_health_schema_and_docs_are_served(service: str, gateway: ApiClient) -> None:
    prefix = f"/api/v1/{service}"
    for state in ("live", "ready"):
        answer = gateway.get(f"{prefix}/health/{state}")
        assert answer.json() == {"status": "ok", "service": service, "degraded": False}
    schema = gateway.get(f"{prefix}/openapi.json").json()
    assert schema["openapi"].startswith("3.")
    docs = gateway.get(f"{prefix}/docs")
    assert docs.headers["Content-Type"].startswith("text/html")
    assert "//cdn" not in docs.text
    assert gateway.get("/static/admin/css/base.css").status_code == 200


@pytest.mark.parametrize(
    ("route", "allowed"),
    [
        (LOGIN, "POST"),
        (f"/api/v1/auth/sessions/{uuid.uuid4()}", "DELETE"),
        ("/api/v1/users/me", "GET, HEAD, PATCH"),
        ("/.well-known/jwks.json", "GET, HEAD"),
        ("/api/v1/auth/health/live", "GET, HEAD"),
    ],
)
def test_other_methods_are_refused(
    route: str, allowed: str, user: TestUser, gateway: ApiClient
) -> None:
    methods = set(allowed.split(", "))
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - methods:
        answer = gateway.request(method, route, headers=user.bearer)
        refused(answer, 405, "method_not_allowed")
        assert {name.strip() for name in answer.one("Allow").split(",")} == methods


def test_every_code_of_the_gateway_is_documented() -> None:
    listed = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/errors.md").read_text(), re.M)
    template = (ROOT / "nginx" / "gateway.conf.template").read_text()
    body = re.search(r"map \S+ \$problem_code \{(.*?)\}", template, re.S)
    assert body, "the map of codes has another name"
    codes = set(re.findall(r"\b([a-z]+(?:_[a-z]+)+);", body.group(1)))
    assert len(codes) >= 10
    assert codes <= {*listed}
