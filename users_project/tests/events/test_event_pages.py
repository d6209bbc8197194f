"""A user's events from both services: their own, and in the admin."""

import json
import uuid
from datetime import timedelta
from unittest.mock import Mock

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from shared.api.exceptions import DependencyUnavailable
from shared.clients import AuthClient
from shared.events import pages
from shared.events.pages import PAGE, page_of
from tests.admin_pages import url
from tests.refusals import assert_refused
from users.events.history import PUBLIC
from users.models import Event, EventPersonal

ME = "/api/v1/users/me/events"
NOW = timezone.now()
OPERATOR = f"operator:{uuid.uuid4()}"


def event(user_id, minutes, name="user_updated", **fields):
    """One of so many minutes ago."""
    at = NOW - timedelta(minutes=minutes)
    fields = {"actor": "user", "outcome": "success", "request_id": "r", **fields}
    row = Event.objects.create(at=at, event=name, user_id=user_id, **fields)
    EventPersonal.objects.create(
        event=row, at=at, network="192.0.2.0/24", user_agent="curl/8"
    )
    return row


@pytest.fixture
def theirs(monkeypatch):
    """The client of the Auth Service. Its events are kept in our table, by another
    user's id, and answered as it does."""
    elsewhere = uuid.uuid4()

    def answer(user_id, before=None, event=""):
        found = Event.objects.filter(user_id=elsewhere)
        return page_of(found.filter(event=event) if event else found, before)

    client = Mock(spec=AuthClient, elsewhere=elsewhere)
    client.events.side_effect = answer
    monkeypatch.setattr("users.events.history.auth_client", lambda: client)
    return client


@pytest.fixture
def me(bearer, ada):
    return bearer(sub=str(ada.pk))


@pytest.mark.parametrize(
    ("ours", "of_auth"), [(0, 0), (1, 2), (3, PAGE + 1), (PAGE * 2, PAGE * 2)]
)
def test_the_pages_hold_the_events_of_both_services_once(
    me, ada, theirs, ours, of_auth
):
    """The newest first; of one moment there are several."""
    for number in range(ours):
        event(ada.pk, number * 3)
    for number in range(of_auth):
        event(theirs.elsewhere, number // 2, "authn_login_success", sid=uuid.uuid4())
    event(uuid.uuid4(), 1)
    found, before = [], {}
    while before is not None:
        answer = me.get(ME, before).json()
        found += answer["events"]
        before = {"before": answer["next"]} if answer["next"] else None
    times = [each["at"] for each in found]
    assert times == sorted(times, reverse=True)
    logins = [each for each in found if each["event"] == "authn_login_success"]
    assert len({each["sid"] for each in logins}) == len(logins) == of_auth
    assert len(found) == ours + of_auth


def test_a_user_reads_nothing_of_operators(me, ada, theirs):
    event(ada.pk, 1, "user_deactivate", actor=OPERATOR, data={"reason": "secret"})
    event(ada.pk, 2)
    by_operator, own = me.get(ME).json()["events"]
    assert by_operator.keys() == own.keys() == {*PUBLIC, "actor", "network", "device"}
    seen = {"actor": "user", "network": "192.0.2.0/24", "device": "curl"}
    assert own.items() >= seen.items()
    unseen = {"actor": "operator", "network": None, "device": None}
    assert by_operator.items() >= unseen.items()
    assert OPERATOR[9:] not in json.dumps(by_operator)


@pytest.mark.parametrize("before", ["yesterday", "2026-13-01", "1"])
def test_a_page_that_cannot_be_is_a_400(me, theirs, before):
    assert_refused(me.get(ME, {"before": before}), 400, "validation_error")
    assert not theirs.events.called


def test_without_the_auth_service_there_is_no_page(me, admin, ada, theirs):
    """One without logins would look like one where there were none."""
    theirs.events.side_effect = DependencyUnavailable
    event(ada.pk, 1)
    assert_refused(me.get(ME), 503, "dependency_unavailable")
    page = admin.get(url("users_user_events", ada.pk))
    assert page.status_code == 503
    assert "user_updated" not in page.content.decode()


def test_one_page_says_when_from_where_and_what_since(admin, clerk, ada, theirs):
    """The last login, the events after it, and of which name alone one looks."""
    event(theirs.elsewhere, 30, "authn_login_success")
    event(ada.pk, 20, "user_updated", data={"fields": ["email"]}, actor=OPERATOR)
    event(theirs.elsewhere, 10, "authn_token_revoked", data={"reason": "logout"})
    for browser in (admin, clerk):
        page = browser.get(url("users_user_events", ada.pk)).content.decode()
        order = ("Last login:", "authn_token_revoked", "user_updated", "No login")
        places = [page.find(text) for text in order]
        assert places[:3] == sorted(places[:3])
        assert places[3] == -1
        for text in ("from 192.0.2.0/24, curl", "reason: logout", OPERATOR, "email"):
            assert text in page
    address = url("users_user_events", ada.pk)
    page = admin.get(address, {"event": "user_updated"}).content.decode()
    assert "authn_token_revoked" not in page
    assert "Show all events" in page
    for number in range(PAGE + 1):
        event(ada.pk, 40 + number)
    assert "before=" in admin.get(address).content.decode()
    assert admin.get(address, {"before": "x"}).status_code == 400


def test_all_events_are_for_superusers_to_read(admin, clerk, ada, theirs):
    row = event(ada.pk, 1)
    listed, one = url("users_event_changelist"), url("users_event_change", row.pk)
    for page in (listed, one):
        assert admin.get(page).status_code == 200
        assert clerk.get(page).status_code == 403
    assert url("users_user_events", ada.pk) in admin.get(listed).content.decode()
    for page in (one, url("users_event_add"), url("users_event_delete", row.pk)):
        assert admin.post(page, {"event": "x", "post": "yes"}).status_code == 403
    assert Event.objects.get() == row
    for query in ({"event": "authn_login_fail"}, {"at__lt": "2020-01-01"}):
        assert not admin.get(listed, query).context["cl"].result_list
    assert admin.get(listed, {"actor": "user"}).status_code == 400


def test_the_command_lists_them(ada, capsys):
    event(ada.pk, 1, data={"fields": ["email"]})
    event(uuid.uuid4(), 2, "user_created")

    def listed(*words):
        call_command("listevents", *words)
        return capsys.readouterr().out.splitlines()

    assert len(listed()) == 2
    (line,) = listed(ada.username)
    assert f"user_updated  success  {ada.pk}  user" in line
    (line,) = listed("--event", "user_created", "--json")
    assert json.loads(line)["network"] == "192.0.2.0/24"
    assert len(listed("--since", str(NOW - timedelta(seconds=90)))) == 1
    with pytest.raises(CommandError, match="no user"):
        listed("unknown")


def test_the_command_reads_many_events_by_several_statements(ada, capsys, monkeypatch):
    """Also those of one time. One statement for all would not end in time."""
    for number, minutes in enumerate((2, 2, 1)):
        event(ada.pk, minutes, data={"fields": [number]})
    monkeypatch.setattr(pages, "MOST", 2)
    since = str(NOW - timedelta(hours=1))
    with CaptureQueriesContext(connection) as queries:
        call_command("listevents", "--since", since, "--json")
    shown = [json.loads(line)["data"] for line in capsys.readouterr().out.splitlines()]
    assert shown == [{"fields": [number]} for number in (2, 1, 0)]
    statements = [query["sql"] for query in queries]
    assert len(statements) == 2
    assert not any("WITH HOLD" in each for each in statements)
