"""A reset of factors that an operator asked for, once it is due."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from tests.factories import UserFactory
from tests.factors.resets.rows import (
    ALL,
    HERE,
    NONE,
    REASON,
    WAITING,
    events,
    kinds,
    make_due,
)
from tests.factors.rows import tables_of, with_factors
from users import tasks
from users.accounts import deletion, links
from users.accounts.models import Link
from users.factors import resets
from users.factors.models import FactorReset
from users.models import User


def test_nothing_is_removed_until_the_time_has_come(asked, pushes):
    tasks.reset_factors(timestamp=0)
    assert tables_of(asked) == WAITING
    FactorReset.objects.update(due_at=timezone.now() + timedelta(seconds=30))
    tasks.reset_factors(timestamp=0)
    assert not resets.run(asked)
    assert tables_of(asked) == WAITING
    assert kinds(asked) == ["factors_reset_requested"]
    assert events(asked) == ["factors_reset_requested"]


def test_then_all_goes_and_all_sessions_end(asked, pushes, on_commit, audits):
    other, before = with_factors(UserFactory()), asked.session_epoch
    make_due()
    with on_commit():
        tasks.reset_factors(timestamp=0)
        tasks.reset_factors(timestamp=0)  # once
    asked.refresh_from_db()
    assert asked.session_epoch > before
    assert [each["reason"] for each in pushes] == ["factors_reset"]
    assert (tables_of(asked), tables_of(other)) == (NONE, ALL)
    assert kinds(asked) == ["factors_reset_requested", "factors_reset"]
    assert events(asked) == ["factors_reset_requested", "factors_reset"]
    lines = [each for each in audits() if each.event == "factors_reset"]
    assert [(each.by, each.why) for each in lines] == [("operator", REASON)]


@pytest.mark.parametrize(
    "mail",
    [
        {"sent_at": None},
        {"failed_at": timezone.now()},
        {"sent_at": timezone.now() - timedelta(hours=11)},  # of a day
    ],
)
def test_a_user_who_got_no_mail_in_time_could_not_object_and_loses_nothing(asked, mail):
    make_due(**mail)
    resets.run_due()
    assert tables_of(asked) == ALL
    assert events(asked)[1:] == ["factors_reset_cancelled"]


def test_without_mail_it_is_done(asked, pushes, settings):
    settings.MAIL_ENABLED = False
    make_due(sent_at=None)
    resets.run_due()
    assert tables_of(asked) == NONE


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fault", ["notify", "record"])
def test_it_is_done_whole_or_not_at_all(asked, monkeypatch, fault):
    make_due()
    monkeypatch.setattr(resets, fault, None)
    with pytest.raises(TypeError):
        resets.run_due()
    assert tables_of(asked) == WAITING
    assert User.objects.get().session_epoch == asked.session_epoch


def test_a_user_who_deleted_the_account_can_still_restore_it(asked, pushes):
    deletion.delete_own(asked)
    make_due()
    resets.run_due()
    link = Link.objects.get(purpose="restore")
    deletion.restore_by_link(links.token_of(link), HERE)
    assert User.objects.get(pk=asked.pk).is_present
    assert tables_of(asked) == NONE


def test_a_restored_database_waits_for_no_reset(asked, tmp_path):
    """The user may have cancelled it since, and cannot again before it is due."""
    make_due()
    file = tmp_path / "erasures"
    file.touch()
    call_command("eraseusers", str(file))
    tasks.reset_factors(timestamp=0)
    assert tables_of(asked) == ALL
