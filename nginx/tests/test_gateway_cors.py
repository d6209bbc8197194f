"""The gateway's own errors carry the CORS headers of the services (COOK-06)."""

import re

import pytest

from nginx.tests.gateway_stack import ROOT
from nginx.tests.problem_assertions import check_problem

APP, PHONE = "https://app.example.com:8443", "capacitor://localhost"
ORIGINS = {"CORS_ALLOWED_ORIGINS": f"{APP},{PHONE},https://[2001:db8::1]"}
ME, LOGIN = "/api/v1/users/me", "/api/v1/auth/login"
SETTINGS = (ROOT / "shared" / "settings.py").read_text(encoding="utf-8")
LISTED = SETTINGS.partition("CORS_EXPOSE_HEADERS = ")[2].partition("]")[0]
EXPOSED = re.findall(r'"([^"]+)"', LISTED)
FOR_PAGES = {
    "Access-Control-Allow-Credentials": ["true"],
    "Access-Control-Expose-Headers": [", ".join(EXPOSED)],
    "Vary": ["Origin"],
}
# All errors that a page of an allowed origin can meet.
ERRORS = {
    "unknown route": (404, "GET", "/api/v1/nowhere", {}, b""),
    "internal route": (404, "POST", "/api/v1/auth/verify_token", {}, b""),
    "escaped path": (404, "GET", "/api/v1/%61uth/login", {}, b""),
    "body": (413, "POST", LOGIN, {}, b"x" * 16385),
    "headers": (431, "GET", ME, {"Cookie": "x" * 9000}, b""),
    "long line": (414, "GET", f"{ME}?{'x' * 5000}", {}, b""),
    "odd header": (400, "GET", ME, {"Accept-Language": "\x01"}, b""),
    "method": (405, "TRACE", ME, {}, b""),
    "unavailable": (503, "GET", ME, {}, b""),
}


def cors(answer):
    names = ("Access-Control-Allow-Origin", *FOR_PAGES)
    return {name: answer.all(name) for name in names if answer.all(name)}


@pytest.fixture
def gateway(start):
    gateway = start(ORIGINS)
    gateway.users.stop()
    return gateway


def test_a_page_of_an_allowed_origin_reads_every_error(gateway):
    for status, method, path, headers, body in ERRORS.values():
        for origin in ORIGINS["CORS_ALLOWED_ORIGINS"].split(","):
            answer = gateway.ask(method, path, {"Origin": origin, **headers}, body)
            assert answer.status_code == status, path
            allowed = {"Access-Control-Allow-Origin": [origin]}
            assert cors(answer) == FOR_PAGES | allowed, path


@pytest.mark.parametrize(
    "origin",
    [
        *("", "null", "https://evil.example", "http://app.example.com:8443"),
        *(f"{APP}.evil.example", APP.removesuffix(":8443"), f"{APP},{PHONE}"),
        *("https://appXexample.com:8443", APP.upper(), f"https://x/{APP}"),
    ],
)
def test_the_list_is_exact_and_other_origins_get_nothing(gateway, origin):
    for status, method, path, headers, body in ERRORS.values():
        answer = gateway.ask(method, path, {"Origin": origin, **headers}, body)
        assert (answer.status_code, cors(answer)) == (status, {"Vary": ["Origin"]})


def test_pages_outside_the_api_and_a_gateway_without_origins_have_no_cors(
    gateway, start
):
    closed = start()
    for asked, path in ((gateway, "/admin/"), (gateway, "/x"), (closed, "/api/v1/x")):
        for origin in (APP, ""):
            assert not cors(asked.ask("GET", path, {"Origin": origin}))


def test_a_preflight_succeeds_so_that_the_page_sees_the_error_of_its_request(gateway):
    """While the service is unavailable, and where there is no such route."""
    asks = {"Access-Control-Request-Method": "PATCH"}
    for path in (ME, "/api/v1/nowhere"):
        answer = gateway.ask("OPTIONS", path, {"Origin": APP, **asks})
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.one("Access-Control-Allow-Origin") == APP
        assert "PATCH" in answer.one("Access-Control-Allow-Methods").split(", ")
        headers = answer.one("Access-Control-Allow-Headers").split(", ")
        assert {"authorization", "content-type"} <= set(headers)
        assert not answer.all("Retry-After") + answer.all("Allow")
    refused = gateway.ask("OPTIONS", ME, {"Origin": "https://evil.example", **asks})
    assert (refused.status_code, cors(refused)) == (503, {"Vary": ["Origin"]})
    # Not a preflight: there is no method that it asks for.
    check_problem(
        gateway.ask("OPTIONS", ME, {"Origin": APP}), 503, "upstream_unavailable"
    )


def test_a_limited_client_reads_when_to_come_back(start):
    gateway = start({**ORIGINS, "GATEWAY_API_RATE": "1r/m", "GATEWAY_API_BURST": "1"})
    answers = [gateway.ask("GET", ME, {"Origin": APP}) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
    assert answers[3].one("Access-Control-Allow-Origin") == APP
    assert answers[3].one("Retry-After") == "60"
    asks = {"Access-Control-Request-Method": "GET", "Origin": APP}
    assert gateway.ask("OPTIONS", ME, asks).status_code == 204


def test_the_headers_of_a_service_come_once_and_as_it_sent_them(start):
    gateway = start(ORIGINS)
    sent = {"Access-Control-Allow-Origin": PHONE, "Vary": "origin", "Retry-After": "7"}
    gateway.auth.answer = lambda handler: handler.reply(429, sent)
    answer = gateway.ask("POST", LOGIN, {"Origin": APP})
    assert {name: answer.all(name) for name in sent} == {
        name: [value] for name, value in sent.items()
    }
    assert not answer.all("Access-Control-Expose-Headers")
