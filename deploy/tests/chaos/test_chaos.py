"""A short chaos run, and proof that its checker sees what it should.

`./manage_all.sh chaos` is the long one (docs/testing.md).
"""

import os
import random
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from deploy.tests.chaos import clocks, faults, report
from deploy.tests.chaos.catalogue import catalogue, choose
from deploy.tests.chaos.deployments import target_of
from deploy.tests.chaos.link import Mode
from deploy.tests.chaos.proxied_stack import Rig
from deploy.tests.chaos.run import Run
from deploy.tests.chaos.schedule import break_once, break_until
from deploy.tests.chaos.stack import Stack
from deploy.tests.stack import ROOT, System
from deploy.tests.system.tampering_proxy import Lie, Remembers, bare, clearing, lying

pytestmark = pytest.mark.verify

SEED = 4
SECONDS = 35.0
PATIENCE = 40.0  # in seconds; a lie is found in a few
# One of each way to break something.
SHORT = (
    "stop auth-db",
    "pause redis",
    "kill -9 users",
    "flush redis",
    "slow auth>users",
    "lost answers auth>auth-db",
    "lost answers front",
    "reset users>redis",
    "full redis",
    "kill -9 workers in refresh",
)


@pytest.fixture(scope="module")
def rig(system: System) -> Iterator[Rig]:
    with Rig(Stack(system.stack), random.Random(SEED)) as rig:
        yield rig


def run_on(rig: Rig, **more: object) -> Run:
    return Run(target_of(rig), SEED, **more)


def kinds(run: Run) -> set[str]:
    return {each.kind for each in run.violations}


def test_people_notice_nothing_worse_than_503(rig: Rig, capfd) -> None:
    run = run_on(rig)
    chosen = [each for each in catalogue() if each.name in SHORT]
    stage = faults.Stage(rig, run.ledger, random.Random(SEED))
    with run:
        until = time.monotonic() + SECONDS
        break_until(until, 3, chosen, stage, run, print)
    assert not run.violations, report.text(run)
    done = {name for each in run.timeline.troubles for name in each.name.split(" and ")}
    assert len(done) >= 5, report.text(run)
    asked = {kind for kind, status in run.ledger.answers if status == 200}
    wanted = {"log in", "refresh", "tab", "me", "verify", "log out", "log out all"}
    assert wanted <= asked, report.text(run)
    assert run.ledger.answers["verify", 401], "nobody asked for a token that had ended"


def test_a_token_that_is_taken_after_its_end_is_found(rig: Rig) -> None:
    run = run_lied_to(rig, Remembers())
    assert kinds(run) == {"revoked token accepted"}, report.text(run)
    story = run.violations[0].story
    assert "log in" in story, "the story begins with the log-in"
    assert "me               200" in story, "and has what should not have been"


def test_sessions_that_end_behind_peoples_backs_are_found(rig: Rig) -> None:
    run = run_on(rig)
    with run, ending_sessions(rig, run):
        until_found(run)
    assert kinds(run) == {"session lost"}, report.text(run)
    assert "'planted'" in run.violations[0].story, "it shows what the row says"


@pytest.mark.parametrize(
    ("lie", "kind"),
    [
        pytest.param(bare, "undocumented error", id="bare-502"),
        pytest.param(clearing, "cookie cleared", id="cookie-cleared"),
    ],
)
def test_an_outage_that_is_told_wrong_is_found(rig: Rig, lie: Lie, kind: str) -> None:
    run = run_lied_to(rig, lie, away="auth>users")
    assert kinds(run) == {kind}, report.text(run)


def run_lied_to(rig: Rig, lie: Lie, away: str = "") -> Run:
    """People whose gateway lies, until that is found; with something away once."""
    run = run_on(rig)
    with lying(rig.url, lie) as url:
        run.target = replace(run.target, url=url)
        with run:
            if away:
                act = faults.on_way(away, Mode(reset=True))
                fault = faults.Fault(f"reset {away}", (away,), act)
                stage = faults.Stage(rig, run.ledger, random.Random(SEED))
                break_once([fault], stage, target_of(rig), run.timeline)
            until_found(run)
    return run


def until_found(run: Run) -> None:
    """Until there is a violation, as long as there may be one."""
    until = time.monotonic() + PATIENCE
    while not run.violations and time.monotonic() < until:
        time.sleep(0.2)


@contextmanager
def ending_sessions(rig: Rig, run: Run) -> Iterator[None]:
    """By the database, one of the people's sessions after the other."""
    ending = threading.Event()

    def end_some() -> None:
        while not ending.wait(0.2):
            session = run.ledger.some_session(random.Random(), over=False)
            if session:
                sql = (
                    "UPDATE tokens_session SET revoked_at = clock_timestamp(),"
                    " revoked_reason = 'planted' WHERE id = %s AND revoked_at IS NULL"
                    " RETURNING id"
                )
                rig.stack.query("auth", sql, session.sid)

    thread = threading.Thread(target=end_some)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


def command(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """The command itself, as `./manage_all.sh chaos` starts it."""
    env = {k: v for k, v in os.environ.items() if k != "MEMO_STACK"}
    env |= more
    return subprocess.run(
        [sys.executable, "-m", "deploy.tests.chaos", *words],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_by_url_there_are_people_and_no_faults(system: System) -> None:
    done = command("--url", system.gateway_url, "--minutes", "0.1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr.count("LEFT OUT") == 3, done.stderr
    assert "== faults: 0" in done.stdout
    assert "== violations: 0" in done.stdout
    assert re.search(r"^  log in +200: [1-9]", done.stdout, re.M), done.stdout


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["--url", "http://localhost:1", "--every", "5"], id="by-url"),
        pytest.param([], id="no-stack-of-ours"),
    ],
)
def test_faults_are_for_a_native_stack_alone(words: list[str]) -> None:
    done = command(*words)
    assert done.returncode == 2
    assert "faults" in done.stderr


def test_where_no_clock_can_be_set_it_is_said(rig: Rig, capsys, monkeypatch) -> None:
    monkeypatch.setattr(
        "deploy.tests.chaos.clocks.why_not", lambda _layout: "no compiler"
    )
    found = choose(rig.stack, [])
    assert not [each for each in found if "clock" in each.name]
    assert "LEFT OUT" in capsys.readouterr().err


ASKED = "for _ in sys.stdin: print(time.time(), time.monotonic(), flush=True)"


def test_a_program_sees_its_clock_stepped_while_it_runs(rig: Rig, tmp_path) -> None:
    """The time of day; what timeouts go by stays as it is."""
    if reason := clocks.why_not(rig.stack.layout):
        pytest.skip(reason)
    step = tmp_path / "clock"
    clocks.set_to(step, 0)
    env = {**os.environ, **clocks.preloaded(rig.stack.layout, step)}
    with subprocess.Popen(
        [sys.executable, "-c", f"import sys, time\n{ASKED}"],
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as program:
        assert program.stdin
        assert program.stdout
        for seconds in (0, clocks.FAST, clocks.SLOW, 0):
            clocks.set_to(step, seconds)
            program.stdin.write("?\n")
            now, monotonic = map(float, program.stdout.readline().split())
            assert now - time.time() == pytest.approx(seconds, abs=2)
            assert monotonic == pytest.approx(time.monotonic(), abs=2)
        program.stdin.close()
