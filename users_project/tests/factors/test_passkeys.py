"""Assertions: what is accepted, once, and what is refused for what reason."""

import threading
from datetime import timedelta

import pytest
from django.utils import timezone

from shared.api.exceptions import InvalidCredentials
from shared.auth.passkeys import request_options
from shared.tests.authenticator import BE, BS, ED, UP, UV, Authenticator
from tests.factories import PASSWORD
from tests.factors.conftest import ORIGIN, registered
from users.events.models import Event
from users.factors import passkeys
from users.factors.models import Factor
from users.factors.passkeys import verify_assertion
from users.mail.models import Mail

CHALLENGE = b"c" * 32
ASKED = request_options(CHALLENGE)


def refused(credential, user=None, challenge=CHALLENGE):
    with pytest.raises(InvalidCredentials):
        verify_assertion(credential, challenge, user)
    return True


def test_an_assertion_says_whose_passkey_has_signed_it(ada, passkey, authenticator):
    found = verify_assertion(authenticator.get(ASKED), CHALLENGE)

    assert (found.pk, found.user, found.user.roles) == (passkey.pk, ada, [])
    assert found.amr == ("hwk", "user")
    passkey.refresh_from_db()
    assert passkey.sign_count == 2
    assert passkey.last_used_at


def test_one_that_is_synchronised_has_no_counter_and_is_used_again(ada):
    synchronised = Authenticator(ORIGIN, "memo.example", UP | UV | BE)
    passkey = registered(ada, synchronised)
    assert not passkey.backed_up
    synchronised.flags |= BS

    for _ in range(2):
        found = verify_assertion(synchronised.get(ASKED), CHALLENGE, ada)

    assert found.amr == ("swk", "user")
    passkey.refresh_from_db()
    assert passkey.backed_up


@pytest.mark.parametrize(
    "lie",
    [
        {"origin": "https://other.example"},
        {"origin": "https://app.memo.example"},
        {"origin": "https://memo.example:8443"},
        {"origin": "http://memo.example"},
        {"origin": f"{ORIGIN}/"},
        {"rp_id": "app.memo.example"},
        {"rp_id": "example"},
        {"flags": UP},
        {"flags": UV},
        {"user_handle": b"h" * 32},
        {"user_handle": b""},
        {"id": b"i" * 32},
        {"key": Authenticator(ORIGIN, "memo.example").key},
    ],
    ids=repr,
)
def test_what_the_authenticator_may_not_say(lie, ada, passkey, authenticator):
    vars(authenticator).update(lie)

    assert refused(authenticator.get(ASKED))
    assert refused(authenticator.get(ASKED), ada)

    passkey.refresh_from_db()
    assert (passkey.sign_count, passkey.suspect_at) == (1, None)


@pytest.mark.parametrize(
    "lie",
    [
        {"type": "webauthn.create"},
        {"challenge": request_options(b"d" * 32)["challenge"]},
        {"challenge": ""},
        {"crossOrigin": True},
    ],
    ids=repr,
)
def test_what_the_browser_may_not_say(lie, passkey, authenticator):
    assert refused(authenticator.get(ASKED, **lie))


EXTENSIONS = {
    "plain": "a16b6372656450726f7465637402",  # {"credProtect": 2}
    "regular expression": "d8236161",
    "shared value": "82d81c80d81d00",
    "long head": "a1780163 01".replace(" ", ""),
    "float": "a16161f90000",
    "no end": "9f01ff",
}


@pytest.mark.parametrize("name", EXTENSIONS)
def test_no_tag_of_an_extension_is_decoded(name, ada, passkey, authenticator):
    """INP-01. The values that an authenticator signs are simple, and so is their form:
    shared ones would be written out, each reference again."""
    extension, data = bytes.fromhex(EXTENSIONS[name]), authenticator.data
    authenticator.data = lambda flags: data(flags | ED) + extension

    if name == "plain":
        assert verify_assertion(authenticator.get(ASKED), CHALLENGE).pk == passkey.pk
    else:
        assert refused(authenticator.get(ASKED))


def test_without_its_user_handle_a_passkey_is_a_second_factor_alone(
    ada, passkey, authenticator
):
    answer = authenticator.get(ASKED)
    del answer["response"]["userHandle"]

    assert refused(answer)
    assert verify_assertion(answer, CHALLENGE, ada).pk == passkey.pk


def test_a_passkey_of_another_user_is_no_second_factor(ada, passkey, other):
    _, theirs = other
    answer = theirs.get(ASKED)

    assert refused(answer, ada)
    del answer["response"]["userHandle"]
    assert refused(answer, ada)


@pytest.mark.parametrize("change", [{"is_active": False}, {"deleted": True}])
def test_a_user_who_is_absent_has_none(change, ada, passkey, authenticator):
    if "deleted" in change:
        ada.soft_delete()
    else:
        ada.deactivate()

    assert refused(authenticator.get(ASKED))


def test_an_assertion_counts_once(ada, passkey, authenticator):
    answer = authenticator.get(ASKED)
    verify_assertion(answer, CHALLENGE)

    assert refused(answer)
    assert refused(answer, ada)
    passkey.refresh_from_db()
    assert passkey.suspect_at is None


@pytest.mark.parametrize("last_use", [timedelta(seconds=301), None])
def test_a_counter_that_goes_back_makes_a_passkey_suspect(
    ada, passkey, authenticator, last_use
):
    authenticator.count = 9
    verify_assertion(authenticator.get(ASKED), CHALLENGE)
    Factor.objects.update(last_used_at=last_use and timezone.now() - last_use)
    authenticator.count = 8

    assert refused(authenticator.get(ASKED))

    authenticator.count = 10
    assert refused(authenticator.get(ASKED)), "it may be the copy"
    assert refused(authenticator.get(ASKED), ada)
    assert Event.objects.filter(event="passkey_suspect", user_id=ada.pk).count() == 1
    assert Mail.objects.get(user=ada).kind == "passkey_suspect"


def test_two_assertions_in_the_wrong_order_make_no_passkey_suspect(
    passkey, authenticator
):
    """While the challenge of the earlier one may be alive. That one is refused."""
    earlier = authenticator.get(ASKED)
    authenticator.count += 1
    verify_assertion(authenticator.get(ASKED), CHALLENGE)
    Factor.objects.update(last_used_at=timezone.now() - timedelta(seconds=290))

    assert refused(earlier)

    authenticator.count += 1
    assert verify_assertion(authenticator.get(ASKED), CHALLENGE).pk == passkey.pk


def test_a_stranger_makes_no_passkey_suspect(passkey, authenticator):
    stranger = Authenticator(ORIGIN, "memo.example", id=authenticator.id, count=0)
    stranger.user_handle = authenticator.user_handle

    assert refused(stranger.get(ASKED))

    passkey.refresh_from_db()
    assert passkey.suspect_at is None


def test_of_twenty_at_once_one_succeeds(
    ada, passkey, authenticator, at_once, monkeypatch
):
    """Four have read the counter before one of them writes it."""
    answer = authenticator.get(ASKED)
    group, spend = threading.Barrier(4), passkeys.spend

    def wait_for_others(*args):
        group.wait(10)
        return spend(*args)

    monkeypatch.setattr(passkeys, "spend", wait_for_others)

    def use():
        try:
            return verify_assertion(answer, CHALLENGE).pk
        except InvalidCredentials:
            return None

    used = at_once(*[use] * 20)

    assert sorted(map(bool, used)) == [False] * 19 + [True]
    passkey.refresh_from_db()
    assert passkey.suspect_at is None


@pytest.mark.parametrize(
    "damage",
    [
        {"id": None},
        {"rawId": "é"},
        {"rawId": "a"},
        {"type": "password"},
        {"response": []},
        {"response": {}},
        {"response": {"userHandle": 1}},
        {"response": {"signature": ""}},
        {"response": {"authenticatorData": ""}},
        {"response": {"authenticatorData": "A" * 400}},
        {"response": {"clientDataJSON": "AAAA"}},
        {"response": {"clientDataJSON": "bnVsbA"}},
    ],
    ids=repr,
)
def test_what_is_malformed_is_refused(damage, passkey, authenticator):
    answer = authenticator.get(ASKED)
    if damage.get("response"):
        damage = {"response": answer["response"] | damage["response"]}
    assert refused(answer | damage)


def test_a_suspect_passkey_keeps_its_password_from_being_enough(ada, passkey, guess):
    """MFA-09. Otherwise a thief with a copy would only have to make it suspect."""
    Factor.objects.update(suspect_at=passkey.confirmed_at)
    factors = guess(PASSWORD).json()["factors"]
    assert (factors["methods"], factors["passkeys"]) == (["passkey"], [])
