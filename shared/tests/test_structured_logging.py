"""Log lines: one JSON object each, no control character, no message of an exception."""

import io
import json
import logging
import logging.config
from types import SimpleNamespace

import pytest
from django.core.exceptions import ImproperlyConfigured
from rest_framework.test import APIClient

from shared import structured_logging
from shared.structured_logging import JSONFormatter, audit, configuration, request_id


def record_of(message="m", *args, exc_info=None, **extra):
    made = logging.makeLogRecord({"name": "memo.x", "levelname": "INFO"} | extra)
    made.msg, made.args, made.exc_info = message, args, exc_info
    return made


def line_of(*args, messages_of_exceptions=False, **kwargs):
    formatter = JSONFormatter("auth", messages_of_exceptions=messages_of_exceptions)
    text = formatter.format(record_of(*args, **kwargs))
    assert text.isascii()
    assert text.isprintable()
    return json.loads(text)


def caught(make):
    """exc_info of what `make` raises."""
    with pytest.raises(Exception) as raised:  # noqa: PT011 - whatever it is
        make()
    return raised._excinfo


def fail():
    raise ValueError("canary")


def fail_twice():
    try:
        fail()
    except ValueError as exc:
        raise KeyError("canary") from exc


def test_a_line_has_what_finds_it_again():
    """And no member without an exception."""
    token = request_id.set("the-request")
    try:
        line = line_of("%s of %s", 1, 2, exc_info=(None, None, None))
    finally:
        request_id.reset(token)

    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "INFO",
        "logger": "memo.x",
        "service": "auth",
        "message": "1 of 2",
        "request_id": "the-request",
    }


@pytest.mark.parametrize(
    "text", ["a\nb", "a\r\nb", "\x1b[31m", "\u202e", "\x00", "\ud800"]
)
def test_control_characters_cannot_forge_a_line(text):
    """LOG-03."""
    assert line_of(text, user_agent=text)["user_agent"] == text


def test_extras_are_members_but_for_objects_of_the_frameworks():
    noise = {"request": object(), "params": ("canary",), "sql": "canary"}
    line = line_of(event="authn_login_fail", ip=None, sid=5, thing={1, 2}, **noise)

    wanted = {"event": "authn_login_fail", "ip": None, "sid": 5, "thing": "{1, 2}"}
    assert line.items() >= wanted.items()
    assert noise.keys().isdisjoint(line)


def test_an_exception_is_logged_by_type_and_place_and_not_by_message():
    """Drivers quote the data they choke on. DEBUG shows the message."""
    line = line_of(exc_info=caught(fail_twice))

    assert "canary" not in str(line)
    described = line["exception"]
    assert described[0] == "builtins.KeyError"
    assert "builtins.ValueError" in described
    places = [each for each in described if "test_structured_logging.py" in each]
    assert any("in fail_twice" in each for each in places)
    shown = line_of(exc_info=caught(fail), messages_of_exceptions=True)["exception"]
    assert shown[0] == "builtins.ValueError: canary"


def test_an_audit_event_is_a_line(caplog):
    caplog.set_level(logging.INFO, "memo.audit")

    audit("session_logout", sid="x")

    (found,) = caplog.records
    assert (found.name, found.event, found.sid) == ("memo.audit", "session_logout", "x")


# --- The configuration, as a process has it -----------------------------------------


@pytest.fixture
def configure():
    """Configures logging, until the end of the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield lambda *args: logging.config.dictConfig(configuration(*args))
    logging.config.dictConfig(configuration("test", "INFO", False))
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def stderr(monkeypatch, configure):
    """What a process with our configuration writes, as text."""
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    configure("test", "DEBUG", False)
    return stream


def test_every_line_a_request_causes_is_json(stderr, make_token):
    client = APIClient(raise_request_exception=False)
    for path in ("me", "broken", "unavailable", "nothing"):
        client.get(f"/api/v1/test/{path}")
    client.post("/api/v1/test/notes", b"\xff", content_type="application/json")

    lines = [json.loads(line) for line in stderr.getvalue().splitlines()]
    assert {line["logger"] for line in lines} >= {"memo.access", "django.request"}
    assert all(line["service"] == "test" for line in lines)


def test_a_bug_is_logged_once_with_its_stack_and_without_its_message(stderr):
    """LOG-06."""
    answer = APIClient(raise_request_exception=False).get("/api/v1/test/broken")

    lines = [json.loads(line) for line in stderr.getvalue().splitlines()]
    (found,) = (line for line in lines if "exception" in line)
    assert found["exception"][0] == "builtins.RuntimeError"
    assert found["request_id"] == answer["X-Request-ID"]
    assert "canary" not in stderr.getvalue()


def test_nothing_that_was_sent_in_confidence_is_logged(stderr):
    """LOG-01, at the most talkative level."""
    client = APIClient(
        raise_request_exception=False,
        headers={
            "Authorization": "Bearer canary-token",
            "X-Internal-Api-Key": "canary-key",
            "Cookie": "refresh_token=canary-cookie",
        },
    )
    paths = ("me", "internal", "unavailable", "broken", "nothing?token=canary-query")
    for path in paths:
        client.get(f"/api/v1/test/{path}")
    for body in (
        {"email": "canary@example.org", "password": "canary-password"},
        {"email": ["canary"], "password": "canary" * 50},
    ):
        client.post("/api/v1/test/credentials", body, "json")
    client.post("/api/v1/test/notes", b"{canary", content_type="application/json")

    assert "memo.access" in stderr.getvalue()
    assert "canary" not in stderr.getvalue()


def test_a_line_within_a_request_names_the_caller(stderr, service_client):
    """LOG-02: once that is known, and not afterwards."""
    token = structured_logging.current.set(SimpleNamespace(caller="service:users"))
    try:
        assert line_of()["caller"] == "service:users"
        assert line_of(caller="ada")["caller"] == "ada"
    finally:
        structured_logging.current.reset(token)
    service_client("auth").get("/api/v1/test/internal")
    assert '"caller": "service:auth"' in stderr.getvalue()
    assert "caller" not in line_of()


def test_audit_events_and_nothing_else_are_in_a_file_too(tmp_path, configure):
    """What an operator's command did is on record where the service's lines are."""
    path = tmp_path / "auth.log"
    path.write_text("before\n")
    configure("auth", "INFO", False, str(path))
    audit("key_staged", kid="k")
    structured_logging.dependency_logger.error("not here")

    first, line = path.read_text().splitlines()
    assert first == "before"
    assert json.loads(line).items() >= {"event": "key_staged", "kid": "k"}.items()


def test_a_level_that_is_none_is_refused_by_name():
    with pytest.raises(ImproperlyConfigured, match="LOG_LEVEL"):
        configuration("test", "LOUD", debug=False)
