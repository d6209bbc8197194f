"""What a request reads does not grow with the number of sessions: those of others, and
those of the user that have ended."""

import uuid
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from shared.tests.query_plans import reading
from tests.conftest import end_others
from tests.factories import SessionFactory
from tokens import models, sweep
from tokens.erasure import erase
from tokens.models import PendingLogin, Session, SessionPolicy

pytestmark = pytest.mark.django_db

SIZES = (3_000, 6_000)
OWN = 5  # sessions of the user


def opened(own):
    user = {"sub": own.user_id, "session_epoch": 0}
    return Session.objects.open(user, "192.0.2.1", "test")


ACTS = {
    "open": opened,
    "cap": lambda own: end_others(own.user_id, 3, own.id),
    "rotate": lambda own: Session.objects.rotate(own.id, own.jti, SessionPolicy(0)),
    "not-rotated": lambda own: Session.objects.with_clock().filter(id=own.id).first(),
    "verify": lambda own: Session.objects.filter(id=own.id).first(),
    "logout": lambda own: Session.objects.revoke(own.id, "logout"),
    "end-one": lambda own: Session.objects.revoke_own(own.id, own.user_id, "ended"),
    "end-all": lambda own: Session.objects.revoke_below(
        [own.user_id], 1, "logout_all", own.id, 0
    ),
    "list": lambda own: list(Session.objects.live_of(own.user_id)),
    "sweep": lambda own: list(Session.objects.revoked_within(timedelta(minutes=6))),
    "purge": lambda own: sweep.purge_batch(Session),
}


def fill(count, user_id):
    """Sessions of as many others, every second one ended a day ago; ended ones of the
    user; and the statistics of them."""
    missing = count - Session.objects.count()
    ended = {"revoked_at": timezone.now() - timedelta(days=1)}
    ended["revoked_reason"] = "logout"
    rows = SessionFactory.build_batch(missing // 2)
    rows += SessionFactory.build_batch(missing // 2, **ended)
    rows += SessionFactory.build_batch(missing // 10, **ended, user_id=user_id)
    Session.objects.bulk_create(rows)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE tokens_session")


def test_an_erasure_finds_the_pending_logins_of_its_user(make_session):
    for _ in range(3000):
        PendingLogin.objects.begin("passkey")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE tokens_login")
    own = make_session()
    PendingLogin.objects.begin("step_up", user_id=own.user_id)
    with reading() as read:
        erase(own.user_id)
    assert "tokens_login" not in read.whole_tables
    assert PendingLogin.objects.count() == 3000


def test_the_highest_epochs_are_found_in_pages(make_session, monkeypatch):
    """After a restore no table may be too long for the time of one statement."""
    monkeypatch.setattr(models, "PAGE", 100)
    user_ids = [uuid.uuid4() for _ in range(1000)]
    Session.objects.raise_floors(user_ids, 1)
    fill(1000, user_ids[0])
    Session.objects.raise_floors(user_ids[:1], 3)
    make_session(user_id=user_ids[1], user_epoch=2)
    make_session(user_id=user_ids[2], user_epoch=4)
    with connection.cursor() as cursor:
        # In tables as short as these PostgreSQL would sort the last pages.
        cursor.execute("SET LOCAL enable_sort = off")
    with reading() as read:
        found = Session.objects.highest_epochs(3)
    assert found == [(user_ids[2], 4), (user_ids[0], 3), (user_ids[1], 2)]
    assert max(rows for _, _, rows in read.scans) <= 100, read.scans


def test_an_act_reads_as_much_among_many_as_among_few(make_session):
    figures, user_id = {name: [] for name in ACTS}, uuid.uuid4()
    for size in SIZES:
        fill(size, user_id)
        for name, act in ACTS.items():
            with transaction.atomic():
                *_, own = (make_session(user_id=user_id) for _ in range(OWN))
                with reading() as read:
                    act(own)
                transaction.set_rollback(True)
            assert read.whole_tables == [], (name, read.scans)
            figures[name].append(read.rows)

    for name, (few, many) in figures.items():
        # The live rows of one user; every step of a statement looks at them once more.
        assert few == many <= 6 * OWN, name
