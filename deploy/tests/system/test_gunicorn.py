"""gunicorn.conf.py: what the gateway, and a stop of a service, count on."""

import re
import runpy

import pytest

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
    assert settings["worker_class"] == "gthread"
    assert settings["control_socket_disable"] is True
    assert settings["max_requests"] > settings["max_requests_jitter"] > 0
    assert (settings["limit_request_line"], settings["limit_request_fields"]) == (
        4094,
        64,
    )
    assert settings["accesslog"] is None  # its format has the query string
