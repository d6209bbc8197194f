"""The proofs that need no stack, and how a run ends."""

import json
import re
import signal
import subprocess
import sys
import time

import pytest

from deploy import __main__ as runner
from deploy import jobs
from deploy.tests.attack import __main__ as attack
from deploy.tests.stack import ROOT
from deploy.tests.waiting import wait_until
from nginx.tests.stub_service import Stub, StubHandler

INTERRUPTED = """
from deploy import jobs
jobs.handle_interruptions()
print("started", flush=True)
jobs.call(["sleep", "61.5"], {})
"""


def run(name: str, *words: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "deploy", name, *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("known", "status", "text"),
    [
        ("django 2.0, djangorestframework-simplejwt 5.5.1", 1, "CVE-2026-1"),
        # A mirror that knows nothing is no database: never a silent pass.
        ("", jobs.SKIPPED, "NOT AUDITED"),
    ],
)
def test_an_audit_tells_what_is_known(known: str, status: int, text: str) -> None:
    """Of a database that answers as osv.dev does."""

    def answer(handler: StubHandler) -> None:
        query, found = json.loads(handler.body), {}
        package = query["package"]
        if f"{package['name']} {query['version']}" in known.split(", "):
            ranges = [{"type": "ECOSYSTEM", "events": [{"fixed": "99.0"}]}]
            affected = [{"package": package, "ranges": ranges}]
            found = {"vulns": [{"id": "CVE-2026-1", "affected": affected}]}
        handler.reply(200, {}, json.dumps(found).encode())

    with Stub("") as stub:
        stub.answer = answer
        found = run("audit", "--osv-url", f"http://{stub.address}/v1/query")
        stub.shutdown()
    assert found[0] == status, found
    assert text in found[1]


def test_the_sbom_names_every_pinned_package() -> None:
    status, text = run("sbom")
    assert status == 0, text
    pins = (ROOT / "requirements" / "runtime.txt").read_text()
    wanted = re.findall(r"^([a-z0-9-]+)(?:\[.*?\])?==([^ ]+)", pins, re.M)
    components = json.JSONDecoder().raw_decode(text)[0]["components"]
    assert {(c["name"], c["version"]) for c in components} == set(wanted)


def test_unknown_words_are_2_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", ["attack", "--ca", "/none"])
    for proof, words in (
        (attack.parse, []),
        (runner.model, ["--rules", "many"]),
        (runner.fuzz, ["--sead", "5"]),
        (runner.chaos, ["--only", "redis"]),
        (runner.mutate, ["--id", "TOK-99"]),
    ):
        with pytest.raises(SystemExit) as ended:
            proof(*words)
        assert ended.value.code == 2
    assert runner.test("none") == runner.test("lint", "none") == 2
    assert run("attack", "--url", "http://127.0.0.1:9")[0] == 2


def test_a_choice_of_no_attack_is_named() -> None:
    with Stub() as stub:
        status, text = run("attack", "--url", stub.url, "--only", "unheard")
    assert status == 2
    assert "memo: no attack matches --only 'unheard'" in text


def test_a_run_fails_if_a_suite_does(capsys: pytest.CaptureFixture[str]) -> None:
    skipped = [("lint", 0, 1.0), ("audit", jobs.SKIPPED, 2.0)]
    assert jobs.report(skipped) == 0
    assert "SKIPPED" in capsys.readouterr().out
    assert jobs.report([*skipped, ("auth", -9, 3.0)]) == 1
    assert "FAILED" in capsys.readouterr().out


def test_an_interruption_ends_a_run_within_two_seconds() -> None:
    command = [sys.executable, "-c", INTERRUPTED]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"started\n"
        time.sleep(0.3)
        begun = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
    assert time.monotonic() - begun < 2
    child = ["pgrep", "-f", "^sleep 61.5"]
    is_gone = lambda: subprocess.run(child, capture_output=True).returncode == 1  # noqa: E731
    wait_until(is_gone, 2, "the end of the command that was run")
