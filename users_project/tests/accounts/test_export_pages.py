"""An export of any size: page by page, one at a time, within the gateway's time."""

import json
import uuid
from datetime import datetime, timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.accounts.test_export import LOGIN, SESSION, URL, VERIFIED, stamp, stored
from tests.refusals import assert_refused
from users.accounts import links
from users.accounts.export import AT_ONCE
from users.accounts.models import Purpose
from users.events.log import record
from users.events.models import Event
from users.mail.models import Mail


@pytest.fixture
def export(bearer, ada, auth_service):
    """The answer to Ada."""
    stored(auth_service, ada, [SESSION], [LOGIN])
    return lambda: bearer(sub=str(ada.pk)).get(URL)


def replace(auth_service, path, answer):
    url = f"{settings.AUTH_SERVICE_URL}/api/v1/auth/users/{path}"
    auth_service.remove("GET", url)
    as_json = lambda request: (200, {}, json.dumps(answer(request.params)))  # noqa: E731
    auth_service.add_callback("GET", url, as_json)


def test_an_export_has_all_sessions_page_by_page(ada, export, auth_service):
    ids = [str(uuid.uuid4()) for _ in range(3)]
    pages = {after: ids[n] for n, after in enumerate([None, *ids[:-1]])}

    def page(asked):
        found = pages[asked.get("after")]
        following = found if found in pages else None
        return {"sessions": [{**SESSION, "id": found}], "next": following}

    replace(auth_service, f"{ada.pk}/stored_sessions", page)
    assert [each["id"] for each in export().json()["sessions"]] == ids


def test_an_export_has_all_events_of_both_services_page_by_page(
    ada, export, auth_service, monkeypatch
):
    for module in ("shared.clients", "shared.events.pages"):
        monkeypatch.setattr(f"{module}.MOST", 2)
    for _ in range(5):
        record(VERIFIED, ada.pk)
    own = list(Event.objects.filter(user_id=ada.pk).values_list("at", flat=True))
    theirs = [at + timedelta(microseconds=1) for at in own[:4]]

    def page(asked):
        assert asked["size"] == "2"
        before = datetime.fromisoformat(asked.get("before", stamp(timezone.now())))
        found = [stamp(at) for at in theirs if at < before]
        following = found[1] if found[2:] else None
        return {"events": [{**LOGIN, "at": x} for x in found[:2]], "next": following}

    replace(auth_service, f"{ada.pk}/events", page)
    found = [each["at"] for each in export().json()["events"]]
    assert found == [stamp(at) for at in sorted([*own, *theirs], reverse=True)]


def test_an_export_ends_before_the_gateway_gives_it_up(export, monkeypatch, audits):
    monkeypatch.setattr("users.accounts.export.SECONDS", 0)
    assert_refused(export(), 503, "dependency_unavailable")
    assert audits() == []


def test_a_worker_makes_one_export_at_a_time(export):
    """Or a few users could take all its threads."""
    with AT_ONCE.slot():
        assert_refused(export(), 503, "overloaded")
    assert export().status_code == 200


@pytest.mark.usefixtures("verified")
def test_an_export_takes_the_same_statements_at_any_size(ada, export):
    figures = set()
    for _ in range(3):
        for _ in range(5):
            link = links.issue(Purpose.RESET, address=ada.email, user=ada)
            Mail.objects.create(kind="reset", address=ada.email, user=ada, link=link)
        with CaptureQueriesContext(connection) as statements:
            assert export().status_code == 200
        figures.add(len(statements))
    # The user, their permissions, changes, attempts, links, mails and events; factors,
    # recovery codes and the reset that waits; and the event of the export.
    assert figures == {12}
