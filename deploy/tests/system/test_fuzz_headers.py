"""Requests with headers as nobody writes them, octet by octet, to the gateway and past
it: a 4xx of ours or an answer, and no fault (GW-01, GW-11, INP-01, TOK-03).

Each is a good request of somebody who is logged in, with some headers changed.
"""

import json
import socket
from http.client import BadStatusLine, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.tests.stack import System
from deploy.tests.users import Person
from nginx.tests.gateway_rig import Answer
from shared.tests.fuzzing import fuzz
from shared.tests.mutated_text import header_texts, mutated, sendable

MEMBERS = {"type", "title", "status", "detail", "code", "request_id"}
FRAMING = {"Content-Length", "Transfer-Encoding"}
TARGETS = ["gateway", "auth", "users"]
# Without those that hash a password: they would take most of the time.
ROUTES = {
    "auth": [
        "POST /api/v1/auth/login",
        "POST /api/v1/auth/refresh",
        "POST /api/v1/auth/logout",
        "GET /api/v1/auth/sessions",
        "POST /api/v1/auth/logout_all",
        "POST /api/v1/auth/verify_token",
        "POST /api/v1/auth/introspect",
        "GET /.well-known/jwks.json",
    ],
    "users": [
        "POST /api/v1/users/",
        "GET /api/v1/users/me",
        "PATCH /api/v1/users/me",
        "POST /api/v1/users/verify",
        "GET /api/v1/users/openapi.json",
    ],
}
ROUTES["gateway"] = ROUTES["auth"] + ROUTES["users"]
# What a fuzzed request has been answered wrongly with once, or nearly.
SEEDS = [
    {"Content-Type": "application/json; charset*=nonsense''x"},
    {"Content-Type": "application/json; charset*=idna''x"},
    {"Content-Type": "application/json; charset=base64", "Accept": "application/*"},
    {"X-Real-IP": "::1%x"},
    {"Accept": "application/json; indent=9" + "9" * 5000},
    {"Origin": "http://[::1"},
    {"Cookie": "refresh_token=\xff\xfe.e30.e30"},
    {"Authorization": "Bearer \x85\xa0"},
    {"Cookie": "\x1f"},
    {"User-Agent": "x" * 8178},
    {"Cookie": f"a={'x' * 5000}\r\nCookie: b={'x' * 5000}"},
]


@pytest.fixture
def good(person: Person) -> dict[str, str]:
    """The headers of a request that is well made in every respect."""
    address = urlsplit(person.system.gateway_url)
    return {
        "Host": address.netloc,
        "Authorization": f"Bearer {person.access}",
        "Cookie": f"theme=dark; refresh_token={person.cookie}",
        "Content-Type": "application/json; charset=utf-8",
        "Content-Length": "2",
        "Accept": "application/json, text/*;q=0.5",
        "Origin": f"http://{address.netloc}",
        "Sec-Fetch-Site": "same-origin",
        "User-Agent": "curl/8.5.0",
        "X-Request-ID": "f3b1c0d29e4a4c1d",
        "X-Real-IP": "192.0.2.7",
        "X-Forwarded-For": "192.0.2.7, 192.0.2.8",
        "X-Forwarded-Proto": "https",
        "X-Internal-Api-Key": person.system.api_key("auth"),
        "Connection": "close",
    }


def address_of(system: System, target: str) -> tuple[str, int]:
    parts = urlsplit(getattr(system, f"{target}_url"))
    return str(parts.hostname), int(parts.port or 80)


def exchange(
    address: tuple[str, int], route: str, headers: dict[str, str], framed: bool = True
) -> Answer | None:
    """The answer to a request with these headers; None where its end is in doubt and
    the other side waits for it, or has gone."""
    lines = [f"{route} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
    data = ("\r\n".join(lines) + "\r\n\r\n{}").encode("latin-1")
    with socket.create_connection(address, timeout=20 if framed else 0.3) as sock:
        sock.sendall(data)
        response = HTTPResponse(sock, method=route.partition(" ")[0])
        try:
            response.begin()
        except (TimeoutError, ConnectionError, BadStatusLine):
            assert not framed, f"no answer to {route}"
            return None
        body = response.read()
        assert response.length in (0, None)
        return Answer(response.status, response.getheaders(), body)


def check(target: str, answer: Answer) -> None:
    """It is one that clients can make something of."""
    assert answer.status < 500 or answer.status == 503, answer.body
    assert (answer.status == 503) == bool(answer.all("Retry-After"))
    if answer.status < 400 or is_gunicorns_own(target, answer):
        return
    assert answer.one("Content-Type") == "application/problem+json"
    problem = json.loads(answer.body)
    assert problem.keys() - {"errors"} == MEMBERS
    assert problem["status"] == answer.status
    assert problem["request_id"] == answer.one("X-Request-ID")


def is_gunicorns_own(target: str, answer: Answer) -> bool:
    """A head that is none: no application is asked. Only other services can see it,
    since the gateway refuses such a request, or makes another one of it."""
    html = answer.one("Content-Type").startswith("text/html")
    return target != "gateway" and html and answer.status in (400, 431)


@pytest.mark.parametrize("target", TARGETS)
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
    framed = FRAMING.isdisjoint(changed) and "Content-Length" not in left_out
    answer = exchange(address_of(system, target), route, headers, framed)

    if answer is None:
        return
    check(target, answer)
    if route.endswith("/users/me") and answer.status == 200:
        token = good["Authorization"].split()[1]
        assert headers["Authorization"].split()[1:] == [token]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("headers", SEEDS, ids=lambda headers: str(headers)[:40])
def test_what_was_found_before_is_answered(
    system: System, good: dict[str, str], target: str, headers: dict[str, str]
) -> None:
    for route in ROUTES[target]:
        answer = exchange(
            address_of(system, target), f"{route}?a=%41", {**good, **headers}
        )
        assert answer is not None
        check(target, answer)
