"""Every alert fires when its cause is injected into a running stack, and is over after
it, and what the runbook says works. The thresholds are tried with series:
deploy/observe/rules_test.yml."""

import json
import os
import re
import signal
import subprocess
import time
from contextlib import contextmanager

import pytest
import yaml

from deploy.local.servers import postgres
from deploy.tests import prometheus
from deploy.tests.client import LOGIN, at_once, internal
from deploy.tests.prometheus import OBSERVE
from deploy.tests.stack import ROOT, wait_until
from shared.tests.test_docs import anchors

RULES = yaml.safe_load((OBSERVE / "rules.yml").read_text())["groups"][0]["rules"]
RUNBOOK = ROOT / "docs" / "operations" / "runbook.md"
SHELL = re.compile(r"((?:<!-- .* -->\n)?)```sh\n(.*?)```", re.S)
SWEEP_LOCK = 0x6D656D6F
DAY = 86400


def test_every_alert_has_its_heading_in_the_runbook():
    """Twelve at most, or none is read."""
    assert len(RULES) <= 12
    linked = [rule["annotations"]["runbook"].partition("#") for rule in RULES]
    assert {page for page, _, _ in linked} == {str(RUNBOOK.relative_to(ROOT))}
    headings = re.findall(r"^## (\w+)$", RUNBOOK.read_text(), re.M)
    assert headings == [rule["alert"] for rule in RULES]
    assert {anchor for _, _, anchor in linked} <= anchors(RUNBOOK)


def test_rules_and_dashboard_ask_for_metrics_that_there_are():
    page = (ROOT / "docs" / "operations" / "observability.md").read_text()
    documented = set(re.findall(r"`(memo_\w+)`", page))
    dashboard = json.loads((OBSERVE / "dashboard.json").read_text())
    asked = [t["expr"] for p in dashboard["panels"] for t in p.get("targets", ())]
    for text in [*asked, *(rule["expr"] for rule in RULES)]:
        names = set(re.findall(r"\bmemo_\w+", text))
        assert {re.sub(r"_bucket$", "", name) for name in names} <= documented, text
    assert len(asked) > 20


@pytest.mark.verify
@pytest.mark.parametrize(
    "words",
    [
        ("check", "rules", "rules.yml"),
        ("test", "rules", "rules_test.yml"),
        ("check", "config", "--syntax-only", "prometheus.yml"),
    ],
)
def test_promtool_is_content(system, words):
    command = [prometheus.program(system, "promtool"), *words]
    done = subprocess.run(command, cwd=OBSERVE, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def scraper(system, tmp_path_factory):
    with prometheus.running(system, tmp_path_factory.mktemp("prometheus")) as running:
        yield running


# ---- Causes: each is injected while the block lasts ----------------------------------


def no_service(system, user):
    return system.stopped("auth")


@contextmanager
def wrong_passwords(system, user):
    time.sleep(prometheus.WINDOW + 2)  # No login is in the window.
    for _ in range(14):
        user.post(LOGIN, json={"email": user.email, "password": "wrong wrong"})
    yield


@contextmanager
def reuse(system, user):
    for _ in range(8):
        thief = user.on_another_device()
        stolen = thief.cookie
        assert thief.refresh().ok
        old = "UPDATE tokens_session SET rotated_at = rotated_at - interval '1 hour'"
        system.query("auth", f"{old} WHERE id = %s RETURNING id", thief.sid)
        assert thief.refresh(stolen).status_code == 401
    yield


@contextmanager
def failing_database(system, user):
    with system.stopped("users-db"):
        for _ in range(20):
            assert user.me().status_code == 503
        yield


@contextmanager
def slow_database(system, user):
    with system.paused("users-db"):
        at_once([user.me] * 8)
    yield


@contextmanager
def storm_of_logins(system, user):
    body = {"email": user.email, "password": user.password}
    verify = lambda: internal(system, "POST", "/api/v1/users/verify", json=body)  # noqa: E731
    for _ in range(4):
        at_once([verify] * 30)
    yield


@contextmanager
def no_redis(system, user):
    with system.stopped("redis"):
        user.me()
        yield


@contextmanager
def lost_push(system, user):
    assert user.me().ok
    with system.stopped("auth"):
        change_password(user)
        yield


def change_password(user):
    new = f"{user.password} again"
    assert user.change_password(new).status_code == 204
    user.password = new


@contextmanager
def held_sweep(system, user):
    password = system.secret("auth_db_app_password")
    with system.connect("auth", "auth_app", password) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [SWEEP_LOCK])
        yield


@contextmanager
def old_key(system, user):
    [public] = (system.state / "secrets" / "keys" / "public").glob("*.pem")
    times = public.stat()
    os.utime(public, (time.time() - 400 * DAY,) * 2)
    try:
        look_again(system)
        yield
    finally:
        os.utime(public, ns=(times.st_atime_ns, times.st_mtime_ns))
        look_again(system)


@contextmanager
def waiting_mail(system, user):
    with system.stopped("users-worker"):
        change_password(user)
        old = "UPDATE users_mail SET created_at = created_at - interval '1 hour'"
        system.query("users", f"{old} WHERE sent_at IS NULL RETURNING id")
        look_again(system)
        yield
    unsent = "SELECT FROM users_mail WHERE sent_at IS NULL AND failed_at IS NULL"
    wait_until(lambda: not system.query("users", unsent), 60, "the mail")
    look_again(system)


@contextmanager
def old_backup(system, user):
    note_backup(system, "2020-01-01")
    yield
    note_backup(system, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))


def note_backup(system, when):
    [users] = [x for x in system.layout.services if x.name == "users"]
    note = f"COMMENT ON DATABASE users IS 'memo backup {when}'"
    postgres.call(system.layout, users, "psql", "-Xqd", "users", "-c", note)
    look_again(system)


def look_again(system):
    """The minute is over."""
    for mark in system.state.glob("work/*/metrics/refreshed"):
        mark.unlink()


# ---- What the runbook has one do about it --------------------------------------------

CURES = {"MemoDown", "MemoRedisUnavailable"}  # during the fault; the others after it


def follow_runbook(system, user, alert):
    """Every command of the alert's section. Its user is this one."""
    section = re.split(rf"^## {alert}$", RUNBOOK.read_text(), flags=re.M)[1]
    for mark, block in SHELL.findall(section.partition("\n## ")[0]):
        if "test_backup.py" in mark:
            continue
        for line in block.strip().splitlines():
            program, *words = line.replace("ada@example.org", user.email).split()
            assert program == "./manage_all.sh"
            (show if "-f" in words else system.run)(*words)


def show(*words):
    """It continues until it is stopped."""
    command = ["./manage_all.sh", *words]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        assert process.stdout.readline()
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate()


CAUSES = {
    "MemoDown": no_service,
    "MemoNoLogins": wrong_passwords,
    "MemoTokenReuse": reuse,
    "MemoErrors": failing_database,
    "MemoSlow": slow_database,
    "MemoHashingRefused": storm_of_logins,
    "MemoRedisUnavailable": no_redis,
    "MemoPushLost": lost_push,
    "MemoSweepSilent": held_sweep,
    "MemoSigningKeyDue": old_key,
    "MemoMailStuck": waiting_mail,
    "MemoBackupOld": old_backup,
}


def test_every_alert_has_a_cause_here():
    assert list(CAUSES) == [rule["alert"] for rule in RULES]


@pytest.mark.verify
@pytest.mark.parametrize("alert", CAUSES)
def test_the_alert_fires_for_its_cause_and_is_over_after_it(
    healthy, scraper, register, alert
):
    user = register()
    assert user.log_in().ok
    quiet = lambda: alert not in scraper.firing()  # noqa: E731
    if alert != "MemoBackupOld":  # no backup was ever made
        wait_until(quiet, 60, f"no {alert}")
    with CAUSES[alert](healthy, user):
        wait_until(lambda: not quiet(), 30, alert)
        if alert in CURES:
            follow_runbook(healthy, user, alert)
            wait_until(quiet, 60, f"the end of {alert}")
    if alert not in CURES:
        follow_runbook(healthy, user, alert)
    # A login, after those of the storms.
    assert user.on_another_device().me().ok
    # A slow process may have looked just before the end; it looks again in a minute.
    wait_until(quiet, 90, f"the end of {alert}")
