"""The endpoint for Prometheus: who may read it, and what is in it."""

import gzip
import os
import re
import socket
import time
from base64 import b64encode

import pytest
from prometheus_client.parser import text_string_to_metric_families

from shared import metrics
from shared.api import metrics as endpoint
from shared.metrics_folder import State
from shared.tests.conftest import assert_problem
from shared.tests.test_docs import ROOT

URL = "/api/v1/test/metrics"
KEY = "key-of-prometheus-" * 3
PAGE = ROOT / "docs" / "operations" / "observability.md"
OBSERVE = ROOT / "deploy" / "observe"


@pytest.fixture(autouse=True)
def _caller(settings):
    settings.INTERNAL_API_KEYS = [*settings.INTERNAL_API_KEYS, ("metrics", KEY)]


def basic(name, key):
    return {"Authorization": f"Basic {b64encode(f'{name}:{key}'.encode()).decode()}"}


def header(key):
    return {"X-Internal-Api-Key": key}


AUTH_KEY = "auth-key-" * 6


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (header(KEY), 200),
        (basic("metrics", KEY), 200),
        ({}, 401),
        (header("x" * 54), 401),
        (basic("metrics", "x" * 54), 401),
        (basic("auth", KEY), 401),
        (basic("", KEY), 401),
        (basic("metrics", ""), 401),
        ({"Authorization": "Basic %%%"}, 401),
        ({"Authorization": f"Bearer {KEY}"}, 401),
        ({**header(KEY), **basic("metrics", KEY)}, 401),
        (header(AUTH_KEY), 403),
        (basic("auth", AUTH_KEY), 403),
    ],
)
def test_only_prometheus_may_read_it(api_client, headers, status):
    """LOG-07: by our header or by HTTP Basic, not by both."""
    answer = api_client.get(URL, headers=headers)
    assert answer.status_code == status


@pytest.mark.parametrize("path", ["internal", "internal/auth"])
def test_the_key_of_prometheus_opens_nothing_else(api_client, path):
    """Not even what is for every service."""
    answer = api_client.get(f"/api/v1/test/{path}", headers=header(KEY))
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def read(api_client):
    answer = api_client.get(URL, headers=basic("metrics", KEY))
    assert answer["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.content.decode())
        for sample in family.samples
    }


def test_a_request_is_counted_by_its_route_and_nothing_of_a_client(api_client):
    """LOG-07: whatever a client sends, there is no new label for it."""
    before = read(api_client)
    api_client.get("/api/v1/test/canary-in-a-path?canary=1")
    api_client.generic("CANARY", "/api/v1/test/notes")
    api_client.patch("/api/v1/test/notes")
    api_client.patch("/api/v1/test/notes", headers={"Accept": "image/png"})
    api_client.delete("/api/v1/test/notes/6c2ec1c8-3ba2-4bd1-9ef1-1d0f8a3f4d55")
    after = read(api_client)
    changed = {
        tuple(value for _, value in key): after[name, *key]
        - before.get((name, *key), 0)
        for name, *key in after
        if name == "memo_requests_total"
        and after[name, *key] != before.get((name, *key), 0)
    }
    assert changed == {
        ("GET", "none", "4xx"): 1,
        ("other", "api/v1/test/notes", "4xx"): 3,
        ("other", "api/v1/test/notes/<uuid:note_id>", "4xx"): 1,
        ("GET", "api/v1/test/metrics", "2xx"): 1,
    }
    assert "canary" not in str(after).lower()


@pytest.mark.parametrize("accept", ["text/plain;version=0.0.4", "text/plain", "*/*"])
def test_a_scraper_may_accept_text_alone(api_client, accept):
    """As Telegraf does. An error is a problem all the same."""
    answer = api_client.get(URL, headers={**header(KEY), "Accept": accept})
    assert (answer.status_code, answer["Content-Type"][:10]) == (200, "text/plain")
    answer = api_client.get(URL, headers={"Accept": accept})
    assert_problem(answer, 401, "service_auth_failed")
    answer = api_client.get(URL, headers={**header(KEY), "Accept": "image/png"})
    assert_problem(answer, 406, "not_acceptable")


def test_a_large_answer_is_compressed(api_client):
    """So that it fits into the buffer of a socket."""
    for _ in range(9):
        api_client.get(URL)
    headers = {**basic("metrics", KEY), "Accept-Encoding": "gzip"}
    answer = api_client.get(URL, headers=headers)
    assert answer["Content-Encoding"] == "gzip"
    assert b"memo_requests_total" in gzip.decompress(answer.content)


def test_a_scraper_that_does_not_read_is_left_after_seconds(api_client):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        extra = {"gunicorn.socket": ours}
        assert api_client.get(URL, headers=header(KEY), **extra).status_code == 200
        assert ours.gettimeout() == endpoint.PATIENCE


def test_without_a_folder_it_is_unavailable_and_not_wrong(api_client, monkeypatch):
    monkeypatch.setattr(State, "is_faulty", True)
    answer = api_client.get(URL, headers=header(KEY))
    assert answer.status_code == 503
    assert answer.json()["code"] == "dependency_unavailable"


def test_gauges_are_looked_up_once_a_minute_and_a_fault_costs_only_themselves(
    api_client, settings, monkeypatch, tmp_path, caplog
):
    """Whichever process is asked: the mark is in their folder."""
    looks = []

    def look():
        looks.append(1)
        raise ZeroDivisionError

    monkeypatch.setattr(endpoint, "import_string", lambda name: look)
    monkeypatch.setattr(State, "folder", tmp_path)
    settings.MINUTE_GAUGES = ["a.look"]
    for _ in range(3):
        assert api_client.get(URL, headers=header(KEY)).status_code == 200
    assert looks == [1]
    assert "no metrics of a.look: ZeroDivisionError" in caplog.messages
    for hour in (-3600, 3600):  # the latter once the clock went back
        moment = time.time() + hour
        os.utime(tmp_path / "refreshed", (moment, moment))
        api_client.get(URL, headers=header(KEY))
    assert looks == [1, 1, 1]


def test_the_documented_metrics_and_labels_are_those_of_the_code():
    """The product of the documented values is all that there may be."""
    row = re.compile(r"^\| ((?:`memo_\w+`(?: |, )?)+) ?\| (.*?) \|", re.M)
    documented = {
        name: set(re.findall(r"`(\w+)`", labels))
        for names, labels in row.findall(PAGE.read_text())
        for name in re.findall(r"\w+", names)
    }
    code = {name: set(bounds) for name, bounds in metrics.BOUNDS.items()}
    assert {name: documented.get(name) for name in code} == code
    of_services = documented.keys() - code.keys()
    for name in of_services:
        sources = [*ROOT.glob("*_project/*/metrics.py")]
        text = "".join(path.read_text() for path in sources)
        assert f'"{name.removeprefix("memo_")}"' in text, name


def test_no_panel_and_no_alert_sums_what_every_instance_looks_up():
    """Each has the same of the one database or key."""
    sources = [path.read_text() for path in ROOT.glob("*_project/*/metrics.py")]
    looked_up = re.findall(r'Gauge,\s+"(\w+)",[^*]*\*\*LAST', "".join(sources))
    assert {"jobs_waiting", "signing_key_age_seconds"} <= {*looked_up}
    asked = "".join(
        (OBSERVE / name).read_text() for name in ("rules.yml", "dashboard.json")
    )
    for name in looked_up:
        assert f"memo_{name}" in asked
        assert not re.search(rf"\bsum *(by *\([^)]*\) *)?\(memo_{name}", asked), name
