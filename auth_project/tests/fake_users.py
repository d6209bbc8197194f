"""The User Service's double."""

import uuid
from typing import Any

from shared.api.exceptions import (
    DependencyUnavailable,
    InvalidCredentials,
    LinkInvalid,
    SecondFactorInvalid,
    TokenInvalid,
    UserNotFound,
)

PASSWORD = "correct horse battery staple"


class FakeUsers:
    """Stands in for the User Service, one user known to it."""

    def __init__(self):
        self.user: dict[str, Any] = {
            "id": str(uuid.uuid4()),
            "email": "ada@example.org",
            "email_verified": False,
            "username": "ada",
            "roles": ["editor"],
            "session_epoch": 0,
            "kept_sid": None,
            "kept_from": None,
        }
        self.gone = False
        self.down = False
        self.others: list[uuid.UUID] = []  # of the same name
        self.calls = 0
        self.attempts: list[dict[str, Any]] = []
        # The factors of the user, and what is good for one use.
        self.methods: list[str] = []
        self.passkeys: list[dict[str, Any]] = []
        self.required, self.trusted, self.device = False, False, "d:1:s"
        self.codes = {"123456", "654321"}
        self.proofs: list[dict[str, Any]] = []

    def verify(self, credentials):
        self.answer()
        self.attempts.append(credentials)
        known = {self.user["email"], self.user["username"]}
        login = credentials.get("email", credentials.get("username"))
        if login not in known or credentials["password"] != PASSWORD or self.gone:
            raise InvalidCredentials
        factors = {"methods": self.methods, "passkeys": self.passkeys}
        factors |= {"required": self.required, "trusted": self.trusted}
        return self.verified(factors=factors)

    def get(self, user_id):
        self.answer()
        known = not self.gone and str(user_id) == self.user["id"]
        return self.user | {"second_factor_required": self.required} if known else None

    def factors(self, user_id):
        if self.get(user_id) is None:
            raise UserNotFound
        named = {"methods": self.methods, "passkeys": self.passkeys}
        return {**named, "required": self.required, "has_password": True}

    def verify_factor(self, user_id, proof):
        """A TOTP code is good once; a passkey's answer, if it has signed the challenge;
        the password of a user without factors."""
        self.prove(user_id, proof)
        if "password" in proof:
            if self.methods or proof["password"] != PASSWORD:
                raise InvalidCredentials
            amr = ["pwd"]
        elif "passkey" in proof:
            if proof["passkey"].get("signed") != proof["challenge"]:
                raise SecondFactorInvalid
            amr = ["hwk", "user"]
        else:
            try:
                self.codes.remove(proof.get("totp"))
            except KeyError as exc:
                raise SecondFactorInvalid from exc
            amr = ["otp"]
        return self.verified(amr=amr)

    def verify_passkey(self, proof):
        """Of the one user, if it has signed the challenge."""
        self.answer()
        self.proofs.append(proof)
        if self.gone or proof["credential"].get("signed") != proof["challenge"]:
            raise InvalidCredentials
        return self.verified(amr=["hwk", "user"])

    def prove_enrolment(self, user_id, proof):
        self.prove(user_id, proof)
        if proof.get("token", "a-link") != "a-link":
            raise LinkInvalid
        return "token" in proof or proof["device"] == self.device

    def prove(self, user_id, proof):
        self.proofs.append(proof)
        epoch = self.user["session_epoch"]
        if self.get(user_id) is None or proof["epoch"] != epoch:
            raise TokenInvalid

    def lookup(self, identifier):
        self.answer()
        names = {self.user[name] for name in ("id", "email", "username")}
        ids = [uuid.UUID(self.user["id"])] if identifier in names else []
        return ids + self.others

    def end_sessions(self, user_id, keep_sid=None):
        if self.get(user_id) is None:
            raise UserNotFound
        return self.raise_epoch(keep_sid)

    def raise_epoch(self, keep_sid=None):
        """As the User Service does: `kept_from` stays for the same session."""
        user, keep = self.user, keep_sid and str(keep_sid)
        if keep is None:
            user["kept_from"] = None
        elif keep != user["kept_sid"]:
            user["kept_from"] = user["session_epoch"]
        user["kept_sid"], user["session_epoch"] = keep, user["session_epoch"] + 1
        return {name: user[name] for name in ("session_epoch", "kept_from")}

    def verified(self, **more):
        return {"sub": self.user["id"], "device": self.device, **self.user, **more}

    def answer(self):
        self.calls += 1
        if self.down:
            raise DependencyUnavailable
