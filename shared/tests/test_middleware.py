"""Request ids, the access log, trailing slashes, health, the client's address."""

import logging
import uuid

import pytest
from django.test import RequestFactory
from rest_framework.test import APIClient

from shared.api.client_ip import client_address, user_agent
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
        *(None, "", "a" * 7, "a" * 65, "a b c d e f", "a" * 10 + "\n", "ä" * 10),
        *("a_b_c_d_e", "<script>", "12345678\r\nX: y", "\x1b[31mred-red", "\uff11" * 8),
    ],
    ids=repr,
)
def test_any_other_is_replaced(api_client, offered):
    """S2S-08, CWE-117."""
    headers = {} if offered is None else {"X-Request-ID": offered}

    made = {api_client.get(LIVE, headers=headers)["X-Request-ID"] for _ in range(2)}

    assert len(made) == 2
    assert all(len(each) == 32 and each.isalnum() for each in made)


@pytest.mark.parametrize("path", [LIVE, "/api/v1/test/broken", "/nothing"])
def test_the_id_is_gone_with_the_request(path):
    APIClient(raise_request_exception=False).get(path)

    assert request_id.get() == ""


# --- The access log -----------------------------------------------------------------


@pytest.fixture
def access(caplog):
    """The extras of the lines in the access log."""
    caplog.set_level(logging.INFO, "memo.access")

    def lines():
        records = [r for r in caplog.records if r.name == "memo.access"]
        return [vars(record) | {"text": record.getMessage()} for record in records]

    return lines


def test_every_request_is_one_line_with_its_route(api_client, access):
    note = uuid.uuid4()
    api_client.get(f"/api/v1/test/notes/{note}?token=canary")

    (line,) = access()
    assert line["route"] == "api/v1/test/notes/<uuid:note_id>"
    assert (line["method"], line["status"]) == ("GET", 401)
    assert (line["code"], line["client"]) == ("token_missing", "127.0.0.1")
    assert line["duration_ms"] >= 0
    assert str(note) not in str(line)
    assert "canary" not in str(line)


@pytest.mark.parametrize("path", ["/canary", "/api/v1/test/canary?canary=1"])
def test_a_path_that_is_no_route_is_not_logged(api_client, access, path):
    """It is the client's to choose."""
    api_client.get(path)

    (line,) = access()
    assert (line["route"], line["status"]) == (None, 404)
    assert "canary" not in str(line)


def test_the_caller_is_named_by_id_or_service(bearer, service_client, access):
    sub = str(uuid.uuid4())
    bearer(sub=sub).get("/api/v1/test/me")
    service_client("auth").get("/api/v1/test/internal")
    APIClient().get("/api/v1/test/me")

    assert [line["caller"] for line in access()] == [sub, "service:auth", None]


def test_a_bug_has_its_line_and_a_probe_that_finds_all_well_has_none(access):
    client = APIClient(raise_request_exception=False)
    assert client.get(LIVE).status_code == 200
    client.post(LIVE)
    client.get("/api/v1/test/broken")

    assert [line["status"] for line in access()] == [405, 500]


# --- Trailing slashes and health ----------------------------------------------------


def test_a_trailing_slash_is_optional(api_client):
    body = {"text": "a"}

    assert api_client.get(LIVE + "/").status_code == 200
    assert api_client.post("/api/v1/test/notes/", body, "json").json() == body


@pytest.mark.parametrize("path", [LIVE + "//", "//api/v1/test/health/live", "/api/"])
def test_anything_more_is_not_found(api_client, path):
    assert_problem(api_client.get(path), 404, "not_found")


def test_live_asks_no_store_and_looks_at_no_credential(api_client):
    answer = api_client.get(LIVE, headers={"Authorization": "Bearer garbage"})

    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "service": "auth", "degraded": False}


# --- Addresses ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("real_ip", "remote", "wanted"),
    [
        ("192.0.2.7", "127.0.0.1", "192.0.2.7"),
        ("2001:DB8::0001", "127.0.0.1", "2001:db8::1"),
        ("", "192.0.2.9", "192.0.2.9"),
        ("x", "192.0.2.9", "192.0.2.9"),
        ("192.0.2.7, 10.0.0.1", "192.0.2.9", "192.0.2.9"),
        ("", "", None),  # a unix socket
        ("'; --", "unix:", None),
    ],
)
def test_the_clients_address_is_the_gateways_word(real_ip, remote, wanted):
    request = RequestFactory().get("/", headers={"X-Real-IP": real_ip})
    request.META["REMOTE_ADDR"] = remote

    assert client_address(request) == wanted


def test_x_forwarded_for_is_not_looked_at():
    request = RequestFactory().get("/", headers={"X-Forwarded-For": "192.0.2.66"})

    assert client_address(request) == "127.0.0.1"


def test_a_user_agent_is_cut_and_made_printable():
    header = "curl/8\n\x1b[31m\u202e" + "x" * 500
    request = RequestFactory().get("/", headers={"User-Agent": header})

    assert user_agent(request) == "curl/8[31m" + "x" * 246
    assert user_agent(RequestFactory().get("/")) == ""
