"""Notices: what the owner of an account gets to know, and what not."""

from datetime import timedelta

import pytest
from django.core import signing
from django.core.management import CommandError, call_command
from django.test import override_settings
from django.utils import timezone

from tests.admin_pages import (
    OWN_PASSWORD,
    OWN_PASSWORD_PAGE,
    browser_of,
    change_url,
    fields,
    new_password,
    password_url,
)
from tests.factories import NEW, PASSWORD, WRONG, UserFactory
from tests.guesses import HERE, device_of, elsewhere
from users import bulk
from users.limits.guess_limits import Client
from users.mail import notices, outbox
from users.mail.message import compose
from users.mail.models import Kind, Mail
from users.mail.notices import of_login
from users.models import User

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"


@pytest.fixture
def mails():
    """Calls return kind and address of what is queued, in its order."""
    return lambda: list(Mail.objects.order_by("pk").values_list("kind", "address"))


@pytest.fixture
def old(ada):
    """Ada, whose account is not new."""
    User.objects.filter(pk=ada.pk).update(
        created_at=timezone.now() - timedelta(days=2), last_login=timezone.now()
    )
    ada.refresh_from_db()
    return ada


def log_in(auth, user_agent=FIREFOX, address=HERE, device=""):
    body = {"email": "ada@example.org", "password": PASSWORD, "device": device}
    body["client"] = {"ip": address, "user_agent": user_agent}
    answer = auth.post("/api/v1/users/verify", body)
    assert answer.status_code == 200
    return answer.json()["device"]


# New devices


def test_a_login_from_a_new_device_is_mailed_once(old, auth, mails):
    device = log_in(auth)
    assert mails() == [("new_device", "ada@example.org")]
    mail = Mail.objects.get()
    assert mail.user == old
    assert mail.link is None
    time = mail.context.pop("time")
    assert mail.context == {"device": "Firefox on Linux", "network": "192.0.2.0/24"}
    assert time.endswith("+00:00")

    log_in(auth, device=device)
    User.objects.filter(pk=old.pk).update(password_epoch=old.password_epoch + 1)
    log_in(auth, device=device)  # a device of an older password is known, too
    assert len(mails()) == 1


@pytest.mark.parametrize(
    "device", ["", "garbage", signing.dumps([], salt="another"), "of another user"]
)
def test_a_cookie_that_is_not_of_this_user_is_a_new_device(old, auth, mails, device):
    if device == "of another user":
        device = device_of(UserFactory())
    log_in(auth, device=device)
    assert len(mails()) == 1


@pytest.mark.parametrize("name", ["last_login", "created_at"])
def test_the_first_devices_are_not_mailed(old, auth, mails, name):
    """Of a first login, and of a new account."""
    soon = timezone.now() - timedelta(minutes=55)
    User.objects.update(**{name: None if name == "last_login" else soon})
    log_in(auth)
    assert not mails()


def test_a_refused_login_is_not_mailed(old, auth, mails):
    body = {"email": old.email, "password": WRONG}
    assert auth.post("/api/v1/users/verify", body).status_code == 401
    assert not mails()


def test_five_a_day_are_enough(old, auth, mails, django_assert_num_queries):
    """Beyond them a login counts them, and takes no lock."""
    for number in range(5):
        log_in(auth, address=elsewhere(number))
    with django_assert_num_queries(2):
        log_in(auth, address=elsewhere(5))
    assert len(mails()) == 5
    Mail.objects.update(created_at=timezone.now() - timedelta(days=1))
    log_in(auth)
    assert len(mails()) == 6


def test_of_several_at_once_five_are_mailed(old, at_once, mails):
    """The transaction of each begins when that before it has ended."""
    act = lambda: of_login(old, Client(HERE, FIREFOX))  # noqa: E731
    at_once(*[act] * 8)
    assert len(mails()) == 5


@pytest.mark.parametrize(
    "user_agent",
    [
        "",
        "x" * 256,
        "x/1.0 Call 0800 evil bot",
        "Linux evil bot on Linux",
        "https://evil.example",
    ],
)
def test_a_browser_puts_no_text_of_its_own_into_a_mail(old, auth, mails, user_agent):
    log_in(auth, user_agent)
    assert "device" not in Mail.objects.get().context


def test_a_known_device_costs_no_statement(old, auth, django_assert_num_queries):
    device = device_of(old)
    with django_assert_num_queries(1):
        log_in(auth, device=device)


# Guesses


def test_the_last_guess_that_counts_is_mailed_once_a_day(ada, guess, limited, mails):
    limited(LOGIN_LIMIT_ACCOUNT="3/day; 5/30day")
    for number in range(3):
        assert mails() == []
        guess(address=elsewhere(number))
    assert mails() == [("login_blocked", ada.email)]
    for number in range(3, 9):
        guess(address=elsewhere(number))
    assert len(mails()) == 1


@pytest.mark.parametrize("state", [{"is_active": False}, {"deleted_at": "now"}])
def test_guesses_at_an_account_that_is_not_there_are_not_mailed(
    ada, guess, limited, mails, state
):
    values = {n: timezone.now() if v == "now" else v for n, v in state.items()}
    User.objects.filter(pk=ada.pk).update(**values)
    limited(LOGIN_LIMIT_ACCOUNT="2/day")
    for number in range(4):
        guess(address=elsewhere(number))
        guess(login="none@example.org", address=elsewhere(number))
    assert not mails()


def test_a_success_before_the_last_guess_is_no_attack(ada, guess, limited, mails):
    limited(LOGIN_LIMIT_ACCOUNT="3/day")
    for number, password in enumerate([WRONG, WRONG, PASSWORD, WRONG, WRONG]):
        guess(password, address=elsewhere(number))
    assert not mails()


# Second factors


def test_a_factor_is_mailed_with_device_and_network(ada, mails):
    client = Client(HERE, FIREFOX)
    notices.notify_from(client, Kind.FACTOR_ADDED, ada)
    for _ in range(3):
        notices.notify_from(client, Kind.FACTOR_GUESSES, ada, daily=1)
    assert mails() == [("factor_added", ada.email), ("factor_guesses", ada.email)]
    place = {"device": "Firefox on Linux", "network": "192.0.2.0/24"}
    assert all(mail.context.items() > place.items() for mail in Mail.objects.all())


# Changes of the account


def change_by_api(ada, bearer, root):
    client = bearer(sub=str(ada.pk))
    body = {"current_password": PASSWORD, "new_password": NEW}
    assert client.post("/api/v1/users/me/change_password", body).status_code == 204


def change_by_operator(ada, bearer, root):
    answer = browser_of(root).post(password_url(ada), new_password(ada))
    assert answer.status_code == 302


def change_in_the_admin(ada, bearer, root):
    answer = browser_of(ada).post(OWN_PASSWORD_PAGE, OWN_PASSWORD)
    assert answer.status_code == 302


@pytest.mark.parametrize(
    "change", [change_by_api, change_by_operator, change_in_the_admin]
)
def test_a_changed_password_is_mailed(ada, bearer, root, pushes, mails, change):
    change(ada, bearer, root)
    assert mails() == [("password_changed", ada.email)]
    assert Mail.objects.get().context.keys() == {"time"}  # an operator stays unnamed


def test_a_better_hash_of_the_same_password_is_not_mailed(auth, mails):
    user = UserFactory(hasher="pbkdf2_sha256", email="ada@example.org")
    log_in(auth)
    user.refresh_from_db()
    assert user.password.startswith("argon2")
    assert not mails()


@pytest.mark.django_db(transaction=True)
def test_a_change_that_fails_is_not_mailed(ada, monkeypatch, mails):
    monkeypatch.setattr(User, "raise_epoch", lambda *args: 1 / 0)
    ada.set_password(NEW)
    with pytest.raises(ZeroDivisionError):
        ada.save()
    assert not mails()


def test_an_operators_deactivation_and_restoration_are_mailed(ada, pushes, mails):
    """By command; what was so already is not mailed again."""
    for command in ("deactivateuser", "activateuser", "deleteuser", "restoreuser"):
        call_command(command, "ada")
        with pytest.raises(CommandError):
            call_command(command, "ada")
    assert mails() == [("deactivated", ada.email), ("restored", ada.email)]


def test_a_deleted_user_who_is_deactivated_does_not_read_that_data_is_kept(
    ada, root, pushes, mails
):
    ada.soft_delete()
    ada.deactivate()
    gone = UserFactory(deleted_at=timezone.now())
    bulk.run(bulk.CHANGES[0], [gone.pk], root)
    assert not User.objects.filter(pk__in=[ada.pk, gone.pk], is_active=True).exists()
    assert mails() == []


def test_a_form_that_deactivates_mails_it(ada, mails):
    ada.is_active = False
    ada.first_name = "Ada"
    ada.save()
    assert mails() == [("deactivated", ada.email)]


@pytest.mark.parametrize("state", ["", "verified", "inactive"])
def test_an_operators_change_of_the_address_is_mailed_to_the_old_one(
    ada, admin, mails, state
):
    """Without a link. Another case is no other address."""
    times = {"email_verified_at": timezone.now() if state == "verified" else None}
    User.objects.filter(pk=ada.pk).update(is_active=state != "inactive", **times)
    for email in ("Ada@example.org", "ada@example.com"):
        user = User.objects.get(pk=ada.pk)
        admin.post(change_url(user), fields(user, email=email))
    assert mails() == [("email_changed", "Ada@example.org")]
    text = " ".join(compose(Mail.objects.get()).body.split())
    assert "undo" not in text.lower()
    assert "ask the operator of this service" in text


def test_without_mail_there_is_no_row_and_all_works(old, auth, bearer, root, pushes):
    with override_settings(MAIL_ENABLED=False):
        log_in(auth)
        change_by_api(old, bearer, root)
        outbox.notify_all(Kind.RESTORED, [old.pk])
    assert not Mail.objects.exists()
