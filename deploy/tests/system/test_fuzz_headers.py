"""Requests with headers that no client writes, octet by octet, to the gateway and past
it: a 4xx of ours or an answer, and no fault (GW-01, GW-11, INP-01, TOK-03).

Each is a good request of a user who is logged in, with some headers changed.
"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.tests.client import Response, TestUser, problem_of
from deploy.tests.stack import System
from deploy.tests.wire import FRAMING, WireClient
from shared.tests.fuzzing import fuzz
from shared.tests.mutated_text import header_texts, mutated, sendable

MEMBERS = {"type", "title", "status", "detail", "code", "request_id"}
# Without those that hash a password: they would take most of the time.
OF_AUTH = ("login", "refresh", "logout", "logout_all", "verify_token", "introspect")
ROUTES = {
    "auth": [
        *(f"POST /api/v1/auth/{name}" for name in OF_AUTH),
        "GET /api/v1/auth/sessions",
        "GET /.well-known/jwks.json",
    ],
    "users": [
        *(f"POST /api/v1/users/{name}" for name in ("", "verify")),
        *(f"{method} /api/v1/users/me" for method in ("GET", "PATCH")),
        "GET /api/v1/users/openapi.json",
    ],
}
ROUTES["gateway"] = ROUTES["auth"] + ROUTES["users"]


@pytest.fixture
def good(user: TestUser) -> dict[str, str]:
    """The headers of a request that is well made in every respect."""
    host = user.system.gateway_url.removeprefix("http://")
    return {
        "Host": host,
        "Authorization": f"Bearer {user.access}",
        "Cookie": f"theme=dark; refresh_token={user.cookie}",
        "Content-Type": "application/json; charset=utf-8",
        "Content-Length": "2",
        "Accept": "application/json, text/*;q=0.5",
        "Origin": f"http://{host}",
        "Sec-Fetch-Site": "same-origin",
        "User-Agent": "curl/8.5.0",
        "X-Request-ID": "f3b1c0d29e4a4c1d",
        "X-Real-IP": "192.0.2.7",
        "X-Forwarded-For": "192.0.2.7, 192.0.2.8",
        "X-Forwarded-Proto": "https",
        "X-Internal-Api-Key": user.system.api_key("auth"),
        "Connection": "close",
    }


def exchange(
    system: System,
    target: str,
    route: str,
    headers: dict[str, str],
    framed: bool = True,
) -> Response | None:
    """The response to a request with these headers; None where its end is in doubt and
    the other side waits for it, or has closed the connection."""
    lines = [f"{route} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
    data = ("\r\n".join(lines) + "\r\n\r\n{}").encode("latin-1")
    client = WireClient(getattr(system, f"{target}_url"))
    seconds = 20 if framed else 0.3
    received = client.exchange(data, seconds=seconds, source="127.0.0.1")
    if not framed and not received.data.startswith(b"HTTP/1.1 "):
        return None
    return received.responses(route.partition(" ")[0])[0]


def check(target: str, response: Response) -> None:
    """It is one that clients can make something of."""
    status = response.status_code
    assert status < 500 or status == 503, response.text
    assert (status == 503) == bool(response.all("Retry-After"))
    if status >= 400 and not is_gunicorns_own(target, response):
        assert problem_of(response).keys() - {"errors"} == MEMBERS


def is_gunicorns_own(target: str, response: Response) -> bool:
    """To a head that is none: no application is asked. Only other services can see it,
    since the gateway refuses such a request, or makes another one of it."""
    html = response.one("Content-Type").startswith("text/html")
    return target != "gateway" and html and response.status_code in (400, 431)


@pytest.mark.parametrize("target", ["gateway", "auth", "users"])
@fuzz
@given(data=st.data())
def test_no_header_is_a_fault_of_ours(
    system: System, good: dict[str, str], target: str, data: Any
) -> None:
    route = data.draw(st.sampled_from(ROUTES[target]))
    names = st.sampled_from([name for name in good if name != "Connection"])
    changed = {
        name: data.draw(st.one_of(mutated(good[name]).map(sendable), header_texts()))
        for name in data.draw(st.lists(names, min_size=1, max_size=3, unique=True))
    }
    left_out = data.draw(st.sets(names, max_size=4))
    headers = {k: v for k, v in good.items() if k not in left_out} | changed
    framed = FRAMING.isdisjoint(map(str.lower, {*changed, *left_out}))
    response = exchange(system, target, route, headers, framed)

    if response is None:
        return
    check(target, response)
    if route.endswith("/users/me") and response.status_code == 200:
        token = good["Authorization"].split()[1]
        assert headers["Authorization"].split()[1:] == [token]
