"""Pages that ask for the password of an account ask for its second factor next."""

import json
import re

import pytest
from django.core import signing

from shared.api.exceptions import LinkInvalid
from shared.auth import device_cookie
from shared.tests.authenticator import Authenticator
from tests.factories import PASSWORD, WRONG, UserFactory
from tests.factors.conftest import ORIGIN, registered
from tests.factors.totp_factors import add_totp, code
from tests.pages.conftest import NEW_EMAIL, body_of, passkey_options
from tests.pages.texts import heading
from users.accounts import links
from users.accounts.models import Link, Purpose
from users.limits.guess_limits import Client
from users.mail.models import Mail
from users.models import User
from users.pages import second_step
from users.pages.second_step import FactorForm

pytestmark = pytest.mark.usefixtures("factor_site")
asking = pytest.mark.parametrize("purpose", [Purpose.VERIFY, Purpose.CHANGE_EMAIL])
LABEL = {"en": "One-time code", "de": "Einmalcode"}
DEVICE = device_cookie.name()


@pytest.fixture
def ada(ada):
    add_totp(ada)
    return ada


@pytest.fixture
def second(reader, link_for, ada):
    """Opens the page of a link, and enters the right password."""

    def go(purpose=Purpose.VERIFY, user=ada):
        reader.open(link_for(purpose, user=user))
        answer = reader.send(password=PASSWORD)
        assert (answer.status_code, DEVICE in answer.cookies) == (200, False)
        return reader

    return go


def is_done():
    return Link.objects.filter(used_at__isnull=False).exists()


@asking
@pytest.mark.parametrize("locale", LABEL)
def test_a_code_follows_the_password(ada, second, purpose, locale):
    User.objects.update(locale=locale)
    reader = second(purpose)
    assert LABEL[locale] in reader.text
    assert not is_done()
    answer = reader.send(code=code(1))
    assert answer.status_code == 303
    assert DEVICE in answer.cookies
    ada.refresh_from_db()
    if purpose == Purpose.VERIFY:
        assert ada.email_verified
    else:
        assert ada.email == NEW_EMAIL
    assert Mail.objects.filter(kind="new_device").count() == 1


@asking
def test_until_the_password_was_right_nothing_tells_of_factors(
    reader, link_for, ada, purpose
):
    pages = []
    for user in (ada, UserFactory(email="bob@example.org")):
        reader.open(link_for(purpose, user=user))
        before = reader.text
        answer = reader.send(password=WRONG)
        assert answer.status_code == 401
        text = before + reader.text
        for name in ("ada", "bob", NEW_EMAIL):
            text = text.replace(name, "name")
        pages.append(re.sub(r'name="token" value="[^"]+"', "", text))
    assert pages[0] == pages[1]
    assert "code" not in pages[0]


def test_a_wrong_code_is_an_error_and_the_next_one_works(second):
    reader = second()
    for wrong in ("000000", "", code(3), "AAAA-BBBB-CCCC-DDDD"):
        answer = reader.send(code=wrong)
        assert answer.status_code == (401 if wrong else 400)
        assert heading(reader.text) == "Confirm your e-mail address"
        assert DEVICE not in answer.cookies
        if wrong:
            assert "It is wrong or was used already" in reader.text
    assert not is_done()
    assert reader.send(code=code()).status_code == 303


@pytest.mark.parametrize(
    "state",
    [
        "",
        "garbage",
        signing.dumps(["another salt"], salt="another"),
    ],
)
def test_the_second_step_alone_is_none(reader, link_for, ada, state):
    reader.open(link_for(Purpose.VERIFY, user=ada))
    body = body_of(reader, state=state, code=code())
    assert reader.post("/account/verify", body).status_code == 400
    assert not is_done()


def test_that_of_another_link_of_the_same_user_is_none(reader, link_for, ada, second):
    state = body_of(second())["state"]
    reader.open(link_for(Purpose.CHANGE_EMAIL, user=ada))
    body = body_of(reader, state=state, code=code())
    assert reader.post("/account/email", body).status_code == 400
    assert not is_done()


def test_it_ends_after_ten_minutes(second, monkeypatch):
    reader = second()
    monkeypatch.setattr(second_step, "MAX_AGE", -1)
    assert reader.send(code=code()).status_code == 400
    assert 'type="password"' in reader.text
    assert not is_done()


def test_another_password_meanwhile_voids_it(ada, second, pushes):
    reader = second()
    ada.set_password("another password of hers")
    ada.save()
    assert reader.send(code=code()).status_code == 400
    assert heading(reader.text) == "This link does not work"


def test_a_trusted_device_is_not_asked(reader, link_for, ada):
    reader.open(link_for(Purpose.VERIFY, user=ada))
    reader.cookies[DEVICE] = device_cookie.renew("", ada, trust=True)
    assert reader.send(password=PASSWORD).status_code == 303


def test_a_passkey_works_by_our_script(second):
    bob = UserFactory(email="bob@example.org")
    key = Authenticator(ORIGIN, "memo.example", count=1)
    registered(bob, key)
    reader = second(user=bob)
    assert re.findall(r"<script src=\"(.*?)\"", reader.text)
    answer = key.get(passkey_options(reader))
    body = body_of(reader, credential=json.dumps(answer))
    assert reader.post("/account/verify", body).status_code == 303


def test_the_form_alone_knows_whether_the_password_was_right(link_for, ada):
    token = link_for(Purpose.VERIFY, user=ada).partition("=")[2]
    form = FactorForm({"token": token, "state": "garbage", "code": code()})
    form.link = links.find(token, Purpose.VERIFY)
    assert form.is_valid()
    with pytest.raises(LinkInvalid):
        form.submit(Client("192.0.2.7"))
    assert not is_done()


@pytest.mark.parametrize("sent", ["x", "[]", "[" * 9999, '{"id": 7}'])
def test_what_is_no_passkey_is_refused(second, sent):
    reader = second()
    answer = reader.post("/account/verify", body_of(reader, credential=sent))
    assert answer.status_code in (400, 401)
    assert not is_done()


def test_the_api_takes_an_access_token_instead(api_client, bearer, ada):
    """Of a session, which has proved the factor."""
    link = links.issue(Purpose.VERIFY, address=ada.email_canonical, user=ada)
    body = {"token": links.token_of(link), "password": PASSWORD}
    answer = api_client.post("/api/v1/users/verify_email", body)
    assert (answer.status_code, answer.json()["code"]) == (
        401,
        "second_factor_required",
    )
    del body["password"]
    client = bearer(sub=str(ada.pk))
    assert client.post("/api/v1/users/verify_email", body).status_code == 204
