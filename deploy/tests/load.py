"""People who use the system all at once, at a steady rate, and what they were answered.

    with Load(system, people, rate=60) as load:
        ...                      # what is to be tried under load
        load.run_until(5000)
    assert not load.failures(), load.report()

Each person is a thread of their own, with connections that stay open as a browser's
do, and does one thing at a time. Nothing is tried a second time: a failure is recorded
as what was answered.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from types import TracebackType

import requests

from deploy.tests.stack import System
from deploy.tests.users import TIMEOUT, Person

# One round of a person, in this order, from anywhere in it. A log-in costs a password
# hash, 20 ms of a processor, so there are two in 40.
ROUND = (
    *("me", "sessions", "verify", "refresh", "me", "verify", "me", "refresh") * 2,
    *("log out", "log in", "me", "verify", "me", "sessions", "refresh", "verify"),
    *("me", "sessions", "verify", "refresh", "me", "verify", "me", "refresh"),
    *("me", "sessions", "log in", "me", "verify", "refresh", "me", "me"),
)


@dataclass(frozen=True)
class Answer:
    """What came back; status 0 where nothing did. The body only of what went wrong."""

    kind: str
    status: int
    sent_at: float  # time.monotonic()
    seconds: float
    body: str = ""

    @property
    def ok(self) -> bool:
        return self.status == 200

    def __str__(self) -> str:
        return f"{self.kind}: {self.status} after {self.seconds:.3f} s: {self.body}"


class Load:
    """Threads that send `rate` requests a second between them, while in the block."""

    def __init__(self, system: System, people: Sequence[Person], rate: float) -> None:
        self.verify_url = f"{system.auth_url}/api/v1/auth/verify_token"
        self.system = system
        self.rate = rate
        self.answers: list[Answer] = []
        self.ending = threading.Event()
        self.started = self.ended = 0.0
        self.threads = [
            threading.Thread(target=self._use, args=(person, place, len(people)))
            for place, person in enumerate(people)
        ]

    def __enter__(self) -> "Load":
        self.started = time.monotonic()
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.ending.set()
        for thread in self.threads:
            thread.join()
        self.ended = time.monotonic()

    def run_until(self, requests_made: int) -> None:
        """Wait until so many have been answered. A system that stands still fails."""
        patience = time.monotonic() + 2 * requests_made / self.rate + 2 * TIMEOUT
        while len(self.answers) < requests_made:
            assert time.monotonic() < patience, f"too slow\n{self.report()}"
            assert all(thread.is_alive() for thread in self.threads), self.report()
            time.sleep(0.1)

    def failures(self) -> list[Answer]:
        return [answer for answer in list(self.answers) if not answer.ok]

    def achieved(self) -> float:
        """Answers in a second, from the start to the end (or until now)."""
        until = self.ended or time.monotonic()
        return len(self.answers) / (until - self.started)

    def report(self) -> str:
        """How many of each kind with which status, how long they took, what failed."""
        answers = list(self.answers)
        lines = [f"{len(answers)} answers, {self.achieved():.1f} a second"]
        for (kind, status), count in sorted(counts(answers).items()):
            times = sorted(
                a.seconds for a in answers if (a.kind, a.status) == (kind, status)
            )
            p50, p99 = (1000 * times[int(len(times) * p)] for p in (0.5, 0.99))
            lines.append(
                f"  {kind:<8} {status:>3} {count:>6}  p50 {p50:.0f} p99 {p99:.0f} ms"
            )
        return "\n".join([*lines, *map(str, self.failures()[:20])])

    # ---- One person -----------------------------------------------------------------

    def _use(self, person: Person, place: int, people: int) -> None:
        """Do one thing after the other, each when it is due. One that took too long
        delays this person's next, which then come the faster, and nobody else's."""
        position = random.randrange(len(ROUND))
        with connections() as http:
            person.http = http
            due = self.started + place / self.rate
            while not self.ending.wait(max(0.0, due - time.monotonic())):
                self._do(person, ROUND[position % len(ROUND)])
                position += 1
                due += people / self.rate
            person.http = requests

    def _do(self, person: Person, kind: str) -> None:
        acts: dict[str, Callable[[], requests.Response]] = {
            "me": person.me,
            "sessions": person.sessions,
            "refresh": person.refresh,
            "log out": person.log_out,
            "log in": person.log_in,
            "verify": lambda: self._verify(person),
        }
        begun = time.monotonic()
        try:
            response = acts[kind]()
            status, body = response.status_code, response.text
        except requests.RequestException as exc:
            status, body = 0, f"{type(exc).__name__}: {exc}"
        seconds = time.monotonic() - begun
        told = "" if status == 200 else body
        self.answers.append(Answer(kind, status, begun, seconds, told))

    def _verify(self, person: Person) -> requests.Response:
        """As the User Service asks: directly, with the key it presents just now."""
        key = self.system.secret("users_auth_service_api_key")
        response: requests.Response = person.http.post(
            self.verify_url,
            json={"token": person.access},
            headers={"X-Internal-Api-Key": key},
            timeout=TIMEOUT,
        )
        return response


def counts(answers: Sequence[Answer]) -> Counter[tuple[str, int]]:
    return Counter((answer.kind, answer.status) for answer in answers)


def connections() -> requests.Session:
    """Connections that stay open. Cookies are carried by hand, by Person."""
    session = requests.Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session
