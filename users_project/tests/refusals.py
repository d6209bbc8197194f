"""What every refusal must look like."""

from typing import Any


def assert_refused(response, status, code):
    """Status, code and content type (RFC 9457); returns the problem."""
    problem: dict[str, Any] = response.json()
    assert (response.status_code, problem.get("code")) == (status, code), problem
    assert response["Content-Type"] == "application/problem+json"
    assert problem["status"] == status
    if status == 401:
        assert response["WWW-Authenticate"]
    if status == 503:
        assert response["Retry-After"] == "1"
    return problem
