"""Registering a passkey: what is asked for, and what is refused."""

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from django.utils import timezone
from rest_framework.exceptions import ValidationError
from webauthn.helpers import base64url_to_bytes, encode_cbor

from shared.tests.authenticator import ED, UP, UV, Authenticator
from tests.factors.conftest import ORIGIN, registered
from users.factors import registration
from users.factors.models import Challenge


def refused(user, answer):
    with pytest.raises(ValidationError) as refusal:
        registration.register(user, answer, "key")
    assert refusal.value.get_codes() == {"credential": ["invalid"]}
    return True


def test_what_a_browser_is_asked_for(ada, passkey, authenticator):
    asked = registration.options(ada)

    assert asked["rp"] == {"id": "memo.example", "name": "memo.example"}
    assert asked["user"]["name"] == "ada@example.org"
    assert asked["authenticatorSelection"] == {
        "residentKey": "required",
        "requireResidentKey": True,
        "userVerification": "required",
    }
    assert asked["attestation"] == "none"
    assert [base64url_to_bytes(each["id"]) for each in asked["excludeCredentials"]] == [
        authenticator.id
    ]


def test_a_user_has_one_random_handle_for_all_passkeys(ada, passkey, other):
    second = registered(ada, Authenticator(ORIGIN, "memo.example"))
    stranger = other[0].factors.get()

    assert len(passkey.user_handle) == 32
    assert second.user_handle == passkey.user_handle
    assert stranger.user_handle != passkey.user_handle


def test_two_tabs_get_the_same_handle_for_the_first_passkeys(ada):
    """The epoch stays the same: there is another factor."""
    keys = [Authenticator(ORIGIN, "memo.example") for _ in range(2)]
    answers = [key.create(registration.options(ada)) for key in keys]
    for answer in answers:
        registration.register(ada, answer, "key").save()

    handles = ada.factors.values_list("user_handle", flat=True)
    assert len({*map(bytes, handles)}) == 1


def test_options_after_expired_ones_have_the_same_handle(ada):
    """A passkey that came too late is replaced in the authenticator."""
    first = registration.options(ada)
    Challenge.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert registration.options(ada)["user"]["id"] == first["user"]["id"]


def test_each_challenge_is_random(ada):
    asked = [registration.options(ada) for _ in range(2)]

    assert len({each["challenge"] for each in asked}) == 2
    assert all(len(base64url_to_bytes(each["challenge"])) == 32 for each in asked)


def test_transports_that_nobody_knows_are_left_out(ada, authenticator):
    answer = authenticator.create(registration.options(ada))
    answer["response"]["transports"] = ["usb", "telepathy", "nfc", "usb"]

    factor = registration.register(ada, answer, "key")
    assert factor.transports == ["nfc", "usb"]


@pytest.mark.parametrize(
    "lie",
    [
        {"origin": "https://other.example"},
        {"origin": "https://app.memo.example"},
        {"rp_id": "example"},
        {"flags": UP},
        {"flags": UV},
        {"id": b"i" * 1024},
        {"id": b""},
    ],
    ids=lambda lie: f"{lie}"[:40],
)
def test_what_the_authenticator_may_not_say(lie, ada, authenticator):
    vars(authenticator).update(lie)
    assert refused(ada, authenticator.create(registration.options(ada)))


@pytest.mark.parametrize("lie", [{"type": "webauthn.get"}, {"crossOrigin": True}])
def test_what_the_browser_may_not_say(lie, ada, authenticator):
    assert refused(ada, authenticator.create(registration.options(ada), **lie))


KEYS = {
    "no bytes": {1: 2, 3: -7, -1: 1, -2: 7, -3: 7},
    "no point": {1: 2, 3: -7, -1: 1, -2: b"x" * 32, -3: b"y" * 32},
    "no curve": {1: 2, 3: -7, -1: 99, -2: b"x" * 32, -3: b"y" * 32},
    "no map": 4,
    "text": {1: 1, 3: -8, -1: 6, -2: "x" * 32},
}


@pytest.mark.parametrize("key", KEYS)
def test_a_key_that_verifies_no_signature(key, ada, authenticator):
    """At the first login with it, the User Service would have a fault of its own."""
    authenticator.public_key = lambda: encode_cbor(KEYS[key])
    assert refused(ada, authenticator.create(registration.options(ada)))


@pytest.mark.parametrize("hidden", [False, True])
def test_no_tag_of_an_extension_is_decoded(hidden, ada, authenticator):
    """INP-01: as in an assertion. Nor one that is hidden: py_webauthn takes a key of a
    longer head for shorter than it is, and begins with the key's last byte."""
    while authenticator.public_key()[-1] != 0xD8:
        authenticator.key = ec.generate_private_key(ec.SECP256R1())
    head, key = (b"\xb8\x05" if hidden else b"\xa5"), authenticator.public_key()[1:]
    tag = bytes.fromhex("236161" if hidden else "d8236161")
    authenticator.flags |= ED
    authenticator.public_key = lambda: head + key + tag
    assert refused(ada, authenticator.create(registration.options(ada)))


def test_an_extension_that_browsers_ask_for_is_taken(ada, authenticator):
    key = authenticator.public_key() + encode_cbor({"credProtect": 2})
    authenticator.flags |= ED
    authenticator.public_key = lambda: key
    answer = authenticator.create(registration.options(ada))
    assert registration.register(ada, answer, "key")


def test_a_challenge_is_used_once_also_by_what_is_refused(ada, authenticator):
    asked = registration.options(ada)
    registration.register(ada, authenticator.create(asked), "key")
    assert refused(ada, authenticator.create(asked))

    asked = registration.options(ada)
    assert refused(ada, authenticator.create(asked, origin="https://other.example"))
    assert refused(ada, authenticator.create(asked))


def test_a_challenge_of_another_user(ada, authenticator, other):
    assert refused(ada, authenticator.create(registration.options(other[0])))


@pytest.mark.parametrize(
    "change",
    [
        {"expires_at": timezone.now() - timedelta(seconds=1)},
        {"purpose": Challenge.Purpose.ADMIN_LOGIN},
        {"session_epoch": 1},
        {"challenge": b"another"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_challenge_of_another_kind_or_time(change, ada, authenticator):
    answer = authenticator.create(registration.options(ada))
    Challenge.objects.update(**change)
    assert refused(ada, answer)


def test_of_twenty_at_once_one_uses_the_challenge(ada, authenticator, at_once):
    answer = authenticator.create(registration.options(ada))

    def use():
        try:
            return bool(registration.register(ada, answer, "key"))
        except ValidationError:
            return False

    assert sorted(at_once(*[use] * 20)) == [False] * 19 + [True]


@pytest.mark.parametrize(
    "damage",
    [
        {"id": 1},
        {"rawId": "é"},
        {"response": []},
        {"response": {"clientDataJSON": "AAAA"}},
        {"response": {"attestationObject": ""}},
        {"response": {"attestationObject": "oWNmbXRkbm9uZQ"}},
    ],
    ids=repr,
)
def test_what_is_malformed_is_refused(damage, ada, authenticator):
    answer = authenticator.create(registration.options(ada))
    if damage.get("response"):
        damage = {"response": answer["response"] | damage["response"]}
    assert refused(ada, answer | damage)
