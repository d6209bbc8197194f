"""What services ask each other does not exist outside, whatever a client sends (S2S-02,
GW-10)."""

import pytest

from deploy.tests.client import problem_of, same_but_for_the_id
from nginx.tests.malicious_inputs import INTERNAL, MALICIOUS_PATHS

MORE_PATHS = [
    "/metrics",
    "/.git/HEAD",
    "/.env",
    "/.secrets/auth_secret_key",
]


@pytest.fixture(params=["without a key", "with every key"])
def key(request, target):
    """Of a service, should one have leaked."""
    if request.param == "without a key":
        return []
    if not target.keys:
        pytest.skip("NOT ANSWERED: no key of a service was given (--api-key FILE)")
    return [("X-Internal-Api-Key", text) for text in target.keys]


@pytest.mark.parametrize("path", INTERNAL)
def test_an_internal_route_is_like_one_that_never_was(target, mallory, path, key):
    headers = [*key, *mallory.bearer.items()]
    for method in ("GET", "POST", "DELETE", "OPTIONS"):
        body = {"token": mallory.token}
        asked = target.ask(method, path, headers, json_body=body)
        nowhere = target.ask(method, "/no/such/thing", headers, json_body={})
        assert asked.status_code == 404
        assert same_but_for_the_id(asked, nowhere)


@pytest.mark.parametrize("path", [*MALICIOUS_PATHS, *MORE_PATHS])
def test_no_way_of_writing_a_path_leads_in(target, path, key):
    for method, body in (("GET", b""), ("POST", b"{}")):
        response = target.ask(method, path, key, body=body)
        assert response.status_code in (400, 404), (method, response.text)
        problem_of(response)
