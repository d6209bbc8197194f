"""A real Prometheus has the sums of all processes, to the request."""

import os
import signal
import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from deploy.local.servers import supervisor
from deploy.tests import prometheus
from deploy.tests.client import LOGIN, ApiClient, TestUser, at_once
from deploy.tests.stack import SERVICES, wait_until
from deploy.tests.worker_queue import Queue

CLIENTS, ROUNDS = 4, 25
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


@pytest.mark.verify
def test_what_the_worker_counts_is_in_the_scrape_of_its_service(healthy):
    """Here its calls of auth. Each process that answers has all files of the folder."""

    def calls():
        return sum(
            value
            for name, labels, value in prometheus.scrape(healthy, "users")
            if name == "memo_internal_call_seconds_count"
            and labels["service"] == "auth"
        )

    jobs, before = Queue(healthy), calls()
    jobs.wait(jobs.defer("erase_in_auth", user_id=str(uuid4())))
    assert calls() == before + 1


@pytest.mark.parametrize("service", SERVICES)
def test_a_scrape_that_hangs_costs_no_request_anything(system, service):
    """Twice as many as a service has threads ask and never read."""
    base, key = prometheus.target(system, service)
    host, port = base.removeprefix("http://").split(":")
    path = f"/api/v1/{service}/metrics"
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "", ""]
    lines.insert(2, f"X-Internal-Api-Key: {key}")
    hung = [socket.create_connection((host, int(port))) for _ in range(32)]
    try:
        for each in hung:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            each.sendall("\r\n".join(lines).encode())
        time.sleep(0.5)
        begun = time.monotonic()
        live = f"/api/v1/{service}/health/live"
        answers = at_once([lambda: ApiClient(base).get(live)] * 32)
        assert {answer.status_code for answer in answers} == {200}
        # A thread that waited for its scraper would wait 5 s for each.
        assert time.monotonic() - begun < 8
    finally:
        for each in hung:
            each.close()
