"""Our services, as they are measured."""

import json
import time

from .contenders import JSON, PEOPLE, Aim, Contender, bearer, credentials
from .processes import family
from .stack import PASSWORD, Stack
from .wrk import Request

MINTED = 4 * 64  # people at most whose sessions are minted


class Ours(Contender):
    """Our services, asked directly or through the gateway."""

    name = "memo"
    paths = ("me", "verify_token", "refresh", "login", "register", "jwks")

    def __init__(self, stack: Stack, *, gateway: bool = False) -> None:
        self.stack = stack
        self.gateway = gateway
        self.access = [pair["access"] for pair in stack.mint(PEOPLE)]
        self.registered = 0
        if gateway:
            self.name = "memo through Nginx"
            self.paths = ("me", "refresh", "login", "register", "jwks", "mixed")

    def start(self) -> None:
        """It runs already, and goes on."""

    stop = start

    def pids(self) -> list[int]:
        names = ["auth", "users"] + ["gateway"] * self.gateway
        return [pid for name in names for pid in family(self.stack.pids[name])]

    def aim(self, path: str, connections: int) -> Aim:
        service = "users" if path in ("me", "register") else "auth"
        url = self.stack.gateway if self.gateway else self.stack.url(service)
        one_use = path in ("refresh", "mixed")
        pairs = self.stack.mint(4 * connections) if one_use else []
        tokens = [pair["refresh"] for pair in pairs]
        # These hash, and hashing is bounded: beyond it clients are asked to come back.
        patient = path in ("login", "register", "mixed")
        return Aim(url, getattr(self, path)(), tokens, patient)

    def me(self) -> list[Request]:
        return [
            Request("GET", "/api/v1/users/me", headers=bearer(token))
            for token in self.access
        ]

    def verify_token(self) -> list[Request]:
        key = self.stack.secret("users_auth_service_api_key")
        headers = {**JSON, "X-Internal-Api-Key": key}
        bodies = [json.dumps({"token": token}) for token in self.access]
        path = "/api/v1/auth/verify_token"
        return [Request("POST", path, body, headers) for body in bodies]

    def refresh(self) -> list[Request]:
        cookie = {"Cookie": "refresh_token=%TOKEN%"}
        return [Request("POST", "/api/v1/auth/refresh", headers=cookie)]

    def login(self) -> list[Request]:
        # Not those whose tokens are sent: a log-in beyond the cap ends their sessions.
        people = self.stack.people(1000 + MINTED)[MINTED:]
        bodies = [credentials(person["username"]) for person in people]
        return [Request("POST", "/api/v1/auth/login", body, JSON) for body in bodies]

    def register(self) -> list[Request]:
        """More of them than a round can take: each is somebody new."""
        first, self.registered = self.registered, self.registered + 2000
        stamp = f"{time.time_ns():x}"
        names = [f"r{stamp}-{n}" for n in range(first, self.registered)]
        bodies = [
            json.dumps(
                {"username": n, "email": f"{n}@example.org", "password": PASSWORD}
            )
            for n in names
        ]
        return [Request("POST", "/api/v1/users", body, JSON) for body in bodies]

    def jwks(self) -> list[Request]:
        return [Request("GET", "/.well-known/jwks.json")]

    def mixed(self) -> list[Request]:
        """Everybody asks for their account, a refresh after every eighth, and one logs
        in: 64, 8 and 1 of 73."""
        mix, mine = [], self.me()
        for log_in in self.login()[:50]:
            for first in range(0, PEOPLE, 8):
                mix += [*mine[first : first + 8], *self.refresh()]
            mix.append(log_in)
        return mix
