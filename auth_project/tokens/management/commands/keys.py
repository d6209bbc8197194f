"""The ceremony of signing keys: docs/keys.md."""

import re
from argparse import Namespace
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from shared.keys.signing_keys import RECOMMENDED_BITS, KeyFault
from tokens import key_folders, key_rotation
from tokens.key_folders import shown

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
    help = "Rotate the keys that sign tokens; see docs/keys.md."
    # They would refuse to run for the very key that is to be mended here.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True, parser_class=KidParser)
        acts.add_parser("list", help="All keys, and what may be done with each.")
        stage = acts.add_parser("stage", help="Publish a new key; it signs nothing.")
        stage.add_argument("--bits", type=int, default=RECOMMENDED_BITS)
        activate = acts.add_parser("activate", help="Sign with a staged key.")
        activate.add_argument(
            "--now",
            action="store_true",
            help="Though others may keep a key set without it for a while.",
        )
        retire = acts.add_parser(
            "retire", help="Delete the private half of a superseded key."
        )
        acts.add_parser("prune", help="Remove public halves that are not needed.")
        revoke = acts.add_parser(
            "revoke", help="The emergency: nothing that it signed is good any more."
        )
        for act in (activate, retire, revoke):
            act.add_argument("kid", help="Its first characters will do, six or more.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, options["act"])(options)
        except (key_folders.Refused, KeyFault) as exc:
            raise CommandError(str(exc)) from exc
        except OSError as exc:
            raise CommandError(f"{exc.filename}: {exc.strerror}.") from exc

    def list(self, options: dict[str, Any]) -> None:
        folders = key_folders.read()
        for kid in sorted(folders.state.keys, key=folders.ready_at):
            self.stdout.write(f"{kid}  {self.told(folders, kid)}")

    def told(self, folders: key_folders.KeyFolders, kid: str) -> str:
        """A key's stage, and what comes next."""
        stage, since = folders.stage(kid), folders.times(kid).activated_at
        next_step = {
            "active": f"since {shown(since)}" if since else "",
            "staged": f"may be activated from {shown(folders.ready_at(kid))}",
            "superseded": "may be retired",
            "retired": f"verifies until {shown(folders.needed_until(kid))}",
            "unfinished": "goes with the next act",
        }
        return f"{stage:10}  {next_step[stage]}"

    def stage(self, options: dict[str, Any]) -> None:
        kid, ready_at = key_rotation.stage(options["bits"])
        self.stdout.write(f"{kid} is published. Activate it from {shown(ready_at)} on.")

    def activate(self, options: dict[str, Any]) -> None:
        kid = key_rotation.activate(options["kid"], options["now"])
        self.stdout.write(f"{kid} signs from now on.")

    def retire(self, options: dict[str, Any]) -> None:
        kid, needed_until = key_rotation.retire(options["kid"])
        self.stdout.write(
            f"{kid} can sign no more. It verifies until {shown(needed_until)}; "
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
            "Sessions whose refresh token it signed need a new log-in; "
            "`revokesessions --all` takes them off the lists, too."
        )
