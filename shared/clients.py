"""Clients of the Auth Service and the User Service, with a typed method per route."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import lru_cache, partial
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings

from shared.api.exceptions import (
    InvalidCredentials,
    LinkInvalid,
    RateLimited,
    SecondFactorInvalid,
    TokenExpired,
    TokenInvalid,
    TokenNotYetValid,
    TokenRevoked,
    UserNotFound,
)
from shared.auth import api_keys
from shared.circuit_breaker import Bulkhead
from shared.events.pages import MOST, PAGE, EventPage, from_json
from shared.http.service_client import Key, ServiceClient


class UsersClient(ServiceClient):
    """The User Service."""

    def __init__(self, url: str, api_key: Key, threads: int = 8) -> None:
        super().__init__(url, api_key, threads)
        # Logins take half, so refreshes keep their threads. No login waits for a slot:
        # in a storm, waiting logins would take all threads.
        self.logins = Bulkhead(max(threads // 2, 1), patience=0)

    def verify(self, attempt: dict[str, Any]) -> dict[str, Any]:
        """The user {sub, email, username, roles, session_epoch, device, factors} whose
        credentials are in `attempt`, together with `client` and its `device`. `factors`
        is {methods, passkeys, required, trusted}. Raises InvalidCredentials,
        RateLimited and what `call` raises."""
        path, errors = "/api/v1/users/verify", (InvalidCredentials, RateLimited)
        with self.logins.slot():
            return self.call("POST", path, "sub", attempt, *errors)

    def get(self, user_id: UUID) -> dict[str, Any] | None:
        """The user, or None: unknown, deleted or inactive, as the service itself says.

        A 404 without our own code comes from something else that answers there, and is
        no reason to end a session.
        """
        path = f"/api/v1/users/{user_id}"
        try:
            return self.call("GET", path, "id", None, UserNotFound)
        except UserNotFound:
            return None

    def factors(self, user_id: UUID) -> dict[str, Any]:
        """The factors for a step-up of this user: {methods, passkeys, required,
        has_password}. Raises UserNotFound and what `call` raises."""
        path = f"/api/v1/users/{user_id}/factors"
        return self.call("GET", path, "methods", None, UserNotFound)

    def verify_factor(self, user_id: UUID, proof: dict[str, Any]) -> dict[str, Any]:
        """Verify one factor or the password of this user, at the `epoch` in `proof`.
        Return the user as `verify` does, with `amr`. Raises SecondFactorInvalid,
        InvalidCredentials (wrong password), TokenInvalid (another epoch), RateLimited
        and what `call` raises: then the factor may have been used up."""
        path = f"/api/v1/users/{user_id}/factors/verify"
        errors = (SecondFactorInvalid, InvalidCredentials, TokenInvalid, RateLimited)
        with self.logins.slot():
            return self.call("POST", path, "amr", proof, *errors)

    def verify_passkey(self, proof: dict[str, Any]) -> dict[str, Any]:
        """The user as in `verify_factor`, whose passkey has signed the `challenge` in
        `proof`. Raises InvalidCredentials, RateLimited and what `call` raises."""
        path = "/api/v1/users/passkeys/verify"
        errors = (InvalidCredentials, RateLimited)
        with self.logins.slot():
            return self.call("POST", path, "amr", proof, *errors)

    def prove_enrolment(self, user_id: UUID, proof: dict[str, Any]) -> bool:
        """Whether `proof` is more than the password: a `device` of the account, or the
        `token` of a link, which is then used up. If not, the User Service mails such a
        link to the user. Raises LinkInvalid, TokenInvalid (another epoch), RateLimited
        and what `call` raises."""
        path = f"/api/v1/users/{user_id}/factors/enrol"
        errors = (LinkInvalid, TokenInvalid, RateLimited)
        return bool(self.call("POST", path, "proved", proof, *errors)["proved"])

    def lookup(self, identifier: str) -> list[UUID]:
        """The ids of users, also deactivated or deleted, with this e-mail address,
        username or id: two if a username is another's id. Raises what `call` raises."""
        path, body = "/api/v1/users/lookup", {"identifier": identifier}
        return [UUID(each) for each in self.call("POST", path, "ids", body)["ids"]]

    def end_sessions(
        self, user_id: UUID, keep_sid: UUID | None = None
    ) -> dict[str, Any]:
        """Raise the user's session_epoch. Return {session_epoch, kept_from}. Sessions
        below it are dead, but `keep_sid` if its own epoch is at least `kept_from`.

        The User Service pushes nothing: the caller ends the sessions. Without an answer
        the epoch may have been raised. Raises UserNotFound and what `call` raises.
        """
        path = f"/api/v1/users/{user_id}/end_sessions"
        body = {} if keep_sid is None else {"keep_sid": str(keep_sid)}
        return self.call("POST", path, "session_epoch", body, UserNotFound)


class AuthClient(ServiceClient):
    """The Auth Service."""

    TOKEN_ERRORS = (TokenExpired, TokenInvalid, TokenNotYetValid, TokenRevoked)

    def verify_token(self, token: str) -> dict[str, Any]:
        """Claims of a live access token. Raises TOKEN_ERRORS and what `call` raises."""
        path, body = "/api/v1/auth/verify_token", {"token": token}
        return self.call("POST", path, "valid", body, *self.TOKEN_ERRORS)

    def revoke_sessions(
        self,
        user_ids: Iterable[UUID],
        epoch: int,
        reason: str,
        keep_sid: UUID | None = None,
        keep_from: int | None = None,
    ) -> int:
        """End the sessions below `epoch` of up to 5,000 users, but `keep_sid` if its
        own epoch is at least `keep_from`. Return the number of sessions ended. Needs no
        slot: other calls, even of the user whose sessions end, must not delay it."""
        path, ids = "/api/v1/auth/sessions/revoke", [str(each) for each in user_ids]
        body = {"user_ids": ids, "epoch": epoch, "reason": reason}
        if keep_sid is not None:
            body |= {"keep_sid": str(keep_sid), "keep_from": keep_from}
        revoked: int = self.exchange("POST", path, "revoked", body)["revoked"]
        return revoked

    def sessions(self, user_id: UUID) -> list[dict[str, Any]]:
        """A user's live sessions, the last used first: {id, device, ip, created_at,
        last_used_at, expires_at}, the times as datetimes."""
        path = f"/api/v1/auth/users/{user_id}/sessions"
        listed = self.call("GET", path, "sessions")["sessions"]
        times = ("created_at", "last_used_at", "expires_at")
        return [
            each | {name: datetime.fromisoformat(each[name]) for name in times}
            for each in listed
        ]

    def events(
        self,
        user_id: UUID,
        before: datetime | None = None,
        event: str = "",
        size: int = PAGE,
    ) -> EventPage:
        """A page of the newest events of a user's sessions, before a time if given."""
        query = {"before": before.isoformat()} if before else {}
        asked = urlencode({**query, "event": event, "size": size})
        path = f"/api/v1/auth/users/{user_id}/events?{asked}"
        answer = self.call("GET", path, "events")
        return from_json(answer["events"], answer["next"])

    def all_events(self, user_id: UUID) -> Iterator[dict[str, Any]]:
        """All events of a user's sessions, the newest first, by as many calls as it
        takes."""
        page = self.events(user_id, size=MOST)
        yield from page.events
        while page.next:
            page = self.events(user_id, page.next, size=MOST)
            yield from page.events

    def stored_sessions(self, user_id: UUID) -> Iterator[dict[str, Any]]:
        """All sessions that the Auth Service keeps of a user, by as many calls as it
        takes."""
        path, after = f"/api/v1/auth/users/{user_id}/stored_sessions", ""
        while after is not None:
            query = urlencode({"after": after} if after else {})
            answer = self.call("GET", f"{path}?{query}", "sessions")
            yield from answer["sessions"]
            after = answer["next"]

    def erase(self, user_id: UUID) -> None:
        """Delete a user's personal data in the Auth Service. It can be repeated."""
        self.call("POST", f"/api/v1/auth/users/{user_id}/erase", "erased", {})

    def revoke_session(self, user_id: UUID, sid: UUID) -> bool:
        """End one session of a user, for an operator. False if the user has no such
        live session. Without an answer the session may have ended."""
        path = f"/api/v1/auth/users/{user_id}/sessions/{sid}/revoke"
        return bool(self.call("POST", path, "revoked", {})["revoked"])


@lru_cache
def auth_client() -> AuthClient:
    """This process's client of the Auth Service."""
    key = partial(api_keys.presented, "AUTH_SERVICE_API_KEY")
    return AuthClient(settings.AUTH_SERVICE_URL, key, settings.WEB_THREADS)


@lru_cache
def users_client() -> UsersClient:
    """This process's client of the User Service."""
    key = partial(api_keys.presented, "USERS_SERVICE_API_KEY")
    return UsersClient(settings.USERS_SERVICE_URL, key, settings.WEB_THREADS)
