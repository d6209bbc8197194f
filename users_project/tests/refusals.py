"""What every refusal must look like."""


def assert_refused(response, status, code):
    """Status, code and content type (RFC 9457); returns the problem."""
    problem = response.json()
    assert (response.status_code, problem.get("code")) == (status, code), problem
    assert response["Content-Type"] == "application/problem+json"
    assert problem["status"] == status
    if status == 401:
        assert response["WWW-Authenticate"]
    if status == 503:
        assert response["Retry-After"] == "1"
    return problem


def assert_invalid(response, field, code):
    """A 400 whose errors are of this field alone, with this code among them."""
    errors = assert_refused(response, 400, "validation_error")["errors"]
    assert errors.keys() == {field}
    assert code in [error["code"] for error in errors[field]]
