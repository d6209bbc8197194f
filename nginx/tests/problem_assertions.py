"""What every problem of the gateway must look like (RFC 9457)."""

from deploy.tests.client import Response

TITLES = {
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    412: "Precondition Failed",
    413: "Content Too Large",
    414: "URI Too Long",
    421: "Misdirected Request",
    426: "Upgrade Required",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}


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
    assert problem["title"] == TITLES[status]
    assert problem["code"] == code
    assert problem["detail"].endswith(".")
    assert problem["request_id"] == answer.one("X-Request-ID")
    assert (status in {429, 503}) == bool(answer.all("Retry-After"))
    assert (status == 405) == bool(answer.all("Allow"))
