"""Limits, bodies, connections and logs under a real Nginx."""

import http.client
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from threading import Event

import pytest

from deploy.tests.waiting import wait_until
from deploy.tests.wire import request
from nginx.tests.gateway_stack import UNLIMITED
from nginx.tests.problem_assertions import check_page, check_problem

LOGIN, REFRESH = "/api/v1/auth/login", "/api/v1/auth/refresh"
REGISTER, ME = "/api/v1/users/", "/api/v1/users/me"
CHANGE_PASSWORD = f"{ME}/change_password"
SLOW_LOGIN = {"GATEWAY_LOGIN_RATE": "1r/m", "GATEWAY_LOGIN_BURST": "1"}


def statuses(gateway, method, path, times, here=""):
    answers = [gateway.ask(method, path, source=here) for _ in range(times)]
    return Counter(answer.status_code for answer in answers)


LIMITED = {
    "LOGIN": (
        LOGIN, f"{LOGIN}/", "/admin/login/", CHANGE_PASSWORD, f"{CHANGE_PASSWORD}/",
        f"{REGISTER}verify_email", f"{ME}/change_email",
        f"{REGISTER}password_reset/confirm", "/account/verify",
        f"{LOGIN}/second_factor", f"{LOGIN}/passkey", f"{LOGIN}/enrol",
        "/api/v1/auth/step_up", f"{ME}/factors/totp", f"{ME}/recovery_codes",
        f"{ME}/password",
        "/admin/login/passkey/", "/admin/login/second_factor/", "/admin/confirm/",
    ),
    "REGISTER": (
        REGISTER, REGISTER[:-1], f"{REGISTER}password_reset",
        f"{REGISTER}verify_email/resend", "/account/reset/request",
    ),
    "REFRESH": (
        REFRESH, f"{LOGIN}/passkey/options", "/api/v1/auth/step_up/options",
        f"{ME}/factors/passkeys/options", "/api/v1/auth/logout_all",
        "/api/v1/auth/logout", "/admin/users/user/add/",
    ),
}  # fmt: skip


@pytest.mark.parametrize("limit", LIMITED)
def test_a_limited_route_refuses_with_429_and_retry_after(start, limit):
    """Each is asked from an address of its own."""
    gateway = start({f"GATEWAY_{limit}_RATE": "3r/m", f"GATEWAY_{limit}_BURST": "2"})
    for number, path in enumerate(LIMITED[limit], 2):
        here = f"127.0.1.{number}"
        reached = gateway.auth.requests + gateway.users.requests
        assert statuses(gateway, "POST", path, 6, here) == {200: 3, 429: 3}, path
        assert gateway.auth.requests + gateway.users.requests == reached + 3
        answer = gateway.ask("POST", path, source=here)
        if path.startswith(("/admin/", "/account/")):
            check_page(answer, 429)
        else:
            check_problem(answer, 429, "rate_limited")
        assert answer.one("Retry-After") == "20"
        # Only the act itself counts: not a preflight, not another route.
        assert gateway.ask("PUT", path, source=here).status_code == 429
        for method, other in (("OPTIONS", path), ("GET", path), ("GET", ME)):
            assert statuses(gateway, method, other, 5, here) == {200: 5}


def test_the_general_limit_covers_every_proxied_route(start):
    gateway = start({"GATEWAY_API_RATE": "1r/m", "GATEWAY_API_BURST": "3"})
    paths = [ME, "/admin/", "/api/v1/auth/docs", "/.well-known/jwks.json", ME, LOGIN]
    found = [gateway.get(path).status_code for path in paths]
    assert found == [200, 200, 200, 200, 429, 429]


def test_the_default_limits_are_those_of_the_documents(start):
    """The next is allowed after 2 s, and after 6 s."""
    gateway = start(dict.fromkeys(UNLIMITED, ""))
    for path, sent, refused in ((LOGIN, 14, {2, 3}), (REGISTER, 8, {1, 2})):
        assert statuses(gateway, "POST", path, sent)[429] in refused
        time.sleep(0.5)
        assert gateway.ask("POST", path).status_code == 429


def test_a_client_is_an_address_or_an_ipv6_network_of_64_bits(start):
    clients = [
        ("203.0.113.1", 200), ("203.0.113.1", 200), ("203.0.113.1", 429),
        ("203.0.113.2", 200),
        ("2001:db8:0:1::1", 200), ("2001:db8:0:1:ffff:ffff:ffff:ffff", 200),
        ("2001:db8:0:1:a0a:a0a:a0a:a0a", 429), ("2001:db8:0:2::1", 200),
        ("::ffff:198.51.100.1", 200), ("::ffff:198.51.100.2", 200),
        ("::ffff:198.51.100.3", 200),
    ]  # fmt: skip
    gateway = start(SLOW_LOGIN | {"GATEWAY_TRUSTED_PROXIES": "127.0.0.1"})
    for client, status in clients:
        answer = gateway.ask("POST", LOGIN, {"X-Forwarded-For": client})
        assert answer.status_code == status, client


def test_a_client_cannot_choose_the_address_it_is_counted_by(start):
    gateway = start(SLOW_LOGIN)
    claims = [{"X-Forwarded-For": f"10.0.0.{n}"} for n in range(4)]
    answers = [gateway.ask("POST", LOGIN, claim) for claim in claims]
    assert [each.status_code for each in answers] == [200, 200, 429, 429]


def test_requests_at_once_are_limited(start):
    gateway, release = start({"GATEWAY_CONNECTION_LIMIT": "2"}), Event()

    def wait(handler):
        release.wait(10)
        handler.reply(200, {})

    gateway.users.answer = wait
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(gateway.get, ME) for _ in range(2)]
        while gateway.users.requests < 2:
            time.sleep(0.01)
        check_problem(gateway.get(ME), 429, "rate_limited")
        release.set()
    assert {each.result().status_code for each in waiting} == {200}
    assert gateway.get(ME).status_code == 200


def test_a_client_that_an_error_refuses_holds_no_connection(gateway):
    """GW-06: no limit counts it. One sends its body slowly, one has sent it."""
    for host in (gateway.netloc, "elsewhere"):
        head = f"POST /x HTTP/1.1\r\nHost: {host}\r\nContent-Length: 99\r\n\r\n"
        with gateway.connect() as slow:
            begun = time.monotonic()
            slow.sendall(head.encode())
            with suppress(OSError):
                while time.monotonic() < begun + 20:
                    slow.sendall(b"x")
                    time.sleep(0.5)
            assert 4 < time.monotonic() - begun < 10
        assert gateway.exchange(head.encode() + b"x" * 99).closed


def test_an_api_body_may_have_16_kib_and_the_admin_64(gateway):
    """What does not fit into memory needs writable temp folders."""
    for path, most in ((LOGIN, 16384), ("/admin/", 65536)):
        assert gateway.ask("POST", path, body=b"x" * most).json()["length"] == most
        assert gateway.ask("POST", path, body=b"x" * (most + 1)).status_code == 413
    gateway.users.answer = lambda handler: handler.reply(200, {}, b"y" * (8 << 20))
    assert len(gateway.get("/admin/").content) == 8 << 20


def test_connections_to_a_service_are_kept(gateway):
    before = gateway.users.connections
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    for _ in range(50):
        connection.request("GET", ME)
        connection.getresponse().read()
    connection.close()
    assert gateway.users.connections - before <= 2


def test_the_logs_hold_no_secret_and_one_object_per_line(start, tmp_path):
    secret = "canary-7d1f"
    names = ("Cookie", "Authorization", "Referer", "X-Internal-Api-Key")
    agent = {"User-Agent": 'tab\tquote" \u202e'.encode().decode("latin-1")}
    headers = dict.fromkeys(names, secret) | agent
    gateway = start({"GATEWAY_LOGIN_BURST": "1"})
    gateway.ask("POST", f"{LOGIN}?token={secret}", headers, secret.encode())
    gateway.users.stop()
    gateway.ask("PATCH", f"{ME}?token={secret}", headers)
    gateway.ask("GET", f"/static/no?token={secret}", headers)
    gateway.raw(f"GET /?{secret} HTTP/1.1\r\nHost: a b\r\n\r\n".encode())
    # Two workers write it: the order of the lines is not that of the requests.
    lines = {line["status"]: line for line in gateway.access_log_of(4)}
    assert secret not in (tmp_path / "access.log").read_text() + gateway.error_log
    assert lines.keys() == {200, 503, 404, 400}
    assert lines[200]["path"] == LOGIN
    assert lines[503]["upstream_status"] == "502"
    assert lines[503]["method"] == "PATCH"
    assert lines[200]["user_agent"].isascii()
    assert lines[200].keys() >= {"time", "request_id", "client", "method", "seconds"}


LINK = "/account/reset?token=canary-7d1f"


@pytest.mark.parametrize(
    "path", [LINK, LINK.replace("reset", "verify"), "/static/account.css"]
)
def test_an_error_at_an_account_page_does_not_log_its_link(start, tmp_path, path):
    """LOG-01: nor an error at what the page loads, whose referrer is the page."""
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "account.css").write_text("a{}")
    few = {"worker_rlimit_nofile 8192": "worker_rlimit_nofile 64"}
    slow = {"client_header_timeout 5s": "client_header_timeout 60s"}
    gateway = start({"GATEWAY_WORKERS": "1"}, edit=few | slow)
    referrer = {"Referer": gateway.origin + LINK}
    with ExitStack() as stack:
        first, *_ = [stack.enter_context(gateway.connect()) for _ in range(100)]
        refused = lambda: "accept4() failed" in gateway.error_log  # noqa: E731
        wait_until(refused, 10, "use of the last descriptor")
        first.sendall(request("GET", path, gateway.netloc, referrer))
        assert first.recv(65536).startswith(b"HTTP/1.1 500 ")
    assert "canary" not in gateway.error_log


def test_a_malformed_request_does_not_log_its_link_at_the_lowest_level(start):
    """LOG-01. Nginx refuses it before it finds the location."""
    gateway = start({"GATEWAY_ERROR_LOG_LEVEL": "notice"})
    answer = gateway.raw(f"GET {LINK} HTTP/1.1\r\nHost: a b\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert "canary" not in gateway.error_log
