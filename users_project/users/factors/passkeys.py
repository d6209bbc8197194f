"""Verify the assertion of a passkey (WebAuthn Level 3 section 7.2).

py_webauthn checks the data that the browser and the authenticator have signed. This
module checks in the database whose passkey it is, and that no assertion counts twice.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from webauthn import verify_authentication_response
from webauthn.authentication.verify_authentication_response import (
    VerifiedAuthentication,
)
from webauthn.helpers import (
    encode_cbor,
    parse_authentication_credential_json,
    parse_client_data_json,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import AuthenticationCredential, CredentialDeviceType

from shared.api.exceptions import InvalidCredentials
from shared.auth.passkeys import TIMEOUT
from shared.db.functions import ClockTimestamp
from users.events.log import record
from users.factors.cbor import is_canonical_in
from users.factors.models import Factor, Type
from users.factors.policy import mode
from users.limits.guess_limits import Client, record_passkey_failure
from users.mail.models import Kind
from users.mail.outbox import notify
from users.models import User

NO_USER = UUID(int=0)


def authenticate(
    credential: dict[str, Any], challenge: bytes, client: Client, *, site: str = "api"
) -> Factor:
    """The passkey by which a user logs in, without a password. The site `admin` accepts
    staff only, and one whose mode is `off` nobody. Raises InvalidCredentials; if the
    passkey is known, the failure is an event of its user."""
    factor, passkey_id = None, b""
    try:
        parsed = parse(credential)
        passkey_id = parsed.raw_id
        factor = find(passkey_id, None)
        proved = verify_signature(factor, parsed, challenge)
        if mode(site) == "off" or (site == "admin" and not proved.user.is_staff):
            raise InvalidCredentials
    except InvalidCredentials:
        user_id = factor.user_id if factor else None
        record_passkey_failure(user_id, passkey_id, client, site)
        raise
    return proved


def verify_assertion(
    credential: dict[str, Any], challenge: bytes, user: User | None = None
) -> Factor:
    """The passkey that has signed this challenge: one of `user`, or else of any present
    user, who is then in `factor.user` with roles. Raises InvalidCredentials."""
    parsed = parse(credential)
    return verify_signature(find(parsed.raw_id, user), parsed, challenge, user)


def parse(credential: dict[str, Any]) -> AuthenticationCredential:
    """Raises InvalidCredentials."""
    try:
        return parse_authentication_credential_json(credential)
    except (WebAuthnException, ValueError) as exc:
        raise InvalidCredentials from exc


def verify_signature(
    factor: Factor | None,
    parsed: AuthenticationCredential,
    challenge: bytes,
    user: User | None = None,
) -> Factor:
    """The passkey, if it has signed this challenge. Raises InvalidCredentials.

    Unknown passkeys, and those of absent users, take the same statements and the check
    of a signature. Not to be called in a transaction: the refusal would roll back what
    `spend` stores about a counter that went back.
    """
    key = (factor and factor.public_key) or STAND_IN
    verified = check(parsed, challenge, bytes(key))
    if factor is None or verified is None or not has_handle(parsed, factor, user):
        raise InvalidCredentials
    spend(factor, verified)
    synchronised = verified.credential_device_type == CredentialDeviceType.MULTI_DEVICE
    factor.amr = ("swk" if synchronised else "hwk", "user")
    return factor


def find(credential_id: bytes, user: User | None) -> Factor | None:
    """The passkey with this id of `user`, or else of any present user; or None."""
    rows = Factor.objects.filter(type=Type.PASSKEY, credential_id=credential_id)
    if user:
        return rows.filter(user=user).first()
    factor = rows.first()
    owner = User.objects.find(id=factor.user_id if factor else NO_USER)
    if factor is None or owner is None:
        return None
    factor.user = owner
    return factor


def check(
    credential: AuthenticationCredential, challenge: bytes, key: bytes
) -> VerifiedAuthentication | None:
    """The verified data of the assertion. None unless this key has signed it for this
    challenge, on one of our pages and with the user verified."""
    try:
        if not is_canonical_in(credential.response.authenticator_data):
            return None
        verified = verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=settings.WEBAUTHN_RP_ID,
            expected_origin=settings.WEBAUTHN_ORIGINS,
            credential_public_key=key,
            # `spend` compares the counter instead. The library compares it before the
            # signature, so a stranger could make a passkey suspect.
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError):
        return None
    framed = parse_client_data_json(credential.response.client_data_json).cross_origin
    return None if framed else verified


def has_handle(
    credential: AuthenticationCredential, factor: Factor, user: User | None
) -> bool:
    """Whether the assertion names the account of the passkey. It may name none only if
    the user is known by a password."""
    handle = credential.response.user_handle
    if handle is None:
        return user is not None
    return handle == factor.user_handle


def spend(factor: Factor, verified: VerifiedAuthentication) -> None:
    """Store the counter, so that an assertion that is sent several times succeeds once.
    Synchronised passkeys have no counter and stay at 0: only their challenge is used
    up. Raises InvalidCredentials, also for everything that a suspect passkey signs."""
    count = verified.new_sign_count
    row = Factor.objects.filter(pk=factor.pk, suspect_at=None)
    newer = Q(sign_count__lt=count) | (Q(sign_count=0) if count == 0 else Q())
    if row.filter(newer).update(
        sign_count=count,
        backed_up=verified.credential_backed_up,
        last_used_at=ClockTimestamp(),
    ):
        return
    # The same count means the same assertion twice, and makes no passkey suspect. Nor
    # does a lower one while its challenge may be older than the last use: then two
    # assertions may have arrived in the wrong order (WebAuthn Level 3 section 7.2).
    recently = ClockTimestamp() - timedelta(seconds=TIMEOUT)
    back = row.filter(sign_count__gt=count).exclude(last_used_at__gt=recently)
    with transaction.atomic():
        if back.update(suspect_at=ClockTimestamp()):
            record("passkey_suspect", factor.user_id)
            notify(Kind.PASSKEY_SUSPECT, factor.user)
    raise InvalidCredentials


def make_stand_in() -> bytes:
    """A key for unknown passkeys, as COSE (RFC 9053 section 7.1.1). Assertions that it
    verifies are refused, too."""
    numbers = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
    x, y = numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")
    return encode_cbor({1: 2, 3: -7, -1: 1, -2: x, -3: y})


STAND_IN = make_stand_in()
