"""Request ids, the access log, trailing slashes, health, the client's address."""

import logging
import uuid

import pytest
from django.test import RequestFactory
from rest_framework.test import APIClient

from shared.api.client_ip import client_address, user_agent
from shared.api.urls import common
from shared.structured_logging import request_id
from shared.tests.conftest import assert_problem

LIVE = "/api/v1/test/health/live"


@pytest.mark.parametrize("offered", ["a" * 8, "A-9" * 20, str(uuid.UUID(int=5))])
def test_a_request_id_that_looks_like_one_is_kept(api_client, offered):
    answer = api_client.get(LIVE, headers={"X-Request-ID": offered})

    assert answer["X-Request-ID"] == offered


@pytest.mark.parametrize(
    "offered",
    [
        *("", "a" * 7, "a" * 65, "a b c d e f", "a" * 10 + "\n", "ä" * 10),
        *("a_b_c_d_e", "<script>", "12345678\r\nX: y", "\x1b[31mred-red", "\uff11" * 8),
    ],
    ids=repr,
)
def test_any_other_is_replaced(api_client, offered):
    """S2S-08, CWE-117."""
    headers = {"X-Request-ID": offered} if offered else {}
    made = {api_client.get(LIVE, headers=headers)["X-Request-ID"] for _ in range(2)}

    assert len(made) == 2
    assert all(len(each) == 32 and each.isalnum() for each in made)
    assert request_id.get() == ""


def test_django_adds_a_line_for_an_exception_alone(caplog):
    """With the id of its request. What an answer is, the line of access says."""
    client = APIClient(raise_request_exception=False)
    client.get("/api/v1/test/unavailable")
    client.get("/api/v1/test/broken")

    [line] = [r for r in caplog.records if r.name == "django.request"]
    assert line.exc_info


def test_every_request_is_one_line_with_its_route(bearer, service_client, caplog):
    """And no path, which is the client's to choose. A probe that finds all well has
    none; a bug has one."""
    caplog.set_level(logging.INFO, "memo.access")
    note, sub = uuid.uuid4(), str(uuid.uuid4())
    client = APIClient(raise_request_exception=False)
    client.get(f"/api/v1/test/notes/{note}?token=canary")
    client.get("/canary?canary=1")
    bearer(sub=sub).get("/api/v1/test/me")
    service_client("auth").get("/api/v1/test/internal")
    client.get(LIVE)
    client.get("/api/v1/test/broken")

    lines = [vars(r) for r in caplog.records if r.name == "memo.access"]
    found = [(x["route"], x["status"], x["code"], x["caller"]) for x in lines]
    assert found == [
        ("api/v1/test/notes/<uuid:note_id>", 401, "token_missing", None),
        (None, 404, None, None),
        ("api/v1/test/me", 200, None, sub),
        ("api/v1/test/internal", 200, None, "service:auth"),
        ("api/v1/test/broken", 500, None, None),
    ]
    assert {(x["method"], x["client"]) for x in lines} == {("GET", "127.0.0.1")}
    assert all(x["duration_ms"] >= 0 for x in lines)
    assert str(note) not in str(lines)
    assert "canary" not in str(lines)


@pytest.mark.parametrize("path", [LIVE + "//", "//api/v1/test/health/live", "/api/"])
def test_more_than_one_trailing_slash_is_not_found(api_client, path):
    assert api_client.get(LIVE + "/").status_code == 200
    assert_problem(api_client.get(path), 404, "not_found")


@pytest.mark.parametrize("enabled", [True, False])
def test_schema_and_docs_can_be_switched_off(settings, enabled):
    """GW-16."""
    settings.DOCS_ENABLED = enabled
    names = {route.name for route in common("api/v1/test")}

    documents = {"schema", "internal-schema", "docs"}
    assert names == {"live", "ready", "metrics"} | (documents if enabled else set())


@pytest.mark.parametrize(
    ("real_ip", "remote", "wanted"),
    [
        ("192.0.2.7", "127.0.0.1", "192.0.2.7"),
        ("2001:DB8::0001", "127.0.0.1", "2001:db8::1"),
        *((odd, "192.0.2.9", "192.0.2.9") for odd in ("", "x", "192.0.2.7, 10.0.0.1")),
        ("", "", None),  # a unix socket
        ("'; --", "unix:", None),
    ],
)
def test_the_clients_address_is_the_gateways_word(real_ip, remote, wanted):
    """And X-Forwarded-For is not looked at."""
    headers = {"X-Real-IP": real_ip, "X-Forwarded-For": "192.0.2.66"}
    request = RequestFactory().get("/", headers=headers)
    request.META["REMOTE_ADDR"] = remote

    assert client_address(request) == wanted


def test_a_user_agent_is_cut_and_made_printable():
    hidden = "\n\x1b\u202e\x9b\u2066\u200b\ue000\u0378\u2028"
    header = f"curl{hidden}/8[31m" + "x" * 500
    request = RequestFactory().get("/", headers={"User-Agent": header})

    assert user_agent(request) == "curl/8[31m" + "x" * 246
