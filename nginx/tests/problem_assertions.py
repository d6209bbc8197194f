"""What every problem of the gateway must look like (RFC 9457)."""

from http import HTTPStatus

from deploy.tests.client import Response

# As RFC 9110 has them; the standard library does so from Python 3.13 on.
TITLES = {413: "Content Too Large", 414: "URI Too Long"}


def check_page(answer: Response, status: int) -> None:
    """The same error for a browser, at /admin/ and /account/."""
    title = TITLES.get(status, HTTPStatus(status).phrase)
    assert answer.status_code == status
    assert answer.one("Content-Type") == "text/html; charset=utf-8"
    assert answer.one("Cache-Control") == "no-store"
    assert "default-src 'none'" in answer.one("Content-Security-Policy")
    text = answer.content.decode()
    assert f"<h1>{title}</h1>" in text
    assert answer.one("X-Request-ID") in text
    assert (status in {429, 503}) == bool(answer.all("Retry-After"))


def check_problem(answer: Response, status: int, code: str) -> None:
    assert answer.status_code == status
    assert answer.one("Content-Type") == "application/problem+json"
    assert answer.one("Cache-Control") == "no-store"
    assert answer.one("X-Content-Type-Options") == "nosniff"
    problem = answer.json()
    assert problem.keys() == {
        "type", "title", "status", "detail", "code", "request_id"
    }  # fmt: skip
    assert (problem["type"], problem["status"]) == ("about:blank", status)
    assert problem["title"] == TITLES.get(status, HTTPStatus(status).phrase)
    assert problem["code"] == code
    assert problem["detail"].endswith(".")
    assert problem["request_id"] == answer.one("X-Request-ID")
    assert (status in {429, 503}) == bool(answer.all("Retry-After"))
    assert (status == 405) == bool(answer.all("Allow"))
