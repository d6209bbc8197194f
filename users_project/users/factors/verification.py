"""The check of a user's second factor, for the API, the admin and the pages."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction

from shared.api.exceptions import InvalidCredentials, SecondFactorInvalid, TokenInvalid
from shared.limits.ratelimit import Hits, RateLimitPolicy
from users.events.log import record, record_failure
from users.factors import passkeys, recovery_codes, totp
from users.limits.guess_limits import Client
from users.mail.models import Kind
from users.mail.notices import notify_from
from users.models import User

ALARMING = 5  # wrong tries in a window


@dataclass(frozen=True)
class FactorProof:
    """A TOTP code, a recovery code, or a passkey, which had to sign `challenge`."""

    totp: str = ""
    recovery_code: str = ""
    passkey: dict[str, Any] | None = None
    challenge: bytes = b""


def verify(
    user: User,
    proof: FactorProof,
    client: Client,
    epoch: int,
    sid: UUID | str | None = None,
) -> list[str]:
    """Use the factor of a user whose password was right, or who is logged in. Return
    the methods that were used, by their names in RFC 8176.

    `epoch` is the user's at that time. If sessions have ended since, for example by a
    new password, the user starts over: TokenInvalid. Raises SecondFactorInvalid,
    RateLimited. Each try is counted before it is checked. A right one is released, and
    so is a used code: a second click is no guess. Wrong ones stay counted, since an
    attacker with the password would otherwise wait for the owner to clear them. A
    session `sid` that steps up may be stolen and needs no password, so it is counted
    too: before the account, whose limit it then cannot use up.
    """
    if user.session_epoch != epoch or not user.is_present:
        raise TokenInvalid
    context: Any = {"ip": client.ip, "user_agent": client.user_agent}
    limit = RateLimitPolicy("FACTOR_LIMIT_ACCOUNT", str(user.pk))
    limits = [limit]
    if sid is not None:
        own = RateLimitPolicy("PASSWORD_LIMIT_SESSION", str(user.pk), str(sid))
        limits = [own, limit]
    with Hits(user_id=str(user.pk), **context) as hits:
        hits.require(*limits)
        amr = amr_of(user, proof, client)
        if not amr:
            hits.keep()
            record_failure(["authn_factor_fail"], user.pk, **context)
            if is_replay(user, proof):
                hits.release(*limits)
            elif is_alarming(hits, limit):
                notify_from(client, Kind.FACTOR_GUESSES, user, daily=1)
            raise SecondFactorInvalid
        hits.release(*limits)
    return amr


def is_alarming(hits: Hits, limit: RateLimitPolicy) -> bool:
    """Whether the owner must learn of the wrong tries: of every fifth in a window, too,
    as an attacker may stop before the last one of a short window."""
    fifth = any(hit.counted % ALARMING == 0 for hit in hits.spent[limit])
    return fifth or hits.is_last(limit)


def amr_of(user: User, proof: FactorProof, client: Client) -> list[str]:
    """The methods of the proof; empty if it is wrong."""
    if proof.passkey is not None:
        return by_passkey(user, proof)
    if proof.totp:
        return ["otp"] if totp.use(user.pk, proof.totp) else []
    return by_recovery_code(user, proof.recovery_code, client)


@transaction.atomic
def by_recovery_code(user: User, code: str, client: Client) -> list[str]:
    """The code is used up together with its event and its notice."""
    if not recovery_codes.use(user.pk, code):
        return []
    record("recovery_code_used", user.pk, ip=client.ip, user_agent=client.user_agent)
    notify_from(client, Kind.RECOVERY_CODE_USED, user)
    return ["otp"]


def is_replay(user: User, proof: FactorProof) -> bool:
    """Whether this is a right code that is used up. An assertion of a passkey is not: a
    second click asks the authenticator for another one."""
    if proof.passkey is not None:
        return False
    if proof.totp:
        return totp.is_used(user.pk, proof.totp)
    return recovery_codes.is_used(user.pk, proof.recovery_code)


def by_passkey(user: User, proof: FactorProof) -> list[str]:
    with suppress(InvalidCredentials):
        factor = passkeys.verify_assertion(proof.passkey or {}, proof.challenge, user)
        return list(factor.amr)
    return []
