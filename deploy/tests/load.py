"""Clients at work, each of whose answers is counted: nothing may be lost."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from deploy.local.setup.site import Reply, Site
from deploy.tests.client import LOGIN, LOGOUT, ME, PASSWORD, REFRESH, REGISTER, VERIFY

CLIENTS = 10
# Of a session. Passwords are hashed twice for each, which most of the time goes to.
REFRESHES, TIMES = 5, 14
# More would meet the bound on hashing, which is answered by 503.
HASHING = threading.Semaphore(2)


class Load:
    """Clients of a system as long as it is `running`. `key` is for auth itself."""

    def __init__(self, gateway: str, auth: str, key: str) -> None:
        self.gateway, self.auth, self.key = Site(gateway), Site(auth), key
        self.ending = threading.Event()
        self.lock = threading.Lock()
        self.sent = 0
        self.answered: Counter[str] = Counter()
        self.failed: list[str] = []

    @contextmanager
    def running(self) -> Iterator["Load"]:
        threads = [
            threading.Thread(target=self.client, args=(n,)) for n in range(CLIENTS)
        ]
        with ExitStack() as stack:
            for thread in threads:
                thread.start()
                stack.callback(thread.join)
            stack.callback(self.ending.set)
            yield self

    def client(self, number: int) -> None:
        """One account after the other."""
        count = 0
        while not self.ending.is_set():
            count += 1
            self.use_account(f"load-{number}-{count}-{time.time_ns()}")

    def use_account(self, name: str) -> None:
        user = {"username": name, "password": PASSWORD}
        with HASHING:
            body = user | {"email": f"{name}@example.org"}
            self.ask(201, "POST", REGISTER, body)
        with HASHING:
            answer = self.ask(200, "POST", LOGIN, user)
        cookie = cookie_of(answer)
        for _ in range(REFRESHES):
            self.use_token(answer.body.get("access_token", ""))
            answer = self.ask(200, "POST", REFRESH, Cookie=cookie)
            # A token that is still new stays.
            cookie = cookie_of(answer) or cookie
        self.ask(200, "POST", LOGOUT, Cookie=cookie)

    def use_token(self, token: str) -> None:
        for _ in range(TIMES):
            self.ask(200, "GET", ME, Authorization=f"Bearer {token}")
        # As another service asks: the gateway does not pass it.
        self.ask(200, "POST", VERIFY, {"token": token}, X_Internal_Api_Key=self.key)

    def ask(
        self, status: int, method: str, path: str, json_body: object = None, **more: str
    ) -> Reply:
        """One request, on a connection of its own. (Of one that was kept, a client
        cannot know whether the gateway is just closing it.)"""
        site = self.auth if path == VERIFY else self.gateway
        body = None
        if json_body:
            body, more["Content_Type"] = json.dumps(json_body), "application/json"
        with self.lock:
            self.sent += 1
        try:
            answer = site.send(method, path, body, **more)
        except Exception as exc:  # noqa: BLE001 - each is a lost request
            answer, what = Reply(0, {}, b""), repr(exc)  # type: ignore[arg-type]
        else:
            what = f"{answer.summary} {answer.content[:200]!r}"
        with self.lock:
            self.answered[f"{method} {path} {answer.status}"] += 1
            if answer.status != status:
                self.failed.append(f"{time.strftime('%X')} {method} {path}: {what}")
        return answer


def cookie_of(answer: Reply) -> str:
    lines = answer.headers.get_all("Set-Cookie", []) if answer.status else []
    pairs = [line.partition(";")[0] for line in lines]
    return next((pair for pair in pairs if "refresh_token=" in pair), "")
