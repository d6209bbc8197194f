"""The proofs that need no stack, and how a run ends."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from deploy import __main__ as runner
from deploy import jobs, proofs
from deploy.jobs import Result
from deploy.tests.stack import ROOT
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


@pytest.fixture
def database() -> Iterator[Stub]:
    """It answers as osv.dev does: the vulnerabilities of a release. `name` has all."""

    def answer(handler: StubHandler) -> None:
        query, found = json.loads(handler.body), {}
        package = query["package"]
        if f"{package['name']} {query['version']}" in handler.server.name.split(", "):
            ranges = [{"type": "ECOSYSTEM", "events": [{"fixed": "99.0"}]}]
            affected = [{"package": package, "ranges": ranges}]
            found = {"vulns": [{"id": "CVE-2026-1", "affected": affected}]}
        handler.reply(200, {}, json.dumps(found).encode())

    with Stub("") as stub:
        stub.answer = answer
        yield stub
        stub.shutdown()


@pytest.mark.parametrize(
    ("known", "status", "text"),
    [
        ("django 2.0, djangorestframework-simplejwt 5.5.1", 1, "CVE-2026-1"),
        # A mirror that knows nothing is no database: never a silent pass.
        ("", jobs.SKIPPED, "NOT AUDITED"),
    ],
)
def test_an_audit_tells_what_is_known(
    database: Stub, known: str, status: int, text: str
) -> None:
    database.name = known
    found = run("audit", "--osv-url", f"http://{database.address}/v1/query")
    assert found[0] == status, found
    assert text in found[1]


def test_the_sbom_names_every_pinned_package_and_is_the_same_each_time(
    tmp_path: Path,
) -> None:
    files = [tmp_path / "one.json", tmp_path / "other.json"]
    assert [run("sbom", str(file))[0] for file in files] == [0, 0]
    text = files[0].read_text()
    assert text == files[1].read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    pins = (ROOT / "requirements" / "runtime.txt").read_text()
    wanted = re.findall(r"^([a-z0-9-]+)(?:\[.*?\])?==([^ ]+)", pins, re.M)
    components = json.loads(text)["components"]
    assert {(c["name"], c["version"]) for c in components} == set(wanted)
    assert text.count('"content"') >= pins.count("--hash=")


def test_unknown_words_are_2_before_anything_starts() -> None:
    for proof, words in (
        (proofs.model, ["--rules", "many"]),
        (proofs.fuzz, ["--sead", "5"]),
        (proofs.mutate, ["--id", "TOK-99"]),
    ):
        with pytest.raises(SystemExit) as ended:
            proof(*words)
        assert ended.value.code == 2
    assert runner.test("none") == runner.test("lint", "none") == 2
    assert run("attack", "--ca", "/none")[0] == 2
    assert run("attack", "--url", "http://127.0.0.1:9")[0] == 2


def test_a_run_fails_if_a_suite_does(capsys: pytest.CaptureFixture[str]) -> None:
    skipped = [Result("lint", 0, 1.0), Result("audit", jobs.SKIPPED, 2.0)]
    assert jobs.report(skipped) == 0
    assert "SKIPPED" in capsys.readouterr().out
    assert jobs.report([*skipped, Result("auth", -9, 3.0)]) == 1
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
    children = subprocess.run(["pgrep", "-f", "^sleep 61.5"], capture_output=True)
    assert children.returncode == 1
