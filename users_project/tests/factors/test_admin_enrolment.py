"""Setting up the first factor of an operator who must have one, and managing the own
ones."""

import json
import re

import pytest
from django.test import Client
from django.utils import timezone

from shared.auth import device_cookie
from shared.testing.authenticator import Authenticator
from tests.admin_pages import browser_of
from tests.factories import UserFactory
from tests.factors.admin_login import (
    CONFIRM,
    LOGIN,
    PASSKEY,
    SECOND,
    SESSION,
    grow_old,
    is_in,
    password_step,
    scripts_inline,
    signed,
)
from tests.factors.conftest import ORIGIN
from tests.factors.totp_factors import add_totp, code
from tests.guesses import device_of
from users.admin.add_factor import APP
from users.factors import enrolment, recovery_codes
from users.factors.models import Challenge, Factor

ENROL, ADD = "/admin/login/enrol/", "/admin/login/enrol/factor/"
FACTORS, ADD_OWN = "/admin/factors/", "/admin/factors/add/"


@pytest.fixture
def strict(settings):
    settings.ADMIN_SECOND_FACTOR = "required"


def known_browser(user):
    """The user has logged in from it before."""
    client = Client()
    client.cookies[device_cookie.name()] = device_of(user)
    return client


def key_in(page):
    return re.search(r"<code>([A-Z2-7 ]+)</code>", page.content.decode())[1]


def codes_in(page):
    found = re.findall(r"<li><code>([0-9A-Z-]+)</code></li>", page.content.decode())
    assert len(found) == 10
    return found


def send_code(client, page, address, steps=0):
    """The form of the page, with a code of its key."""
    sent = {"code": code(steps, secret=key_in(page).replace(" ", ""))}
    sent["factor"] = page.context["form"]["factor"].value()
    return client.post(address, sent)


def register(authenticator, page):
    """What the form of the page sends, once the browser has made a passkey."""
    answer = authenticator.create(json.loads(page.context["passkey"]))
    return {"credential": json.dumps(answer), "name": "key"}


def test_an_operator_sets_up_a_factor_and_logs_in_with_it(ada, strict):
    client = Client()
    assert password_step(client, ada)["Location"].startswith(ENROL)
    assert not is_in(client)
    token = enrolment.code_for(ada)
    assert client.post(ENROL, {"token": token})["Location"] == ADD
    page = client.get(ADD)
    assert not scripts_inline(page)
    assert "<svg" in page.content.decode()
    factor = page.context["form"]["factor"].value()
    wrong = client.post(ADD, {"code": "000000", "factor": factor})
    assert key_in(wrong) == key_in(page)
    done = send_code(client, page, ADD)
    codes = codes_in(done)
    assert not is_in(client)
    assert SESSION not in client.cookies
    assert password_step(client, ada)["Location"].startswith(SECOND)
    assert client.post(SECOND, {"code": codes[3]}).status_code == 302
    assert is_in(client)


def test_a_link_that_was_pasted_is_a_proof(ada, strict):
    client = Client()
    password_step(client, ada)
    link = f" https://memo.example/account/enrol?token={enrolment.code_for(ada)} "
    assert client.post(ENROL, {"token": link})["Location"] == ADD


def test_a_device_of_the_account_is_a_proof(ada, strict):
    client = known_browser(ada)
    password_step(client, ada)
    assert client.post(ENROL, {})["Location"] == ADD


@pytest.mark.parametrize("proof", ["nothing", "a wrong code", "another user's"])
def test_the_password_alone_sets_up_no_factor(ada, strict, proof):
    client = known_browser(UserFactory())
    password_step(client, ada)
    theirs = enrolment.code_for(UserFactory())
    sent = {"a wrong code": "x" * 64, "another user's": theirs}
    answer = client.post(ENROL, {"token": sent.get(proof, "")})
    assert 'class="errornote"' in answer.content.decode()
    assert client.get(ADD).status_code == 401
    assert client.post(ADD, {"code": "000000"}).status_code == 401
    assert not Factor.objects.exists()
    assert client.get("/admin/")["Location"].startswith(LOGIN)


def test_a_passkey_may_be_the_first_factor(ada, strict):
    client, authenticator = known_browser(ada), Authenticator(ORIGIN, "memo.example")
    password_step(client, ada)
    client.post(ENROL, {})
    created = register(authenticator, client.get(ADD))
    codes_in(client.post(ADD, created))
    page = Client().get(LOGIN)
    assert client.post(PASSKEY, signed(authenticator, page)).status_code == 302
    assert is_in(client)


@pytest.mark.parametrize("meanwhile", ["a factor", "sessions ended", "time"])
def test_an_enrolment_ends_with_what_changes_meanwhile(ada, strict, meanwhile):
    client = known_browser(ada)
    password_step(client, ada)
    client.post(ENROL, {})
    page = client.get(ADD)
    if meanwhile == "a factor":
        add_totp(ada)
    if meanwhile == "sessions ended":
        ada.end_sessions()
    if meanwhile == "time":
        Challenge.objects.update(expires_at=timezone.now())
    assert send_code(client, page, ADD).status_code == 401
    assert not Factor.objects.filter(confirmed_at__isnull=False, name=APP).exists()


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


def test_off_has_no_such_page(ada, settings):
    settings.ADMIN_SECOND_FACTOR = "off"
    assert browser_of(ada).get(FACTORS).status_code == 404
