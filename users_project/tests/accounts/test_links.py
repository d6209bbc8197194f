"""Tokens and rows of links."""

import base64
import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from shared.api.exceptions import LinkInvalid
from shared.auth import device_cookie
from tests.accounts.conftest import ADDRESS, BASE
from tests.factories import NEW, PASSWORD
from tests.guesses import device_of
from tests.refusals import assert_refused
from tests.settings_reader import read_settings
from users.accounts import links
from users.accounts.models import Link, Purpose

ROUTES = {
    "/verify_email": {Purpose.VERIFY, Purpose.REGISTER},
    "/password_reset/confirm": {Purpose.RESET},
    "/change_email/confirm": {Purpose.CHANGE_EMAIL},
    "/change_email/undo": {Purpose.UNDO_EMAIL},
    "/restore": {Purpose.RESTORE},
    "/factors_reset/cancel": {Purpose.KEEP_FACTORS},
}
BODIES = {
    "/verify_email": {"password": PASSWORD},
    "/password_reset/confirm": {"new_password": NEW},
    "/change_email/confirm": {"password": PASSWORD},
}


@pytest.fixture
def link(ada):
    return links.issue(Purpose.RESET, address=ADDRESS, user=ada)


def forged(link, **changed):
    """The token that a row with these values would have."""
    values = {name: getattr(link, name) for name in ("pk", "purpose", "user_id")}
    values |= {"expires_at": link.expires_at} | changed
    return links.token_of(Link(**values))


def test_a_token_finds_its_link_and_only_for_its_purpose(link):
    token = links.token_of(link)
    assert len(token) == 64
    assert links.find(token, Purpose.VERIFY, Purpose.RESET) == link
    with pytest.raises(LinkInvalid):
        links.find(token, Purpose.VERIFY, Purpose.UNDO_EMAIL)


def test_a_token_ends_with_a_letter_or_digit(ada):
    """Mail programs do not take a "-" at the end of a URL as part of it."""
    sent = [links.issue(Purpose.RESET, address=ADDRESS, user=ada) for _ in range(200)]
    assert all(links.token_of(link)[-1].isalnum() for link in sent)


@pytest.mark.parametrize(
    "changed",
    [
        {"pk": uuid.uuid4()},
        {"purpose": Purpose.VERIFY},
        {"user_id": uuid.uuid4()},
        {"expires_at": timezone.now() + timedelta(days=999)},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_the_signature_is_of_the_whole_row(link, changed):
    with pytest.raises(LinkInvalid):
        links.find(forged(link, **changed), *Purpose)


def test_unknown_forged_malformed_used_and_expired_are_one_answer(link, post):
    token = links.token_of(link)
    raw = base64.urlsafe_b64decode(token)
    bad = ["x", "é" * 64, token[:-4], token[:-1] + "!", f"{token}AAAA", "A" * 64]
    bad += [base64.urlsafe_b64encode(raw[:16] + bytes(32)).decode(), token.swapcase()]

    def answer(token):
        body = {"token": token, "new_password": NEW}
        problem = post("/password_reset/confirm", **body)
        return assert_refused(problem, 400, "link_invalid")["detail"]

    said = {answer(each) for each in bad}
    for column in ("used_at", "expires_at"):
        Link.objects.filter(pk=link.pk).update(**{column: timezone.now()})
        said.add(answer(token))
    assert len(said) == 1


@pytest.mark.parametrize("path", ROUTES)
def test_a_link_of_another_purpose_is_of_no_use(ada, post, path):
    for purpose in {*Purpose} - ROUTES[path]:
        sent = links.issue(purpose, address=ADDRESS, user=ada)
        refused = post(path, token=links.token_of(sent), **BODIES.get(path, {}))
        assert_refused(refused, 400, "link_invalid")


def test_an_older_secret_key_verifies_links_alone(ada, link, settings):
    """Not the device cookie, which lifts limits and stands in for a factor."""
    token, device, old = links.token_of(link), device_of(ada), settings.SECRET_KEY
    settings.SECRET_KEY = "another" * 10
    with pytest.raises(LinkInvalid):
        links.find(token, Purpose.RESET)
    for name, value in read_settings(SECRET_KEY_FALLBACKS=old).items():
        if name.endswith("_KEY_FALLBACKS"):
            setattr(settings, name, value)
    assert links.find(token, Purpose.RESET) == link
    assert device_cookie.devices(device) == []


def test_reading_changes_nothing(link, api_client):
    """Mail scanners open links: only POST is there."""
    before = Link.objects.values().get()
    for path in ROUTES:
        url = f"{BASE}{path}?token={links.token_of(link)}"
        for method in (api_client.get, api_client.head):
            assert method(url).status_code == 405
    assert Link.objects.values().get() == before


def test_nothing_stored_is_a_token(link):
    token = links.token_of(link)
    assert token not in {str(value) for value in vars(link).values()}
