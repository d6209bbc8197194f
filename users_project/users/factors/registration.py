"""Registering a passkey (WebAuthn Level 3 section 7.1)."""

import secrets
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ValidationError
from webauthn import generate_registration_options, verify_registration_response
from webauthn.helpers import (
    decode_credential_public_key,
    decoded_public_key_to_cryptography,
    options_to_json_dict,
    parse_cbor,
    parse_client_data_json,
    parse_registration_credential_json,
)
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    RegistrationCredential,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)
from webauthn.registration.verify_registration_response import VerifiedRegistration

from shared.auth.passkeys import TIMEOUT
from shared.db.functions import ClockTimestamp
from users.factors import changes
from users.factors.cbor import is_canonical, is_canonical_in
from users.factors.models import Challenge, Factor, Type
from users.limits.guess_limits import Client
from users.models import User

RANDOM = 32  # bytes of a challenge, and of a user handle
LONGEST_ID = 1023  # bytes
LIFETIME = timedelta(seconds=TIMEOUT)
REFUSED = {"credential": [_("It is no passkey for this request. Ask for new options.")]}
SELECTION = AuthenticatorSelectionCriteria(
    resident_key=ResidentKeyRequirement.REQUIRED,
    user_verification=UserVerificationRequirement.REQUIRED,
)


@transaction.atomic
def begin(caller: changes.Caller) -> dict[str, Any]:
    """The options, if the caller may add a factor. Raises what `changes.lock` raises,
    and FactorLimit: an authenticator would keep a passkey that is refused later."""
    user = changes.lock(caller)
    changes.require_room(user)
    return options(user)


def complete(caller: changes.Caller, factor: Factor, client: Client) -> list[str]:
    """Save the passkey from `register`. Return recovery codes if it is the first
    factor. Raises ValidationError, and what `changes.add_passkey` raises."""
    try:
        return changes.add_passkey(caller, factor, client)
    except IntegrityError as exc:  # another passkey has the same id
        raise ValidationError(REFUSED, code="invalid") from exc


def options(user: User) -> dict[str, Any]:
    """PublicKeyCredentialCreationOptionsJSON. `register` takes the browser's answer. An
    authenticator that has a passkey of the user makes no second one, unless the passkey
    is suspect."""
    passkeys = list(Factor.objects.filter(user=user, type=Type.PASSKEY))
    handle = handle_of(user, passkeys)
    challenge = secrets.token_bytes(RANDOM)
    Challenge.objects.create(
        purpose=Challenge.Purpose.REGISTER,
        user=user,
        session_epoch=user.session_epoch,
        challenge=challenge,
        user_handle=handle,
        expires_at=timezone.now() + LIFETIME,
    )
    asked = generate_registration_options(
        rp_id=settings.WEBAUTHN_RP_ID,
        rp_name=settings.WEBAUTHN_RP_ID,
        user_id=handle,
        user_name=user.email,
        user_display_name=user.display_name or user.username,
        challenge=challenge,
        timeout=TIMEOUT * 1000,
        authenticator_selection=SELECTION,
        exclude_credentials=[
            descriptor(each) for each in passkeys if each.suspect_at is None
        ],
    )
    return options_to_json_dict(asked)


def handle_of(user: User, passkeys: list[Factor]) -> bytes:
    """The handle of the user's passkeys; for the first one, that of earlier options,
    for example in another tab. They may have expired: an authenticator that has made a
    passkey for them replaces it, and keeps no dead one."""
    earlier = Challenge.objects.filter(user=user, purpose=Challenge.Purpose.REGISTER)
    found = next(iter(passkeys), None) or earlier.first()
    return bytes(found.user_handle or b"") if found else secrets.token_bytes(RANDOM)


def descriptor(passkey: Factor) -> PublicKeyCredentialDescriptor:
    transports = [AuthenticatorTransport(each) for each in passkey.transports or ()]
    return PublicKeyCredentialDescriptor(
        id=bytes(passkey.credential_id or b""), transports=transports
    )


def register(user: User, credential: dict[str, Any], name: str) -> Factor:
    """The passkey that answers `options`, not saved yet. This uses up the challenge,
    also if the answer is wrong. Raises ValidationError."""
    parsed, sent = parse(credential)
    challenge = use(user, sent)
    verified = check(parsed, bytes(challenge.challenge))
    if len(verified.credential_id) > LONGEST_ID:
        raise ValidationError(REFUSED, code="invalid")
    return Factor(
        user=user,
        type=Type.PASSKEY,
        name=name,
        # When it is saved, with the user locked. An undo compares it (`delete_since`).
        confirmed_at=ClockTimestamp(),
        credential_id=verified.credential_id,
        public_key=verified.credential_public_key,
        user_handle=challenge.user_handle,
        sign_count=verified.sign_count,
        transports=sorted({each.value for each in parsed.response.transports or ()}),
        backed_up=verified.credential_backed_up,
    )


def parse(credential: dict[str, Any]) -> tuple[RegistrationCredential, bytes]:
    """The credential, and the challenge that it claims to answer."""
    try:
        parsed = parse_registration_credential_json(credential)
        sent = parse_client_data_json(parsed.response.client_data_json)
    except Exception as exc:  # the library raises many types for malformed bytes
        raise ValidationError(REFUSED, code="invalid") from exc
    if sent.cross_origin:  # in a frame of another site
        raise ValidationError(REFUSED, code="invalid")
    return parsed, sent.challenge


def use(user: User, challenge: bytes) -> Challenge:
    """Use up the challenge: of any number of calls at once, one succeeds."""
    named = {"purpose": Challenge.Purpose.REGISTER, "user": user}
    of_user = Challenge.objects.filter(**named, challenge=challenge)
    live = of_user.filter(
        session_epoch=user.session_epoch,
        used_at=None,
        expires_at__gt=ClockTimestamp(),
    )
    if not live.update(used_at=ClockTimestamp()):
        raise ValidationError(REFUSED, code="invalid")
    return of_user.get()


def check(credential: RegistrationCredential, challenge: bytes) -> VerifiedRegistration:
    """The verified data of the credential. Raises ValidationError unless it was made
    for this challenge, on one of our pages and with the user verified, and has a key
    that can verify signatures."""
    made = credential.response.attestation_object
    try:
        if not is_canonical(made) or not is_canonical_in(parse_cbor(made)["authData"]):
            raise ValueError("no canonical CBOR")
        verified = verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=settings.WEBAUTHN_RP_ID,
            expected_origin=settings.WEBAUTHN_ORIGINS,
            require_user_verification=True,
        )
        key = decode_credential_public_key(verified.credential_public_key)
        decoded_public_key_to_cryptography(key)
    except Exception as exc:  # as above; attestations have six more parsers
        raise ValidationError(REFUSED, code="invalid") from exc
    return verified
