"""Users who all use the system at once, at a steady rate, and what they were answered.

Each user is a thread with a connection that stays open, and does one thing at a time.
Nothing is tried a second time: a failure is recorded as what was answered.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Sequence

import requests

from deploy.tests.client import ApiClient, TestUser
from deploy.tests.waiting import wait_until

# One round of a user, who begins anywhere in it. A login costs a password hash, 20 ms
# of a processor, and they come evenly: two in 40 acts.
USUAL = ("me", "sessions", "verify", "refresh", "me", "verify", "me", "refresh")
ROUND = (
    *(*USUAL, *USUAL, "log_out", "log_in"),
    *(*USUAL, *USUAL, "log_in", *USUAL[:5]),
)


class Load:
    """Threads that send `rate` requests a second between them, while in the block."""

    def __init__(self, users: Sequence[TestUser], rate: float) -> None:
        self.rate = rate
        # The act, the status (0 where nothing came), and the body of what went wrong.
        self.answers: list[tuple[str, int, str]] = []
        self.ending = threading.Event()
        self.started = self.ended = 0.0
        pause = len(users) / rate
        self.threads = [
            threading.Thread(target=self._use, args=(user, n / rate, pause))
            for n, user in enumerate(users)
        ]

    def __enter__(self) -> "Load":
        self.started = time.monotonic()
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        for thread in self.threads:
            thread.join()
        self.ended = time.monotonic()

    def run_until(self, requests_made: int) -> None:
        """Wait until so many are answered. Fails where the system stands still."""
        patience = 2 * requests_made / self.rate + 50
        enough = lambda: len(self.answers) >= requests_made  # noqa: E731
        wait_until(enough, patience, "that many answers")
        assert all(thread.is_alive() for thread in self.threads), self.report()

    def failures(self) -> list[tuple[str, int, str]]:
        return [answer for answer in self.answers if answer[1] != 200]

    def achieved(self) -> float:
        """Answers in a second, from the start to the end."""
        return len(self.answers) / (self.ended - self.started)

    def report(self) -> str:
        """How many of each kind with which status, and what failed."""
        counts = Counter(answer[:2] for answer in list(self.answers))
        return "\n".join(map(str, [*counts.items(), *self.failures()[:20]]))

    def _use(self, user: TestUser, delay: float, pause: float) -> None:
        """Do one thing after the other, each when it is due. One that takes too long
        delays this user alone, whose next then come the faster."""
        due, position = self.started + delay, random.randrange(len(ROUND))
        with ApiClient(keep_alive=True) as user.http:
            while not self.ending.wait(max(0.0, due - time.monotonic())):
                self.answers.append(answer_of(user, ROUND[position % len(ROUND)]))
                position += 1
                due += pause


def answer_of(user: TestUser, act: str) -> tuple[str, int, str]:
    try:
        response = getattr(user, act)()
    except requests.RequestException as exc:
        return act, 0, f"{type(exc).__name__}: {exc}"
    status = response.status_code
    return act, status, "" if status == 200 else response.text
