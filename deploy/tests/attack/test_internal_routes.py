"""What services ask each other does not exist outside, whoever asks (S2S-02, GW-10)."""

import pytest

from deploy.tests.attack import wire
from deploy.tests.attack.account import Account
from deploy.tests.attack.target import Target
from nginx.tests.gateway_rig import Answer
from nginx.tests.malicious_inputs import ANY_ID, INTERNAL, TRICKS

METHODS = ("GET", "POST", "DELETE", "OPTIONS")
MORE_TRICKS = [
    "/api/v1/auth/VERIFY_TOKEN",
    "/api/v1/auth/verify_token.",
    "/api/v1/auth/verify_token.json",
    "/api/v1/auth/verify_token%20",
    "/api/v1/auth/verify%5ftoken",
    "/api/v1/auth/login/%2e%2e/verify_token",
    "/api/v1/auth/login/..%5cverify_token",
    "/api/v1/auth/login/..;/verify_token",
    "/api/v1/auth/health/live/../../verify_token",
    "/api/v1/users/me/../verify",
    "/api/v1/users/me/%2e%2e/verify",
    f"/api/v1/users/me/../{ANY_ID}",
    "/api/v1/users/ME/../verify",
    "/api/v2/auth/verify_token",
    "/auth/verify_token",
    "/metrics",
    "/api/v1/auth/metrics",
    "/server-status",
    "/nginx_status",
    "/.git/HEAD",
    "/.env",
    "/api/v1/auth/.env",
    "/static/../.env",
    "/static/%2e%2e/%2e%2e/.env",
    "/static../.env",
    "/.secrets/auth_secret_key",
    "/__debug__/",
    "/api/v1/auth/schema/",
]


@pytest.fixture(params=["without a key", "with every key"])
def key(request: pytest.FixtureRequest, target: Target) -> list[tuple[str, str]]:
    """Of a service, should one have got out."""
    if request.param == "without a key":
        return []
    if not target.keys:
        pytest.skip("NOT ANSWERED: no key of a service was given (--api-key FILE)")
    return [("X-Internal-Api-Key", text) for text in target.keys]


def told(answer: Answer) -> tuple[int, bytes, list[tuple[str, str]]]:
    """An answer without what is another's each time."""
    identity = answer.one("X-Request-ID").encode()
    own = {"X-Request-ID", "Date"}
    headers = [(name, value) for name, value in answer.headers if name not in own]
    return answer.status, answer.body.replace(identity, b""), headers


@pytest.mark.parametrize("path", INTERNAL)
def test_an_internal_route_is_like_one_that_never_was(
    target: Target, mallory: Account, path: str, key: list[tuple[str, str]]
) -> None:
    headers = [*key, *mallory.bearer.items()]
    for method in METHODS:
        asked = target.ask(method, path, headers, value={"token": mallory.token})
        nowhere = target.ask(method, "/no/such/thing", headers, value={})
        assert told(asked) == told(nowhere)
        assert asked.status == 404


@pytest.mark.parametrize("path", [*TRICKS, *MORE_TRICKS])
def test_no_way_of_writing_a_path_leads_in(
    target: Target, path: str, key: list[tuple[str, str]]
) -> None:
    for method in ("GET", "POST"):
        answer = target.ask(method, path, key, body=b"{}" if method == "POST" else b"")
        assert answer.status in (400, 404), (method, answer.body)
        wire.problem_of(answer)


@pytest.mark.parametrize(
    "tell",
    [
        "{origin}/api/v1/auth/verify_token",
        "http://auth:8001/api/v1/auth/verify_token",
        "http://127.0.0.1:8001/api/v1/auth/verify_token",
        "http://169.254.169.254/latest/meta-data/",
        "{origin}/api/v1/auth/health/live",
    ],
)
def test_no_target_names_another_host(
    target: Target, tell: str, key: list[tuple[str, str]]
) -> None:
    """Absolute-form (RFC 9112 section 3.2.2): nobody's proxy."""
    answer = target.ask("GET", tell.format(origin=target.origin), key)
    assert answer.status in (400, 404, 421), answer.body
    wire.problem_of(answer)
