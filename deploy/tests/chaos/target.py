"""What a run is pointed at: a stack of this checkout, or a deployment by its URL."""

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from deploy.tests.chaos.proxied_stack import ProxiedStack
from deploy.tests.chaos.stack import ChaosStack
from deploy.tests.stack import ROOT

# Does it to the account with this e-mail address; False where that is not known.
Act = Callable[[str], bool]
ROW = (
    "SELECT revoked_at, revoked_reason, rotated_at, user_epoch FROM tokens_session"
    " WHERE id = %s"
)


@dataclass(frozen=True)
class Target:
    """`auth_url` and `service_key` are another service's, which asks auth directly;
    `operator` has the acts `deactivate` and `activate`. Both may be missing.
    `evidence` is what the database says of a session."""

    url: str
    auth_url: str = ""
    service_key: Callable[[], str] = str
    operator: dict[str, Act] = field(default_factory=dict)
    evidence: Callable[[str], str] = lambda _sid: ""

    @property
    def verifies(self) -> bool:
        return bool(self.auth_url)


def target_of(proxied: ProxiedStack) -> Target:
    """The stack, by its links."""
    stack = proxied.stack
    acts = {"deactivate": "deactivateuser", "activate": "activateuser"}
    operator = {act: command(stack, name) for act, name in acts.items()}
    key = lambda: stack.api_key("auth")  # noqa: E731
    return Target(
        proxied.url, stack.auth_url, key, operator, lambda sid: row_of(stack, sid)
    )


def command(stack: ChaosStack, name: str) -> Act:
    """A command of manage.py, as an operator calls it."""
    words = ["./manage_all.sh", "users", name]
    return lambda email: succeeds([*words, email], MEMO_STACK=stack.stack)


def row_of(stack: ChaosStack, sid: str) -> str:
    return f"its row: {stack.query('auth', ROW, sid)}" if sid else ""


def target_by(options: argparse.Namespace) -> Target:
    """A deployment. It says what cannot be done there without more options."""
    key_file = options.service_key_file
    key = Path(key_file).read_text(encoding="utf-8").strip() if key_file else ""
    verifies = bool(options.auth_url and key)
    operator: dict[str, Act] = {}
    if options.deactivate and options.activate:
        operator["deactivate"] = template(options.deactivate)
        operator["activate"] = template(options.activate)
    leave_out("faults, and how soon all is well again: break things yourself")
    if not verifies:
        leave_out("verify_token. It needs --auth-url and --service-key-file")
    if not operator:
        leave_out("operators. They need --deactivate and --activate")
    url, auth_url = options.url.rstrip("/"), options.auth_url.rstrip("/")
    return Target(url, auth_url if verifies else "", lambda: key, operator)


def template(words: str) -> Act:
    """A command of yours, with {} for the e-mail address."""
    parts = shlex.split(words)
    return lambda email: succeeds([part.replace("{}", email) for part in parts])


def leave_out(what: str) -> None:
    print(f"LEFT OUT: {what}.", file=sys.stderr, flush=True)


def succeeds(words: list[str], **more: str) -> bool:
    env = {**os.environ, **more}
    done = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, check=False)
    return done.returncode == 0
