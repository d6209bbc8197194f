"""Operators see which limits are reached, and lift them."""

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import CommandError, call_command

from shared.tests.redis_fixtures import redis_unavailable
from tests import admin_pages
from tests.factories import PASSWORD
from tests.guesses import HERE, THERE, device_of, elsewhere, statuses

pytestmark = pytest.mark.usefixtures("documented", "ada", "quick")


@pytest.fixture
def listed(capsys):
    """What `listlocks` prints."""

    def call(*subject):
        capsys.readouterr()
        call_command("listlocks", *subject)
        return capsys.readouterr().out

    return call


def url(user):
    return admin_pages.url("users_user_locks", user.pk)


def test_a_silent_limit_is_seen_and_lifted(guess, ada, listed):
    for n in range(30):
        guess(address=elsewhere(n))
    assert guess(PASSWORD, address=THERE).status_code == 401
    found = listed(str(ada.pk))
    assert "LOGIN_LIMIT_ACCOUNT 30/1day" in found
    assert "1 lock." in found
    call_command("liftlock", ada.email)
    assert "0 locks." in listed(str(ada.pk))
    assert guess(PASSWORD, address=THERE).status_code == 200


def test_a_limit_by_name_is_lifted_by_the_other_name_too(guess, ada, listed, audits):
    device = device_of(ada)
    for _ in range(10):
        guess(device=device)
    assert statuses(guess() for _ in range(6)) == [401] * 5 + [429]
    found = listed("ada")
    assert "LOGIN_LIMIT_NAME 5/15minute" in found
    assert "LOGIN_LIMIT_DEVICE 10/15minute" in found
    call_command("liftlock", "ada")
    record = audits()[-1]
    assert (record.event, record.by) == ("authn_login_unlock", "operator")
    assert record.lifted == 6
    assert "0 locks." in listed("ada")
    assert guess(PASSWORD).status_code == 200


def test_an_address_is_lifted_with_its_networks(guess, limited, listed):
    limited(LOGIN_LIMIT_ADDRESS="2/minute", LOGIN_LIMIT_NETWORK="2/hour")
    for n in range(3):
        guess(login=f"{n}@example.org")
    assert listed(HERE).count("LOGIN_LIMIT_") == 2
    assert "2 locks." in listed()
    call_command("liftlock", HERE)
    assert guess(PASSWORD).status_code == 200


def test_commands_need_a_subject_and_redis():
    with pytest.raises(CommandError, match="Name a user"):
        call_command("liftlock", "")
    with redis_unavailable():
        for words in (["listlocks"], ["liftlock", "ada"]):
            with pytest.raises(CommandError, match="Redis"):
                call_command(*words)


# In the admin


def test_locks_are_seen_and_lifted_in_the_admin(admin, guess, ada):
    for _ in range(6):
        guess()
    assert "LOGIN_LIMIT_NAME" in admin.get(url(ada)).content.decode()
    answer = admin.post(url(ada), {"lift": "1"}, follow=True).content.decode()
    assert "may be tried again at once" in answer
    assert "is not locked" in answer
    assert guess(PASSWORD).status_code == 200
    entry = LogEntry.objects.get(object_id=str(ada.pk))
    assert entry.get_change_message() == "Lifted locks: success."


def test_without_redis_nothing_is_claimed(admin, ada):
    with redis_unavailable():
        page = admin.get(url(ada))
        assert page.status_code == 503
        assert "is not known" in page.content.decode()
        assert admin.post(url(ada), {"lift": "1"}).status_code == 302
    entry = LogEntry.objects.get(object_id=str(ada.pk))
    assert entry.get_change_message() == "Lifted locks: unavailable."
