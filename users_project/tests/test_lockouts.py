"""Operators see which limits are reached, and lift them."""

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from tests.factories import PASSWORD, UserFactory
from tests.guesses import HERE, THERE, device_of, elsewhere, redis_unavailable

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("documented", "ada", "quick"),
]


def listed(capsys, *subject):
    capsys.readouterr()
    call_command("listlocks", *subject)
    return str(capsys.readouterr().out)


def url(user):
    return reverse("admin:users_user_locks", args=[user.pk])


@pytest.mark.parametrize("subject", ["ada@example.org", "ada", "id"])
def test_a_silent_limit_is_seen_and_lifted_by_any_name(guess, ada, capsys, subject):
    subject = str(ada.pk) if subject == "id" else subject
    for n in range(30):
        guess(address=elsewhere(n))
    assert guess(PASSWORD, address=THERE).status_code == 401
    found = listed(capsys, subject)
    assert "LOGIN_LIMIT_ACCOUNT 30/1day" in found
    assert "1 locks." in found
    call_command("liftlock", subject)
    assert "0 locks." in listed(capsys, subject)
    assert guess(PASSWORD, address=THERE).status_code == 200


def test_a_limit_by_name_is_lifted_by_the_other_name_too(guess, ada, capsys, caplog):
    for _ in range(6):
        guess()
    assert "LOGIN_LIMIT_NAME 5/15minute" in listed(capsys, "ada")
    call_command("liftlock", "ada")
    [record] = [r for r in caplog.records if r.event == "authn_login_unlock"]
    assert (record.by, record.lifted) == ("operator", 3)
    assert guess(PASSWORD).status_code == 200


def test_a_device_is_lifted_with_its_account(guess, ada, capsys):
    device = device_of(ada)
    for _ in range(10):
        guess(device=device)
    assert "LOGIN_LIMIT_DEVICE 10/15minute" in listed(capsys, "ada")
    call_command("liftlock", "ada")
    assert "0 locks." in listed(capsys, "ada")


def test_an_address_is_lifted_with_its_networks(guess, limited, capsys):
    limited(LOGIN_LIMIT_ADDRESS="2/minute", LOGIN_LIMIT_NETWORK="2/hour")
    for n in range(3):
        guess(login=f"{n}@example.org")
    assert listed(capsys, HERE).count("LOGIN_LIMIT_") == 2
    assert "2 locks." in listed(capsys)
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


def test_the_page_of_a_user_leads_to_its_locks(admin, ada):
    page = admin.get(reverse("admin:users_user_change", args=[ada.pk]))
    assert f'href="{url(ada)}"' in page.content.decode()


def test_locks_are_seen_and_lifted_in_the_admin(admin, guess, ada, caplog):
    for _ in range(6):
        guess()
    assert "LOGIN_LIMIT_NAME" in admin.get(url(ada)).content.decode()
    caplog.clear()

    answer = admin.post(url(ada), {"lift": "1"}, follow=True)

    assert "may be tried again at once" in answer.content.decode()
    assert "is not locked" in answer.content.decode()
    assert guess(PASSWORD).status_code == 200
    [entry] = LogEntry.objects.filter(object_id=str(ada.pk))
    assert entry.get_change_message() == "Lifted locks: success."
    found = [r for r in caplog.records if getattr(r, "event", "") == "user_lift_lock"]
    assert [(r.user_id, r.outcome) for r in found] == [(str(ada.pk), "success")]


def test_without_redis_nothing_is_claimed(admin, ada):
    with redis_unavailable():
        page = admin.get(url(ada))
        assert page.status_code == 503
        assert "is not known" in page.content.decode()
        assert admin.post(url(ada), {"lift": "1"}).status_code == 302
    [entry] = LogEntry.objects.filter(object_id=str(ada.pk))
    assert entry.get_change_message() == "Lifted locks: unavailable."


def test_locks_are_not_everybodys_to_lift(clerk, root, guess):
    bob = UserFactory()
    assert clerk.get(url(bob)).status_code == 200
    assert clerk.post(url(root), {"lift": "1"}).status_code == 403
    assert Client().get(url(bob)).status_code == 302
    assert clerk.get("/admin/users/user/no-id/locks/").status_code == 404
