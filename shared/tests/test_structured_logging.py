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
from shared.structured_logging import JSONFormatter, audit, request_id


@pytest.fixture
def record():
    def make(message="m", *args, exc_info=None, **extra):
        made = logging.makeLogRecord({"name": "memo.x", "levelname": "INFO"} | extra)
        made.msg, made.args, made.exc_info = message, args, exc_info
        return made

    return make


def line_of(record, **options):
    text = JSONFormatter("auth", **options).format(record)
    assert "\n" not in text
    return json.loads(text)


def caught(make):
    """exc_info of what `make` raises."""
    try:
        make()
    except Exception as exc:  # noqa: BLE001 - whatever it is
        return type(exc), exc, exc.__traceback__
    raise AssertionError("nothing was raised")


def fail():
    raise ValueError("canary")


def fail_twice():
    try:
        fail()
    except ValueError as exc:
        raise KeyError("canary") from exc


def test_a_line_has_what_finds_it_again(record):
    token = request_id.set("the-request")
    try:
        line = line_of(record("%s of %s", 1, 2))
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
def test_control_characters_cannot_forge_a_line(record, text):
    """LOG-03."""
    raw = JSONFormatter("auth").format(record(text, user_agent=text))

    assert raw.isascii()
    assert raw.isprintable()
    assert json.loads(raw)["user_agent"] == text


def test_extras_are_members(record):
    line = line_of(record(event="authn_login_fail", ip=None, sid=5))

    assert (line["event"], line["ip"], line["sid"]) == ("authn_login_fail", None, 5)


def test_objects_of_the_frameworks_are_left_out(record):
    line = line_of(record(request=object(), params=("canary",), sql="canary"))

    assert "canary" not in str(line)
    assert "request" not in line


def test_an_extra_that_is_no_json_is_written_as_text(record):
    assert line_of(record(thing={1, 2}))["thing"] == "{1, 2}"


def test_an_exception_is_told_by_type_and_place_and_not_by_message(record):
    """Drivers quote the data they choke on."""
    line = line_of(record(exc_info=caught(fail_twice)))

    assert "canary" not in str(line)
    described = line["exception"]
    assert described[0] == "builtins.KeyError"
    assert "builtins.ValueError" in described
    assert any(
        "test_structured_logging.py" in each and "in fail_twice" in each
        for each in described
    )


def test_in_debug_messages_are_told(record):
    line = line_of(record(exc_info=caught(fail)), messages_of_exceptions=True)

    assert line["exception"][0] == "builtins.ValueError: canary"


def test_no_exception_is_no_member(record):
    assert "exception" not in line_of(record(exc_info=(None, None, None)))


def test_an_audit_event_is_a_line(caplog):
    caplog.set_level(logging.INFO, "memo.audit")

    audit("session_logout", sid="x")

    (found,) = caplog.records
    assert (found.name, found.event, found.sid) == ("memo.audit", "session_logout", "x")


# --- The configuration, as a process has it -----------------------------------------


@pytest.fixture
def stderr(monkeypatch):
    """What a process with our configuration writes, as text."""
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    root = logging.getLogger()
    before = root.handlers[:], root.level
    logging.config.dictConfig(
        structured_logging.configuration("test", "DEBUG", debug=False)
    )
    yield stream
    root.handlers[:], level = before
    root.setLevel(level)
    logging.config.dictConfig(
        structured_logging.configuration("test", "INFO", debug=False)
    )
    root.handlers[:] = before[0]


def test_every_line_a_request_causes_is_json(stderr, make_token):
    client = APIClient(raise_request_exception=False)
    for path in ("me", "broken", "away", "nothing"):
        client.get(f"/api/v1/test/{path}")
    client.post("/api/v1/test/notes", b"\xff", content_type="application/json")

    lines = [json.loads(line) for line in stderr.getvalue().splitlines()]
    assert {line["logger"] for line in lines} >= {"memo.access", "django.request"}
    assert all(line["service"] == "test" for line in lines)


def test_a_bug_is_logged_once_with_its_stack_and_without_its_message(stderr):
    """LOG-06."""
    answer = APIClient(raise_request_exception=False).get("/api/v1/test/broken")

    lines = [json.loads(line) for line in stderr.getvalue().splitlines()]
    told = [line for line in lines if "exception" in line]
    assert len(told) == 1
    assert told[0]["exception"][0] == "builtins.RuntimeError"
    assert told[0]["request_id"] == answer["X-Request-ID"]
    assert "canary" not in stderr.getvalue()


def test_nothing_that_was_sent_in_confidence_is_logged(stderr, service_client):
    """LOG-01, at the most talkative level."""
    client = APIClient(
        raise_request_exception=False,
        headers={
            "Authorization": "Bearer canary-token",
            "X-Internal-Api-Key": "canary-key",
            "Cookie": "refresh_token=canary-cookie",
        },
    )
    for path in ("me", "internal", "away", "broken", "nothing?token=canary-query"):
        client.get(f"/api/v1/test/{path}")
    for body in (
        {"email": "canary@example.org", "password": "canary-password"},
        {"email": ["canary"], "password": "canary" * 50},
    ):
        client.post("/api/v1/test/credentials", body, "json")
    client.post("/api/v1/test/notes", b"{canary", content_type="application/json")

    assert "memo.access" in stderr.getvalue()
    assert "canary" not in stderr.getvalue()


def test_a_line_within_a_request_names_who_asks(record):
    """LOG-02: once that is known, and nobody afterwards."""
    token = structured_logging.current.set(SimpleNamespace(caller="service:users"))
    try:
        assert line_of(record())["caller"] == "service:users"
        assert line_of(record(caller="ada"))["caller"] == "ada"
    finally:
        structured_logging.current.reset(token)
    assert "caller" not in line_of(record())


def test_a_request_that_is_over_asks_no_more(stderr, service_client):
    service_client("auth").get("/api/v1/test/internal")
    assert '"caller": "service:auth"' in stderr.getvalue()
    assert structured_logging.current.get() is None


def test_audit_events_and_nothing_else_are_told_to_a_file_too(tmp_path):
    """What an operator's command did is on record where the service's lines are."""
    path = tmp_path / "auth.log"
    path.write_text("before\n")
    before = logging.getLogger().handlers[:]
    try:
        logging.config.dictConfig(
            structured_logging.configuration("auth", "INFO", False, str(path))
        )
        audit("key_staged", kid="k")
        structured_logging.dependency_logger.error("not here")
    finally:
        logging.config.dictConfig(
            structured_logging.configuration("auth", "INFO", False)
        )
        logging.getLogger().handlers[:] = before

    first, line = path.read_text().splitlines()
    assert first == "before"
    assert json.loads(line).items() >= {"event": "key_staged", "kid": "k"}.items()


def test_a_level_that_is_none_is_refused_by_name():
    with pytest.raises(ImproperlyConfigured, match="LOG_LEVEL"):
        structured_logging.configuration("test", "LOUD", debug=False)
