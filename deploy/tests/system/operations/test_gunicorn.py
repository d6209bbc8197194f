"""gunicorn.conf.py: what the gateway, and a stop of a service, count on."""

import logging
import os
import re
import runpy
import signal
import socket
import time
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path

import pytest
from gunicorn.http.errors import InvalidRequestLine
from gunicorn.workers.gthread import ThreadWorker

from deploy.tests.extra_services import third_service
from deploy.tests.stack import wait_until
from nginx.tests.gateway_stack import ROOT


@pytest.fixture
def settings(monkeypatch):
    """As they are where the environment says nothing."""
    for name in ("BIND", "WEB_CONCURRENCY", "WEB_THREADS", "FORWARDED_ALLOW_IPS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")  # which it would set for good
    return runpy.run_path(str(ROOT / "deploy" / "gunicorn.conf.py"))


def test_only_the_gateway_is_believed(settings):
    """GW-03: a trusted client may rewrite the path."""
    assert settings["forwarded_allow_ips"] == "127.0.0.1"


def test_connections_are_kept_longer_than_the_gateway_keeps_them(settings):
    """GW-08: a POST that meets a closing connection cannot be repeated."""
    upstream = (ROOT / "nginx" / "upstream.template").read_text()
    [kept] = re.findall(r"keepalive_timeout (\d+)s;", upstream)
    assert settings["keepalive"] > int(kept)


def test_a_stop_leaves_time_for_requests_in_flight(settings):
    """OPS-03: compose kills after 35 s, the longest answer takes 15 s."""
    assert 15 < settings["graceful_timeout"] < 35


def test_it_is_bounded_and_offers_no_control_socket(settings):
    """OPS-02."""
    assert issubclass(settings["worker_class"], ThreadWorker)
    assert settings["control_socket_disable"] is True
    assert settings["max_requests"] > settings["max_requests_jitter"] > 0
    assert (settings["limit_request_line"], settings["limit_request_fields"]) == (
        4094,
        64,
    )
    assert settings["accesslog"] is None  # its format has the query string


def test_no_text_of_an_invalid_request_is_logged(settings, caplog):
    """LOG-01: a line may have a token."""
    worker = object.__new__(settings["worker_class"])
    worker.log = object.__new__(settings["logger_class"])
    worker.log.error_log = logging.getLogger()
    line = InvalidRequestLine("GET /?token=canary: HTTP/1.1")
    with socket.socket() as client:
        worker.handle_error(None, client, ("::1", 1), line)
    assert caplog.messages == ["Invalid request from ip=::1: Invalid HTTP request line"]


def test_a_worker_without_its_master_stops(settings):
    """OPS-03."""
    worker = object.__new__(settings["worker_class"])
    worker.ppid, worker.alive, worker.log = 0, True, logging.getLogger()
    assert not worker.is_parent_alive()
    assert not worker.alive


def test_more_connections_than_it_may_open_files_end_no_worker(system):
    """OPS-02: it takes as many as it can serve; others wait until it has room."""
    limits = ["prlimit", "--nofile=128:256"]
    with third_service(system, *limits, WEB_CONCURRENCY="1") as service:
        address = service.http.base.removeprefix("http://")
        kept = [HTTPConnection(address, timeout=15) for _ in range(400)]
        for each in kept:
            each.request("GET", "/api/v1/reports/health/live")
        for each in kept[:120]:
            assert each.getresponse().read()
        time.sleep(1)  # for those that it must not take
        kept[0].request("GET", "/api/v1/reports/health/live")
        assert kept[0].getresponse().status == 200
        for each in kept:
            each.close()


# More than a chunked body may have, encoded here to be sent at once.
CHUNKED = b"110000\r\n" + b"x" * 0x110000 + b"\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"x" * 65_535, {}),
        (b"x" * 65_536, {}),
        (CHUNKED, {"Transfer-Encoding": "chunked"}),
    ],
    ids=["that gunicorn reads", "longer", "chunked"],
)
def test_a_body_that_no_view_reads_loses_no_other_request(system, body, headers):
    """GW-08: the next one in its connection may be anybody's. This client, too, opens
    another one if the answer tells it to."""
    connection = HTTPConnection(system.users_url.removeprefix("http://"), timeout=15)
    with suppress(BrokenPipeError, ConnectionResetError):  # the answer does not wait
        connection.request("POST", "/admin/", body, headers)
    answer = connection.getresponse()
    assert (answer.status, bool(answer.read())) == (403, True)
    connection.request("GET", "/api/v1/users/health/live")
    assert connection.getresponse().status == 200
    connection.close()


@pytest.mark.verify
def test_a_worker_whose_master_is_killed_answers_its_connections_and_ends(healthy):
    """OPS-03: it cuts no request in hand."""
    address = healthy.auth_url.removeprefix("http://")
    kept = [HTTPConnection(address) for _ in range(16)]
    for each in kept:
        assert not is_last(each)
    masters, workers = healthy.pids("auth"), healthy.workers("auth")
    for pid in masters:
        os.kill(pid, signal.SIGKILL)
    for each in kept:
        wait_until(lambda each=each: is_last(each), 5, "the end of a connection")
    is_there = lambda pid: Path(f"/proc/{pid}").exists()  # noqa: E731
    wait_until(lambda: not any(map(is_there, workers)), 10, "the end of the workers")


def is_last(connection):
    """Whether this good answer ends its connection."""
    connection.request("GET", "/api/v1/auth/health/live")
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200
    return answer.getheader("Connection") == "close"
