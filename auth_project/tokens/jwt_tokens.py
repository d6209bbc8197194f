"""Our tokens: simplejwt's classes with our own keys, `kid`, `typ` and verification.

The only module that uses simplejwt. Its backend cannot write a header, and its
verification takes one type of token for another.
"""

import json
import time
import uuid
from datetime import timedelta
from typing import Any, Self

from django.conf import settings
from rest_framework_simplejwt import tokens as simplejwt
from rest_framework_simplejwt.backends import TokenBackend

from shared.api.exceptions import TokenRevoked
from shared.auth import enrolment, session_state
from shared.auth.access_tokens import MAX_LENGTH, TYPES, audience, decode, jws
from shared.keys import keyring, signing_keys
from shared.structured_logging import audit
from tokens.models import PendingLogin, Session
from tokens.revocation import end_session


class Backend(TokenBackend):
    """Signs with the current key, named in the header (RFC 7515 section 4.1.4)."""

    def __init__(self, token_type: str, *, verify_times: bool = True) -> None:
        super().__init__(signing_keys.ALGORITHM)
        self.token_type = token_type
        self.verify_times = verify_times

    def encode(self, payload: dict[str, Any]) -> str:
        signer = keyring.signing_key()
        # Ours come last, so that no claim in `payload` replaces them.
        claims = {
            **payload,
            "iss": settings.JWT_ISSUER,
            "aud": audience(self.token_type),
            "token_type": self.token_type,
        }
        headers = {"kid": signer.kid, "typ": TYPES[self.token_type]}
        # In UTF-8: escaped, a Cyrillic letter would take three times the room.
        text = json.dumps(claims, ensure_ascii=False, separators=(",", ":"))
        return jws.encode(text.encode(), signer.key, signing_keys.ALGORITHM, headers)

    def decode(self, token: Any, verify: bool = True) -> dict[str, Any]:
        # `verify` is ignored: False would mean "trust anything".
        return decode(str(token), self.token_type, verify_times=self.verify_times)


class AccessToken(simplejwt.AccessToken):
    """The token for resource services (RFC 9068)."""

    _token_backend = Backend("access")

    text: str  # the signed token; `issue` signs it once

    @classmethod
    def issue(cls, session: Session, user: dict[str, Any], issued_at: int) -> Self:
        """A token for `user` in `session`. It expires with the session at the latest.

        `issued_at` is a NumericDate taken before the User Service was asked: any change
        of the user that the token misses is later than its `iat`.
        """
        token = cls()
        named = settings.ACCESS_TOKEN_CLAIMS
        token.payload = {name: user[name] for name in named if name in user}
        token.payload |= {
            # RFC 9068 section 2.2. All logins come from one first-party client.
            "client_id": "memo",
            "sub": str(session.user_id),
            "sid": str(session.id),
            "jti": str(uuid.uuid4()),
            "epoch": session.user_epoch,
            # How, and when last, the user was authenticated (RFC 9068 section 2.2.1).
            "acr": session.acr,
            "amr": session.amr.split(),
            "auth_time": int((session.stepped_up_at or session.created_at).timestamp()),
            "iat": issued_at,
            "exp": min(
                issued_at + settings.ACCESS_TOKEN_LIFETIME,
                int(session.expires_at.timestamp()),
            ),
        }
        token.text = str(token)
        if len(token.text) > MAX_LENGTH and token.payload.pop("roles", None):
            # No service would take it. Without roles it is short enough.
            audit("token_roles_omitted", user_id=session.user_id, sid=session.id)
            token.payload["roles_omitted"] = True
            token.text = str(token)
        return token


class RefreshToken(simplejwt.RefreshToken):
    """The token that continues a session. Its text depends only on the row, so the
    current token can be given again without being stored."""

    _token_backend = Backend("refresh")
    access_token_class = AccessToken

    @classmethod
    def parse(cls, text: str) -> Self:
        """The token in `text`. Raises TokenError. Makes no call: `check_blacklist` asks
        Redis whether the session has ended."""
        return cls(text)  # type: ignore[arg-type] # the stubs do not allow text

    @classmethod
    def current(cls, session: Session) -> Self:
        """The refresh token that `session` has now."""
        token = cls()
        token.payload = {
            "sub": str(session.user_id),
            "sid": str(session.id),
            "jti": str(session.jti),
            "iat": int((session.rotated_at or session.created_at).timestamp()),
            "exp": int(session.expires_at.timestamp()),
        }
        return token

    def verify(self) -> None:
        """Nothing to do: the backend has checked everything."""

    def check_blacklist(self) -> None:
        """Raise TokenRevoked if Redis knows that the session has ended.

        Only a short cut: PostgreSQL decides when the token is used.
        """
        if session_state.is_active(self["sid"]) is False:
            raise TokenRevoked

    def blacklist(  # type: ignore[override]
        self, reason: str = "blacklisted", *deeds: str
    ) -> None:
        """End the session of this token: its row first, then its key in Redis. The
        events `deeds` are recorded too."""
        end_session(self["sid"], reason, *deeds)


class SpentRefreshToken(RefreshToken):
    """Any refresh token that we signed, even a superseded, revoked or expired one. It
    can end its session and do nothing else (RFC 7009 section 2.1)."""

    _token_backend = Backend("refresh", verify_times=False)


class EnrolToken(simplejwt.Token):
    """The token with which a user without a second factor may add the first one, and do
    nothing else. `sid` is the pending login: there is no session."""

    _token_backend = Backend("enrol")
    token_type = "enrol"  # noqa: S105 (no password)
    lifetime = timedelta(seconds=enrolment.LIFETIME)

    @classmethod
    def issue(cls, login: PendingLogin) -> Self:
        token = cls()
        now = int(time.time())
        token.payload = {
            "sub": str(login.user_id),
            "sid": str(login.id),
            "jti": str(uuid.uuid4()),
            "epoch": login.user_epoch,
            "iat": now,
            "exp": now + enrolment.LIFETIME,
        }
        return token
