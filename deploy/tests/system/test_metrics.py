"""A real Prometheus has the sums of all processes, to the request; and no client adds a
label."""

import os
import re
import signal
import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pytest
from prometheus_client.parser import text_string_to_metric_families

from deploy.local import supervisor
from deploy.tests import prometheus
from deploy.tests.client import LOGIN, ApiClient, TestUser, at_once
from deploy.tests.stack import SERVICES, wait_until
from nginx.tests.malicious_inputs import INTERNAL, MALICIOUS_PATHS

CLIENTS, ROUNDS = 4, 25
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other")
CLASSES = ("2xx", "3xx", "4xx", "5xx")
# A user's acts: the route that is counted, what is done, and the class of its status.
ACTS = {
    "api/v1/auth/login": (TestUser.log_in, "POST"),
    "api/v1/auth/refresh": (TestUser.refresh, "POST"),
    "api/v1/users/me": (TestUser.me, "GET"),
    "api/v1/auth/sessions": (TestUser.sessions, "GET"),
    "api/v1/auth/logout": (TestUser.log_out, "POST"),
}
REQUESTS = f'memo_requests_total{{route=~"{"|".join(ACTS)}"}}'
COUNTED = {
    "requests": f"sum by (method, route, status) ({REQUESTS})",
    "times": "sum by (method, route, status) "
    f"({REQUESTS.replace('requests_total', 'request_seconds_count')})",
    "logins": 'sum by (outcome) (memo_logins_total{method="password"})',
    "refreshes": "sum by (outcome) (memo_refreshes_total)",
    "ended": "sum by (reason) (memo_sessions_revoked_total)",
    "calls": "sum by (operation) (memo_internal_call_seconds_count"
    '{service="users",operation="{id}"})',
}


@pytest.fixture(scope="module")
def scraper(system, tmp_path_factory):
    with prometheus.running(system, tmp_path_factory.mktemp("prometheus")) as running:
        yield running


def totals(scraper):
    """All counts, after a scrape of now."""
    found = {COUNTED["requests"]: scraper.after_a_scrape(COUNTED["requests"])}
    found |= {text: scraper.values(text) for text in COUNTED.values()}
    return {name: Counter(found[text]) for name, text in COUNTED.items()}


def work(user):
    """What one client does, as it counts it: each request until it is not refused for
    too much load."""
    done = Counter()
    wrong = {"email": user.email, "password": "wrong wrong wrong"}
    acts = list(ACTS.items())
    acts.append(("api/v1/auth/refresh", (lambda u: u.refresh(u.cookie), "POST")))
    acts.append(("api/v1/auth/login", (lambda u: u.post(LOGIN, json=wrong), "POST")))
    for route, (act, method) in acts * ROUNDS:
        status = 503
        while status == 503:
            status = act(user).status_code
            done[method, route, f"{status // 100}xx"] += 1
    return done


def outcomes(done):
    """What the client's answers mean for the other counts."""
    login, refresh = "api/v1/auth/login", "api/v1/auth/refresh"
    found = {
        "logins": {
            ("success",): done["POST", login, "2xx"],
            ("invalid",): done["POST", login, "4xx"],
            ("failed",): done["POST", login, "5xx"],
        },
        "refreshes": {
            ("rotated",): done["POST", refresh, "2xx"],
            ("revoked",): done["POST", refresh, "4xx"],
        },
        "ended": {("logout",): done["POST", "api/v1/auth/logout", "2xx"]},
        "calls": {("{id}",): done["POST", refresh, "2xx"]},
    }
    return {
        name: {k: n for k, n in counts.items() if n} for name, counts in found.items()
    }


def kill_a_worker_and_a_master(system):
    """Nothing is in hand: what they have counted must stay."""
    for service in SERVICES:
        os.kill(system.workers(service)[0], signal.SIGKILL)
        os.kill(system.pids(service)[1], signal.SIGKILL)
    wait_until(
        lambda: all(len(system.workers(service)) >= 2 for service in SERVICES),
        30,
        "new processes",
    )
    wait_until(lambda: system.status()["state"] == "ready", 30, "a whole stack")


@pytest.mark.verify
def test_the_sums_are_the_clients_own_to_the_request(scraper, healthy, register):
    """LOG-07. All processes are replaced while clients work, and killed between."""
    users, before = [register() for _ in range(CLIENTS)], totals(scraper)
    done = Counter()
    for _ in range(2):
        with ThreadPoolExecutor(CLIENTS) as pool:
            working = [pool.submit(work, user) for user in users]
            for service in SERVICES:
                supervisor.restart_one_by_one(healthy.layout, service)
            for each in working:
                done += each.result()
        kill_a_worker_and_a_master(healthy)
    after = totals(scraper)
    assert sum(done.values()) >= 2 * CLIENTS * ROUNDS * (len(ACTS) + 2)
    counted = {name: dict(after[name] - before[name]) for name in COUNTED}
    assert counted.pop("requests") == done
    assert counted.pop("times") == done
    assert counted == outcomes(done)


@pytest.fixture(params=SERVICES)
def scrape(request, system):
    """Reads the metrics of a service, as Prometheus does."""
    name = request.param
    key = system.secret(f"metrics_{name}_service_api_key")
    base = {"auth": system.auth_url, "users": system.users_url}[name]

    def read():
        client = ApiClient(base)
        answer = client.get(f"/api/v1/{name}/metrics", auth=("metrics", key))
        assert answer.status_code == 200, answer.text
        return text_string_to_metric_families(answer.text)

    read.service, read.base, read.key = name, base, key
    return read


def test_a_scrape_that_hangs_costs_no_request_anything(system, scrape):
    """Twice as many as a service has threads ask and never read."""
    host, port = scrape.base.removeprefix("http://").split(":")
    path = f"/api/v1/{scrape.service}/metrics"
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "", ""]
    lines.insert(2, f"X-Internal-Api-Key: {scrape.key}")
    hung = [socket.create_connection((host, int(port))) for _ in range(32)]
    try:
        for each in hung:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            each.sendall("\r\n".join(lines).encode())
        time.sleep(0.5)
        begun = time.monotonic()
        live = f"/api/v1/{scrape.service}/health/live"
        answers = at_once([lambda: ApiClient(scrape.base).get(live)] * 32)
        assert {answer.status_code for answer in answers} == {200}
        assert time.monotonic() - begun < 3
    finally:
        for each in hung:
            each.close()


def routes_of(system, service):
    """Every template of the service, Django's own included."""
    code = (
        "from django.urls import get_resolver as root\n"
        "def walk(found, text=''):\n"
        "    for each in found.url_patterns:\n"
        "        more = text + str(each.pattern).removeprefix('^')\n"
        "        if hasattr(each, 'url_patterns'): walk(each, more)\n"
        "        else: print('route:', more.rstrip('$'))\n"
        "walk(root())"
    )
    printed = system.run(service, "shell", "-v", "0", "-c", code)
    return set(re.findall(r"^route: ?(.*)$", printed, re.M))


@pytest.mark.verify
def test_the_labels_are_no_more_than_the_documented_product(system, scrape, user):
    """Whatever is asked for, of the gateway or of the service itself."""
    direct, outside = ApiClient(scrape.base), ApiClient(system.gateway_url)
    for path in [*MALICIOUS_PATHS, *INTERNAL, "/canary", "/admin/canary/", "/%00"]:
        for client, method in product((direct, outside), ("GET", "CANARY", "PUT")):
            client.request(method, path, headers=user.bearer)
    bounds = {
        "route": {*routes_of(system, scrape.service), "none"},
        "method": {*METHODS, "password", "admin"},
        "status": CLASSES,
    }
    for family in scrape():
        for sample in family.samples:
            for name, value in sample.labels.items():
                assert "canary" not in value.lower()
                if name in bounds:
                    route = value.removeprefix("^").rstrip("$")
                    assert route in bounds[name], (family.name, name, value)
