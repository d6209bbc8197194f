"""A short chaos run, and proof that its checker finds what it should.

`./manage_all.sh chaos` is the long one (docs/testing.md).
"""

import os
import random
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from time import monotonic, time

import pytest

from deploy.tests.chaos import clocks, report
from deploy.tests.chaos.faults import Fault, Stage, catalogue, choose, on_way
from deploy.tests.chaos.link import Mode
from deploy.tests.chaos.proxied_stack import ProxiedStack
from deploy.tests.chaos.run import Run, break_once, break_until
from deploy.tests.chaos.stack import ChaosStack
from deploy.tests.chaos.target import target_of
from deploy.tests.stack import ROOT, System, wait_until
from deploy.tests.system.tampering_proxy import Lie, Remembers, bare, clearing, lying

SEED = 4
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
PLANTED = (
    "UPDATE tokens_session SET revoked_at = clock_timestamp(),"
    " revoked_reason = 'planted' WHERE id = %s AND revoked_at IS NULL RETURNING id"
)


@pytest.fixture(scope="module")
def proxied(system: System) -> Iterator[ProxiedStack]:
    stack = ChaosStack(system.stack)
    with ProxiedStack(stack, random.Random(SEED)) as proxied:
        yield proxied


def kinds(run: Run) -> set[str]:
    return {each.kind for each in run.violations}


@pytest.mark.parametrize(
    ("seconds", "faults"), [(12.0, 2), pytest.param(35.0, 5, marks=pytest.mark.verify)]
)
def test_users_notice_nothing_worse_than_503(
    proxied: ProxiedStack, seconds: float, faults: int
) -> None:
    run = Run(target_of(proxied), SEED)
    chosen = [each for each in catalogue() if each.name in SHORT]
    stage = Stage(proxied, run.expected, random.Random(SEED))
    with run:
        break_until(monotonic() + seconds, 3, chosen, stage, run, print)
    assert not run.violations, report.text(run)
    done = {name for each in run.timeline.troubles for name in each.name.split(" and ")}
    assert len(done) >= faults, report.text(run)
    asked = {kind for kind, status in run.expected.answers if status == 200}
    assert {"log in", "refresh", "me", "verify", "log out"} <= asked, report.text(run)
    assert run.expected.answers["verify", 401], "no token that had ended was tried"
    if seconds > 30:
        assert {"tab", "log out all"} <= asked, report.text(run)


# ---- What the checker finds ----------------------------------------------------------


def test_a_token_that_is_taken_after_its_end_is_found(proxied: ProxiedStack) -> None:
    run = run_lied_to(proxied, Remembers())
    assert kinds(run) == {"revoked token accepted"}, report.text(run)
    story = run.violations[0].story
    assert "log in" in story, "the story begins with the login"
    assert "me               200" in story, "and has what should not have been"


@pytest.mark.verify
def test_sessions_that_end_without_an_act_are_found(proxied: ProxiedStack) -> None:
    run = Run(target_of(proxied), SEED)
    with run, ending_sessions(proxied, run):
        until_found(run)
    assert kinds(run) == {"session lost"}, report.text(run)
    assert "'planted'" in run.violations[0].story, "it shows what the row says"


@pytest.mark.verify
@pytest.mark.parametrize(
    ("lie", "kind"),
    [
        pytest.param(bare, "undocumented error", id="bare-502"),
        pytest.param(clearing, "cookie cleared", id="cookie-cleared"),
    ],
)
def test_an_outage_that_is_told_wrong_is_found(
    proxied: ProxiedStack, lie: Lie, kind: str
) -> None:
    run = run_lied_to(proxied, lie, broken="auth>users")
    assert kinds(run) == {kind}, report.text(run)


def run_lied_to(proxied: ProxiedStack, lie: Lie, broken: str = "") -> Run:
    """Users whose gateway lies, until that is found; with a way that breaks once."""
    run = Run(target_of(proxied), SEED)
    with lying(proxied.url, lie) as url:
        run.target = replace(run.target, url=url)
        with run:
            if broken:
                act = on_way(broken, Mode(reset=True))
                fault = Fault(f"reset {broken}", (broken,), act)
                stage = Stage(proxied, run.expected, random.Random(SEED))
                break_once([fault], stage, target_of(proxied), run.timeline)
            until_found(run)
    return run


def until_found(run: Run) -> None:
    """Until there is a violation, as long as there may be one."""
    with suppress(AssertionError):
        wait_until(lambda: run.violations, PATIENCE, "a violation")


@contextmanager
def ending_sessions(proxied: ProxiedStack, run: Run) -> Iterator[None]:
    """By the database, one of the users' sessions after the other."""
    ending = threading.Event()

    def end_some() -> None:
        while not ending.wait(0.2):
            session = run.expected.some_session(random.Random(), over=False)
            if session:
                proxied.stack.query("auth", PLANTED, session.sid)

    thread = threading.Thread(target=end_some)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


# ---- The command, and clocks ---------------------------------------------------------


def command(*words: str) -> subprocess.CompletedProcess[str]:
    """The command itself, as `./manage_all.sh chaos` starts it."""
    env = {k: v for k, v in os.environ.items() if k != "MEMO_STACK"}
    command = [sys.executable, "-m", "deploy.tests.chaos", *words]
    return subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120
    )


def test_by_url_there_are_users_and_no_faults(system: System) -> None:
    done = command("--url", system.gateway_url, "--minutes", "0.1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr.count("LEFT OUT") == 3, done.stderr
    assert "== faults: 0" in done.stdout
    assert "== violations: 0" in done.stdout
    assert re.search(r"^  log in +200: [1-9]", done.stdout, re.M), done.stdout


def test_faults_are_for_a_stack_of_ours_alone() -> None:
    for words in (["--url", "http://localhost:1", "--every", "5"], []):
        done = command(*words)
        assert done.returncode == 2
        assert "faults" in done.stderr


def test_where_no_clock_can_be_set_it_is_said(
    proxied: ProxiedStack,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clocks, "why_not", lambda _layout: "no compiler")
    assert not [each for each in choose(proxied.stack, []) if "clock" in each.name]
    assert "LEFT OUT" in capsys.readouterr().err


ASKED = "import sys, time\nfor _ in sys.stdin: print(time.time(), time.monotonic())"


def test_a_program_sees_its_clock_stepped_while_it_runs(
    proxied: ProxiedStack, tmp_path
) -> None:
    """The time of day; what timeouts go by stays as it is."""
    layout = proxied.stack.layout
    if reason := clocks.why_not(layout):
        pytest.skip(reason)
    step = tmp_path / "clock"
    clocks.set_to(step, 0)
    env = {**os.environ, **clocks.preloaded(layout, step), "PYTHONUNBUFFERED": "1"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    words = [sys.executable, "-c", ASKED]
    with (
        subprocess.Popen(words, env=env, text=True, bufsize=1, **pipes) as program,
        program.stdin or nullcontext() as questions,
    ):
        for seconds in (0, clocks.FAST, clocks.SLOW, 0):
            clocks.set_to(step, seconds)
            questions.write("?\n")
            now, running = map(float, program.stdout.readline().split())
            assert now - time() == pytest.approx(seconds, abs=2)
            assert running == pytest.approx(monotonic(), abs=2)
