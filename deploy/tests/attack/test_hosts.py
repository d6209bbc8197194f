"""Names that the deployment does not go by (GW-01, S2S-10)."""

import pytest

from deploy.tests.attack.target import Target
from deploy.tests.attack.wire import problem_of, refused

LIVE = "/api/v1/auth/health/live"


@pytest.mark.parametrize(
    "host",
    ["evil.example", "{host}.evil.example", "auth", "users", "auth:8001", "10.0.0.1",
     "169.254.169.254", "users_service", "evil.example:{port}", "*", "xn--e1awd7f.com"],
)  # fmt: skip
def test_another_host_is_misdirected(target: Target, host: str) -> None:
    """GW-01: no link, no cache and no cookie is ever made for another name."""
    name = host.format(host=target.host, port=target.port)
    for path in (LIVE, "/admin/", "/nowhere"):
        answer = target.ask("GET", path, {"Host": name})
        refused(answer, 421, "misdirected_request")


@pytest.mark.parametrize(
    "host",
    ["a b", "evil.example@{host}", "user:password@{host}", "{host}/x", "{host}#x",
     "{host}, evil.example", "{host}\\evil.example", "<script>", "{host}:x", "", "::1",
     "[::1", "{host}:80:80", "evil.example?{host}", "{host}%00", "{host}\x00", "\xe9"],
)  # fmt: skip
def test_a_host_that_is_none_is_refused(target: Target, host: str) -> None:
    """Whatever of it two programs could read differently."""
    answer = target.ask("GET", LIVE, {"Host": host.format(host=target.host)})
    assert answer.status in (400, 421), (answer.status, answer.body)
    problem_of(answer)


@pytest.mark.parametrize("host", ["localhost_", "loc_alhost", "{host}_x"])
def test_a_host_with_an_underscore_is_no_500(target: Target, host: str) -> None:
    answer = target.ask("GET", LIVE, {"Host": host.format(host=target.host)})
    refused(answer, 421, "misdirected_request")


def test_another_port_is_the_same_host(target: Target) -> None:
    """As behind a proxy; no address is made of it that leads anywhere."""
    answer = target.ask("GET", "/admin", {"Host": f"{target.host}:1"})
    assert answer.one("Location") == "/admin/"
    metadata = "/.well-known/oauth-authorization-server"
    plain = target.ask("GET", metadata).json()
    assert target.ask("GET", metadata, {"Host": f"{target.host}:1"}).json() == plain


def test_two_hosts_are_one_too_many(target: Target) -> None:
    for second in ("evil.example", target.netloc):
        pairs = [("Host", target.netloc), ("Host", second)]
        refused(target.ask("GET", LIVE, pairs), 400, "bad_request")
