"""Methods that are not meant, and headers that would make one of another (GW-15)."""

import pytest

from deploy.tests.attack.account import LOGIN, ME, SESSIONS, Account
from deploy.tests.attack.target import Target
from deploy.tests.attack.wire import problem_of, refused

PATHS = [ME, LOGIN, "/", "/admin/", "/.well-known/jwks.json", "/nowhere"]
OVERRIDES = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "_method")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "method", ["TRACE", "TRACK", "DEBUG", "PROPFIND", "MKCOL", "BREW", "PURGE", "get"]
)
def test_an_unknown_method_reaches_nothing(
    target: Target, path: str, method: str
) -> None:
    canary = {"X-Canary": "c0ffee", "Cookie": "c0ffee=1"}
    answer = target.ask(method, path, canary)
    assert answer.status in (400, 404, 405), answer.body
    problem_of(answer)
    assert b"c0ffee" not in answer.body, "TRACE tells a script what it may not read"
    if answer.status == 405:
        assert "TRACE" not in answer.one("Allow")


@pytest.mark.parametrize("where", ["{host}:443", "127.0.0.1:22", "/api/v1/users/me"])
def test_nobody_is_connected_through(target: Target, where: str) -> None:
    text = where.format(host=target.host)
    data = f"CONNECT {text} HTTP/1.1\r\nHost: {target.netloc}\r\n\r\n".encode()
    received = target.exchange(data)
    assert all(a.status in (400, 405) for a in received.answers("GET")), received
    assert received.closed


@pytest.mark.parametrize("name", OVERRIDES)
def test_no_header_makes_another_method(
    target: Target, mallory: Account, name: str
) -> None:
    """A GET stays one, which changes nothing; a POST that is not meant stays a 405."""
    before = {each["id"] for each in mallory.sessions()}
    for method in ("DELETE", "PATCH", "TRACE"):
        for spelt in (name, name.replace("-", "_")):
            headers = {spelt: method, **mallory.bearer}
            assert target.ask("GET", ME, headers).status == 200
            answer = target.ask("POST", ME, headers, value={"first_name": "x"})
            refused(answer, 405, "method_not_allowed")
            for sid in before:
                path = f"{SESSIONS}/{sid}?_method=DELETE"
                refused(target.ask("POST", path, headers), 405, "method_not_allowed")
    assert {each["id"] for each in mallory.sessions()} == before
    assert mallory.me()["first_name"] != "x"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_nothing_is_done_but_by_post(
    target: Target, mallory: Account, method: str
) -> None:
    """An image or a link of another site is a GET."""
    for path in (LOGIN, "/api/v1/auth/refresh", "/api/v1/auth/logout"):
        answer = target.ask(method, path, mallory.cookie_header())
        assert answer.status == 405
        assert "POST" in answer.one("Allow")
        assert not answer.all("Set-Cookie")
    assert mallory.me()


def test_options_tells_no_more_than_a_method(target: Target, mallory: Account) -> None:
    """DRF would describe the view's fields."""
    for path in (ME, LOGIN, "/api/v1/users/"):
        answer = target.ask("OPTIONS", path, mallory.bearer)
        refused(answer, 405, "method_not_allowed")
