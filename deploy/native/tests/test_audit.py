"""The audit, against a database of vulnerabilities that knows what a test tells it."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deploy.native import audit
from deploy.native.checks import Result
from deploy.native.layout import Layout

LAYOUT = Layout(Path(__file__).parents[3])
CONTROL = "django 2.0"


class Database(ThreadingHTTPServer):
    """As osv.dev answers: vulnerabilities of a release, by its name and version."""

    known: frozenset[str] = frozenset()
    asked: set[str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1/query"


class Handler(BaseHTTPRequestHandler):
    server: Database

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        query = json.loads(self.rfile.read(length))
        release = f"{query['package']['name']} {query['version']}"
        self.server.asked.add(release)
        answer = {}
        if release in self.server.known:
            ranges = [{"type": "ECOSYSTEM", "events": [{"fixed": "99.0"}]}]
            affected = [{"package": query["package"], "ranges": ranges}]
            known = {"id": "TEST-1", "aliases": ["CVE-2026-1"], "affected": affected}
            answer = {"vulns": [known]}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def database() -> Iterator[Database]:
    server = Database(("127.0.0.1", 0), Handler)
    server.asked = set()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def test_nothing_known_passes_once_the_database_knows_anything(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    database.known = frozenset({CONTROL})
    assert audit.run(LAYOUT, ["--osv-url", database.url]) == 0
    assert "nothing is known" in capsys.readouterr().out
    names = {release.split()[0] for release in database.asked}
    assert {"django", "pyjwt", "gunicorn", "pytest"} <= names


def test_what_is_known_fails_and_is_named(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    database.known = frozenset({CONTROL, "djangorestframework-simplejwt 5.5.1"})
    assert audit.run(LAYOUT, ["--osv-url", database.url]) == 1
    said = capsys.readouterr().out
    assert "djangorestframework-simplejwt 5.5.1: " in said
    assert "CVE-2026-1" in said
    assert "99.0" in said


def test_a_database_that_knows_nothing_at_all_is_none(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such as a mirror that answers politely: never a silent pass."""
    assert audit.run(LAYOUT, ["--osv-url", database.url]) == audit.SKIPPED
    assert "NOT AUDITED" in capsys.readouterr().out


def test_without_a_database_nothing_is_audited_and_that_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    url = "http://127.0.0.1:9/v1/query"
    assert audit.run(LAYOUT, ["--osv-url", url]) == audit.SKIPPED
    assert "NOT AUDITED" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("statuses", "verdict", "passed"),
    [
        ([0, 0], "passed", True),
        ([0, audit.SKIPPED], "SKIPPED", True),
        ([audit.SKIPPED, 1], "FAILED", False),
    ],
)
def test_a_suite_that_was_skipped_is_said_to_be(
    statuses: list[int], verdict: str, passed: bool
) -> None:
    result = Result("audit", statuses, 1.0)
    assert (result.verdict, result.passed) == (verdict, passed)
