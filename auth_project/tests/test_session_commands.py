"""What operators do about sessions."""

import uuid

import pytest
from django.core.management import CommandError, call_command

from tests.conftest import access_token, outcome, refresh, refresh_token
from tokens import revocation
from tokens.models import Session

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(capsys):
    """A command with its arguments as they are typed; what it printed."""

    def call(name, *arguments):
        call_command(name, *map(str, arguments))
        return capsys.readouterr().out

    return call


def test_sessions_of_a_user_are_listed(make_session, run):
    live = make_session(user_agent="curl/8.5.0", ip="203.0.113.7")
    make_session(revoked=True)
    make_session(user_id=uuid.uuid4())

    line, total = run("listsessions", live.user_id).splitlines()

    assert line.startswith(str(live.id))
    assert line.endswith("203.0.113.7  curl")
    assert total == "1 live sessions."


def test_nobody_has_no_sessions(run):
    assert run("listsessions", uuid.uuid4()) == "0 live sessions.\n"


def test_one_session_is_ended(make_session, run, users, verified):
    here, there = make_session(), make_session()
    token = access_token(here, users)

    assert "has ended" in run("revokesession", here.id)

    assert outcome(verified(token)) == (401, "token_revoked")
    assert Session.objects.get(id=here.id).revoked_reason == "operator"
    assert refresh(refresh_token(there)).status_code == 200


@pytest.mark.parametrize("fields", [None, {"revoked": True}, {"expired": True}])
def test_a_session_that_has_ended_cannot_be(make_session, run, fields):
    sid = uuid.uuid4() if fields is None else make_session(**fields).id

    with pytest.raises(CommandError, match="no live session"):
        run("revokesession", sid)


def test_all_sessions_of_a_user_are_ended(make_session, run, users, verified):
    mine, others = make_session(), make_session(user_id=uuid.uuid4())
    make_session()
    make_session(revoked=True)
    token = access_token(mine, users)

    assert "Ended 2 sessions" in run("revokesessions", mine.user_id)

    assert outcome(verified(token)) == (401, "token_revoked")
    assert Session.objects.filter(revoked_reason="operator").count() == 2
    assert list(Session.objects.live()) == [others]


def test_everybodys_sessions_are_ended_in_batches(make_session, run, monkeypatch):
    monkeypatch.setattr(revocation, "BATCH", 2)
    for _ in range(5):
        make_session(user_id=uuid.uuid4())

    assert "Ended 5 sessions" in run("revokesessions", "--all", "--noinput")
    assert not Session.objects.live().exists()


@pytest.mark.parametrize("answer", ["", "y", "no", "YES"])
def test_everybody_is_asked_about_first(session, run, monkeypatch, answer):
    monkeypatch.setattr("builtins.input", lambda prompt: answer)

    with pytest.raises(CommandError, match="Nothing was done"):
        run("revokesessions", "--all")
    assert Session.objects.live().exists()


def test_yes_ends_everybodys_sessions(session, run, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda prompt: "yes")

    run("revokesessions", "--all")

    assert not Session.objects.live().exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("listsessions",),
        ("listsessions", "ada"),
        ("revokesession", "1"),
        ("revokesessions",),
        ("revokesessions", "ada"),
        ("revokesessions", "--all", uuid.uuid4()),
        ("revokesessions", "--noinput"),
    ],
)
def test_bad_input_ends_nothing(session, run, arguments):
    with pytest.raises(CommandError):
        run(*arguments)
    assert Session.objects.live().exists()
