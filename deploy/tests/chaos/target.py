"""What the people talk to: a gateway, and what they were given beside it."""

from collections.abc import Callable
from dataclasses import dataclass, field

# Does it to the account with this e-mail address; False where that is not known.
Act = Callable[[str], bool]


@dataclass(frozen=True)
class Target:
    """`auth_url` and `service_key` are another service's, which asks auth directly;
    `operator` has the acts `deactivate` and `activate`. Both may be missing.
    `evidence` is what its database says of a session."""

    url: str
    auth_url: str = ""
    service_key: Callable[[], str] = str
    operator: dict[str, Act] = field(default_factory=dict)
    evidence: Callable[[str], str] = lambda _sid: ""

    @property
    def verifies(self) -> bool:
        return bool(self.auth_url)
