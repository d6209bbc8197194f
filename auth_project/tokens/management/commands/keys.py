"""The rotation of signing keys: docs/operations/key-rotation.md."""

from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from shared.keys.signing_keys import RECOMMENDED_BITS, KeyFault
from tokens import key_rotation

ACTIONS: dict[str, Callable[..., str]] = {
    "list": key_rotation.list_keys,
    "stage": key_rotation.stage,
    "activate": key_rotation.activate,
    "retire": key_rotation.retire,
    "prune": key_rotation.prune,
    "revoke": key_rotation.revoke,
}
OPTIONS = ("kid", "bits", "now")
KID = "Six or more first characters of its id. `-- KID` if it begins with a hyphen."


class Command(BaseCommand):
    help = "Rotate the keys that sign tokens; see docs/operations/key-rotation.md."
    # The checks could refuse this command because of the key that it is to repair.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        parsers = {
            name: actions.add_parser(name, help=str(action.__doc__).partition(".")[0])
            for name, action in ACTIONS.items()
        }
        parsers["stage"].add_argument("--bits", type=int, default=RECOMMENDED_BITS)
        parsers["activate"].add_argument(
            "--now",
            action="store_true",
            help="Do not wait until every service has a key set with this key.",
        )
        for name in ("activate", "retire", "revoke"):
            parsers[name].add_argument("kid", help=KID)

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        words = {name: options[name] for name in OPTIONS if name in options}
        try:
            self.stdout.write(ACTIONS[action](**words))
        except KeyFault as exc:
            raise CommandError(str(exc)) from exc
        except OSError as exc:
            raise CommandError(f"{exc.filename}: {exc.strerror}.") from exc
