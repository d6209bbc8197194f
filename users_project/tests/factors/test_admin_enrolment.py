"""Setting up the first factor of an operator who must have one, and managing the own
ones."""

import json
import re
from datetime import timedelta
from functools import partial
from urllib.parse import urlencode

import pytest
from django.db import OperationalError, transaction
from django.test import Client
from django.utils import timezone

from shared.auth import device_cookie
from shared.tests.authenticator import Authenticator
from tests.admin_pages import OWN_PASSWORD, OWN_PASSWORD_PAGE, browser_of
from tests.factories import PASSWORD, UserFactory
from tests.factors.admin_login import (
    CONFIRM,
    LOGIN,
    SECOND,
    grow_old,
    is_in,
    password_step,
    scripts_inline,
)
from tests.factors.conftest import ORIGIN
from tests.factors.totp_factors import add_totp, code
from tests.guesses import device_of
from tests.pages.conftest import Reader
from users.accounts.models import Link
from users.admin.add_factor import APP, REFUSED
from users.factors import changes, recovery_codes
from users.factors.models import Factor
from users.mail.message import url_of
from users.mail.models import Mail
from users.models import User

ENROL = "/account/factors/enrol"
FACTORS, ADD_OWN = "/admin/factors/", "/admin/factors/add/"


@pytest.fixture
def strict(settings):
    settings.ADMIN_SECOND_FACTOR = "required"


def codes_in(page):
    found = re.findall(r"<li><code>([0-9A-Z-]+)</code></li>", page.content.decode())
    assert len(found) == 10
    return found


def send_code(client, page, address, steps=0):
    """The form of the page, with a code of its key."""
    [key] = re.findall(r"<code>([A-Z2-7 ]+)</code>", page.content.decode())
    sent = {"code": code(steps, secret=key.replace(" ", ""))}
    sent["factor"] = page.context["form"]["factor"].value()
    return client.post(address, sent)


def register(authenticator, page):
    """What the form of the page sends, once the browser has made a passkey."""
    answer = authenticator.create(json.loads(page.context["passkey"]))
    return {"credential": json.dumps(answer), "name": "key"}


def test_an_operator_sets_up_a_factor_and_logs_in_with_it(ada, strict):
    """By the link of the mail, which is entered as a whole."""
    ada.email_verified_at = timezone.now()
    ada.save()
    reader = Reader()
    asked = password_step(reader, ada)
    assert f'<form action="{ENROL}"' in asked.content.decode()
    assert not reader.cookies
    link = url_of(Mail.objects.get().link)
    reader.open(f"{ENROL}?{urlencode({'token': f' {link} '})}")
    reader.send(password=PASSWORD)
    [key] = re.findall(r'<code class="key">(\w+)</code>', reader.text)
    done = reader.send(code=code(secret=key))
    codes = codes_in(done)
    assert f'href="{LOGIN}"' in reader.text
    assert not reader.cookies
    assert password_step(reader, ada)["Location"].startswith(SECOND)
    assert reader.post(SECOND, {"code": codes[3]}).status_code == 302
    assert is_in(reader)


def test_a_device_of_the_account_needs_no_mail(ada, strict, settings):
    """Where a login needs a factor, an older login has made it one."""
    settings.SECOND_FACTOR = "required"
    client = Client()
    client.cookies[device_cookie.name()] = device_of(ada)
    answer = password_step(client, ada)
    assert answer["Location"].startswith(f"{ENROL}?token=")
    assert client.get(answer["Location"]).status_code == 200
    assert Link.objects.get().expires_at - timezone.now() <= timedelta(hours=1)
    assert not Mail.objects.exists()


def test_the_password_alone_sets_up_no_factor(ada, strict):
    client = Client()
    client.cookies[device_cookie.name()] = device_of(UserFactory())
    answer = password_step(client, ada)
    assert answer.status_code == 200
    assert not Link.objects.exists()
    assert set(client.cookies) == {device_cookie.name()}
    assert client.get(ENROL, {"token": "x" * 64}).status_code == 400
    assert client.get("/admin/")["Location"].startswith(LOGIN)


def test_a_leaked_password_makes_no_browser_a_proof(ada, strict, auth):
    """By a login to the API, which asks for no factor."""
    body = {"email": ada.email, "password": PASSWORD}
    verified = auth.post("/api/v1/users/verify", body).json()
    client = Client()
    client.cookies[device_cookie.name()] = verified["device"]
    assert password_step(client, ada).status_code == 200
    assert not Link.objects.exists()


def test_nor_does_an_admin_that_asks_for_less_than_the_api(ada, settings):
    settings.SECOND_FACTOR, settings.ADMIN_SECOND_FACTOR = "required", "off"
    client = Client()
    password_step(client, ada)
    assert is_in(client)
    assert client.post(OWN_PASSWORD_PAGE, OWN_PASSWORD)["Location"].endswith("/done/")
    assert device_cookie.name() not in client.cookies


# The own factors of an operator


def test_an_operator_adds_the_first_factor_and_stays_logged_in(ada):
    client, other = browser_of(ada), browser_of(ada)
    assert FACTORS in client.get("/admin/").content.decode()
    assert "no second factor" in client.get(FACTORS).content.decode()
    page = client.get(ADD_OWN)
    assert not scripts_inline(page)
    codes_in(send_code(client, page, ADD_OWN))
    assert APP in client.get(FACTORS).content.decode()
    assert is_in(client)
    assert not is_in(other)  # which a password alone had opened


def test_an_operator_adds_renews_and_removes(ada):
    add_totp(ada)
    recovery_codes.replace(ada.pk)
    client, authenticator = Client(), Authenticator(ORIGIN, "memo.example")
    password_step(client, ada)
    client.post(SECOND, {"code": code()})
    created = register(authenticator, client.get(ADD_OWN))
    assert client.post(ADD_OWN, created)["Location"] == FACTORS
    new = codes_in(client.post(FACTORS, {"codes": "1"}))
    assert recovery_codes.use(ada.pk, new[0])
    for factor in Factor.objects.filter(user=ada, confirmed_at__isnull=False):
        assert client.post(FACTORS, {"remove": factor.pk})["Location"] == FACTORS
        assert is_in(client)
    assert not Factor.objects.filter(confirmed_at__isnull=False).exists()
    assert recovery_codes.left(ada.pk) == 0


def test_the_last_factor_stays_where_one_is_required(ada, strict):
    factor = add_totp(ada)
    client = Client()
    password_step(client, ada)
    client.post(SECOND, {"code": code()})
    client.post(FACTORS, {"remove": factor.pk})
    assert "Add another one first" in client.get(FACTORS).content.decode()
    assert Factor.objects.filter(pk=factor.pk).exists()


def log_out(user):
    """As an operator does. False, with nothing done, while the row is locked."""
    try:
        with transaction.atomic():
            User.objects.select_for_update(nowait=True).get(pk=user.pk)
            return bool(User.objects.raise_epoch(user.pk))
    except OperationalError:
        return False


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("what", ["remove", "add_passkey"])
def test_a_session_that_is_ended_meanwhile_stays_ended(
    ada, at_once, pushes, monkeypatch, what, when
):
    """A thief who has the session changes a factor while an operator logs Ada out."""
    factor, client = add_totp(ada), Client()
    password_step(client, ada)
    client.post(SECOND, {"code": code()})
    page, body = FACTORS, {"remove": factor.pk}
    if what == "add_passkey":
        authenticator = Authenticator(ORIGIN, "memo.example")
        page, body = ADD_OWN, register(authenticator, client.get(ADD_OWN))
    change, done = getattr(changes, what), []

    def interleaved(*args):
        done.extend(at_once(partial(log_out, ada)) if when == "before" else [])
        answer = change(*args)
        done.extend(at_once(partial(log_out, ada)) if when == "after" else [])
        return answer

    monkeypatch.setattr(changes, what, interleaved)
    client.post(page, body)
    assert done == [True] or log_out(ada)
    assert not is_in(client)


@pytest.mark.parametrize("address", [FACTORS, ADD_OWN])
def test_the_own_factors_ask_again(ada, address):
    """A trusted device, too: who has it and the password adds no factor."""
    client = browser_of(ada)
    assert client.get(address).status_code == 200
    grow_old(client)
    asked = client.get(client.get(address)["Location"])
    assert asked.context["next"] == address
    trusted = browser_of(ada)
    add_totp(ada)
    for answer in (trusted.get(address), trusted.post(address, {"codes": "1"})):
        assert answer["Location"].startswith(CONFIRM)
    trusted.get(CONFIRM)
    assert trusted.post(CONFIRM, {"code": code()}).status_code == 302
    assert trusted.get(address).status_code == 200


def test_another_users_factor_is_not_there(ada):
    theirs = add_totp(UserFactory())
    waiting = add_totp(UserFactory(), confirmed=False)
    client = browser_of(ada)
    assert client.post(FACTORS, {"remove": theirs.pk}).status_code == 404
    body = {"factor": waiting.pk, "code": code()}
    assert client.post(ADD_OWN, body).status_code == 404
    assert Factor.objects.count() == 2


def test_the_passkey_of_another_user_is_not_taken_over(ada, other):
    _, theirs = other
    client = browser_of(ada)
    answer = client.post(ADD_OWN, register(theirs, client.get(ADD_OWN)))
    assert (answer.status_code, answer.context["refused"]) == (200, REFUSED)
    assert not Factor.objects.filter(user=ada, confirmed_at__isnull=False).exists()


def test_the_name_of_a_passkey_is_one_that_is_seen(ada, authenticator):
    """As in the API: on a page, an invisible character makes it look like another."""
    client = browser_of(ada)
    body = register(authenticator, client.get(ADD_OWN)) | {"name": "key\u202eyek"}
    assert client.post(ADD_OWN, body).context["refused"] == REFUSED
    assert not Factor.objects.filter(type="passkey").exists()


def test_off_has_no_such_page(ada, settings):
    settings.ADMIN_SECOND_FACTOR = "off"
    assert browser_of(ada).get(FACTORS).status_code == 404
