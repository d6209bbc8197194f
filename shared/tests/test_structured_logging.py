"""Log lines: one JSON object each, no control character, no message of an exception."""

import io
import json
import logging
import logging.config
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.exceptions import ImproperlyConfigured
from rest_framework.test import APIClient

from shared import structured_logging
from shared.structured_logging import JSONFormatter, audit, configuration, request_id

ROOT = Path(__file__).resolve().parents[2]


def line_of(message="m", *args, exc_info=None, debug=False, **extra):
    record = logging.makeLogRecord({"name": "memo.x", "levelname": "INFO"} | extra)
    record.msg, record.args, record.exc_info = message, args, exc_info
    text = JSONFormatter("auth", messages_of_exceptions=debug).format(record)
    assert text.isascii()
    assert text.isprintable()
    return json.loads(text)


def fail_twice():
    try:
        raise ValueError("canary")
    except ValueError as exc:
        raise KeyError("canary") from exc


def test_a_line_has_what_finds_it_again():
    """Extras are members, but for objects of the frameworks."""
    noise = {"request": object(), "params": ("canary",), "sql": "canary"}
    token = request_id.set("the-request")
    try:
        line = line_of("%s of %s", 1, 2, ip=None, sid=5, thing={1, 2}, **noise)
    finally:
        request_id.reset(token)

    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "INFO",
        "logger": "memo.x",
        "service": "auth",
        "message": "1 of 2",
        "request_id": "the-request",
        "ip": None,
        "sid": 5,
        "thing": "{1, 2}",
    }


@pytest.mark.parametrize(
    "text", ["a\nb", "a\r\nb", "\x1b[31m", "\u202e", "\x00", "\ud800"]
)
def test_control_characters_cannot_forge_a_line(text):
    """LOG-03."""
    assert line_of(text, user_agent=text)["user_agent"] == text


def test_an_exception_is_logged_by_type_and_place_and_not_by_message():
    """Drivers quote the data they choke on. DEBUG shows the message."""
    with pytest.raises(KeyError) as raised:
        fail_twice()
    line = line_of(exc_info=raised._excinfo)

    assert "canary" not in str(line)
    described = line["exception"]
    assert described[0] == "builtins.KeyError"
    assert "builtins.ValueError" in described
    places = [each for each in described if "test_structured_logging.py" in each]
    assert any("in fail_twice" in each for each in places)
    shown = line_of(exc_info=raised._excinfo, debug=True)["exception"]
    assert shown[0] == "builtins.KeyError: 'canary'"


def raise_again():
    try:
        raise KeyError("canary")
    except KeyError as exc:
        try:
            raise RuntimeError from exc
        except RuntimeError:
            raise exc  # noqa: B904 - as some libraries do


def test_an_exception_that_is_its_own_cause_is_described_once():
    """Without an end, the description would take all memory."""
    with pytest.raises(KeyError) as raised:
        raise_again()
    assert raised.value.__context__.__cause__ is raised.value
    line = line_of(exc_info=raised._excinfo)

    kinds = [each for each in line["exception"] if not each.startswith(" ")]
    assert kinds == ["builtins.KeyError", "builtins.RuntimeError"]


@pytest.fixture
def configure():
    """Configures logging, until the end of the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield lambda *args, **files: logging.config.dictConfig(
        configuration("test", *args, **files)
    )
    logging.config.dictConfig(configuration("test", "INFO", False))
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def lines(monkeypatch, configure):
    """What a process with our configuration writes to stderr, each line an object."""
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    configure("DEBUG", False)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_bug_is_logged_once_with_its_stack_and_without_its_message(lines):
    """LOG-06. What services write of all that is secret: their own `test_logs`."""
    answer = APIClient(raise_request_exception=False).get("/api/v1/test/broken")

    (found,) = (line for line in lines() if "exception" in line)
    assert found["exception"][0] == "builtins.RuntimeError"
    assert found["request_id"] == answer["X-Request-ID"]
    assert found["service"] == "test"
    assert "canary" not in str(lines())


def test_a_line_within_a_request_names_the_caller(lines, service_client):
    """LOG-02: once that is known, and not afterwards."""
    token = structured_logging.current.set(SimpleNamespace(caller="service:users"))
    try:
        assert line_of()["caller"] == "service:users"
        assert line_of(caller="ada")["caller"] == "ada"
    finally:
        structured_logging.current.reset(token)
    service_client("auth").get("/api/v1/test/internal")
    assert lines()[-1]["caller"] == "service:auth"
    assert "caller" not in line_of()


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "CRITICAL"])
def test_audit_events_and_nothing_else_are_in_a_file_too(tmp_path, configure, level):
    """What an operator's command did is on record where the service's lines are."""
    path = tmp_path / "auth.log"
    path.write_text("before\n")
    configure(level, False, audit_log=str(path))
    audit("key_staged", kid="k")
    structured_logging.dependency_logger.error("not here")

    first, line = path.read_text().splitlines()
    expected = {"logger": "memo.audit", "event": "key_staged", "kid": "k"}
    assert first == "before"
    assert json.loads(line).items() >= expected.items()


PROCESS = """
import logging.config, threading, warnings
from shared.structured_logging import configuration
logging.config.dictConfig(configuration("test", "INFO", False))
for category in (DeprecationWarning, ResourceWarning, UserWarning):
    warnings.warn("two\\nlines", category)
thread = threading.Thread(target=lambda: int("canary"))
thread.start()
thread.join()
"""


def test_a_warning_and_the_end_of_a_thread_are_lines():
    """LOG-03: whatever a process writes by itself."""
    command = [sys.executable, "-W", "always", "-c", PROCESS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)

    *warned, ended = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["logger"] for line in warned] == ["py.warnings"] * 3
    assert all("two\nlines" in line["message"] for line in warned)
    assert ended["exception"][0] == "builtins.ValueError"
    assert "canary" not in done.stderr


def test_a_level_that_is_none_is_refused_by_name():
    with pytest.raises(ImproperlyConfigured, match="LOG_LEVEL"):
        configuration("test", "LOUD", debug=False)
