"""The rotation of signing keys: docs/operations/key-rotation.md."""

import re
from argparse import Namespace
from collections.abc import Sequence
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from shared.keys import key_store
from shared.keys.key_store import KeyActionRefused, KeyStore
from shared.keys.signing_keys import RECOMMENDED_BITS, KeyFault
from tokens import key_rotation
from tokens.key_rotation import format_utc

OPTIONS = ("--now", "--bits", "--help")


class KidParser(CommandParser):
    """Takes a kid that begins with `-` for what it is, and not for an option."""

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Namespace | None = None
    ) -> tuple[Namespace, list[str]]:
        words = list(args or ())
        kids = [word for word in words if self.is_kid(word)]
        if kids and "--" not in words:
            words = [word for word in words if word not in kids] + ["--", *kids]
        return super().parse_known_args(words, namespace)

    def is_kid(self, word: str) -> bool:
        return bool(re.fullmatch("-[A-Za-z0-9_-]{5,42}", word)) and word not in OPTIONS


class Command(BaseCommand):
    help = "Rotate the keys that sign tokens; see docs/operations/key-rotation.md."
    # They would refuse to run for the very key that this command repairs.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(
            dest="action", required=True, parser_class=KidParser
        )
        actions.add_parser("list", help="List all keys and the next step of each.")
        stage = actions.add_parser("stage", help="Publish a new key; it signs nothing.")
        stage.add_argument("--bits", type=int, default=RECOMMENDED_BITS)
        activate = actions.add_parser("activate", help="Sign with a staged key.")
        activate.add_argument(
            "--now",
            action="store_true",
            help="Even if others may keep a key set without it for a while.",
        )
        retire = actions.add_parser(
            "retire", help="Delete the private half of a superseded key."
        )
        actions.add_parser("prune", help="Remove public halves that are not needed.")
        revoke = actions.add_parser(
            "revoke", help="In an emergency: refuse everything that it signed."
        )
        for action in (activate, retire, revoke):
            action.add_argument("kid", help="Its first characters, six or more.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, options["action"])(options)
        except (KeyActionRefused, KeyFault) as exc:
            raise CommandError(str(exc)) from exc
        except OSError as exc:
            raise CommandError(f"{exc.filename}: {exc.strerror}.") from exc

    def list(self, options: dict[str, Any]) -> None:
        store = key_store.load(*key_rotation.folders())
        for kid in sorted(store.keys, key=partial(key_rotation.ready_at, store)):
            self.stdout.write(f"{kid}  {self.describe(store, kid)}")

    def describe(self, store: KeyStore, kid: str) -> str:
        """A key's stage, and what comes next."""
        stage, since = store.stage(kid), store.keys[kid].activated_at
        ready = format_utc(key_rotation.ready_at(store, kid))
        until = format_utc(key_rotation.needed_until(store, kid))
        next_step = {
            "active": f"since {format_utc(since)}" if since else "",
            "staged": f"may be activated from {ready}",
            "superseded": "may be retired",
            "retired": f"verifies until {until}",
            "unfinished": "goes with the next action",
        }
        return f"{stage:10}  {next_step[stage]}"

    def stage(self, options: dict[str, Any]) -> None:
        kid, ready_at = key_rotation.stage(options["bits"])
        self.stdout.write(
            f"{kid} is published. Activate it from {format_utc(ready_at)} on."
        )

    def activate(self, options: dict[str, Any]) -> None:
        kid = key_rotation.activate(options["kid"], options["now"])
        self.stdout.write(f"{kid} signs from now on.")

    def retire(self, options: dict[str, Any]) -> None:
        kid, needed_until = key_rotation.retire(options["kid"])
        self.stdout.write(
            f"{kid} no longer signs. It verifies until {format_utc(needed_until)}; "
            "`keys prune` removes it then."
        )

    def prune(self, options: dict[str, Any]) -> None:
        self.stdout.write(f"Removed {len(key_rotation.prune())} keys.")

    def revoke(self, options: dict[str, Any]) -> None:
        kid, successor = key_rotation.revoke(options["kid"])
        self.stdout.write(f"{kid} is gone: what it signed is refused.")
        if successor:
            self.stdout.write(f"{successor} signs from now on.")
        self.stdout.write(
            "Sessions whose refresh token it signed need a new login; "
            "`revokesessions --all` removes them from the lists, too."
        )
