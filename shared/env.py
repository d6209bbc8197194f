"""The environment of a service, read once by its settings module (12factor.net)."""

import importlib.util
import io
import logging
import os
import re
import sys
from collections import ChainMap
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import environ
from django.core.exceptions import ImproperlyConfigured
from limits import parse_many

from shared.mail_url import MailServer, parse_link, parse_mail_url, parse_sender
from shared.redis_sentinel import RedisAddress, parse_redis_url

SWITCH = {"true": True, "1": True, "yes": True, "on": True}
SWITCH |= {"false": False, "0": False, "no": False, "off": False}
Parsed = TypeVar("Parsed")
TEN_YEARS = 10 * 365 * 24 * 3600  # seconds
# A line of a `.env` file as environ reads it, and one that is meant to be such a line.
SETTING = re.compile(r"(?:export )?\w+=", re.ASCII)
MEANT = re.compile(r"\s*(?:export\s+)?\w+\s*=", re.ASCII)


def report(
    kind: type[BaseException], exc: BaseException, trace: TracebackType | None
) -> None:
    """A `sys.excepthook` that reports a faulty setting in one line, without traceback:
    a supervisor repeats the report in its log at every attempt to start."""
    if isinstance(exc, ImproperlyConfigured):
        sys.stderr.write(f"ImproperlyConfigured: {' '.join(str(exc).split())}\n")
    else:
        sys.__excepthook__(kind, exc, trace)


def project_dir() -> Path:
    """Folder of `manage.py`: the one that holds the settings package."""
    package = os.environ["DJANGO_SETTINGS_MODULE"].partition(".")[0]
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ImproperlyConfigured(f"There is no settings package named {package}.")
    return Path(spec.origin).resolve().parents[1]


def split(text: str) -> list[str]:
    """The items of a list, without the space around them."""
    return [item for each in text.split(",") if (item := each.strip())]


def read_secret(path: Path) -> str:
    """The secret in a file, without the space around it. Raises OSError, or ValueError
    if it is not UTF-8."""
    return path.read_text(encoding="utf-8-sig").strip()


def api_key_pairs(text: str) -> list[tuple[str, str]]:
    """Pairs (caller, key) from `caller=key,caller=next-key`. Raises ValueError, whose
    message omits the text because it is secret."""
    pairs = []
    for item in split(text):
        caller, separator, key = item.partition("=")
        if not (caller and separator and key):
            raise ValueError("must be a list such as caller=key,caller=key.")
        pairs.append((caller, key))
    return pairs


class Env(environ.Env):
    """`environ.Env` that also reads a secret NAME from the file NAME_FILE. A missing or
    malformed setting raises ImproperlyConfigured.

    The real environment wins over the `.env` file next to `manage.py` (or the one
    that ENV_FILE names). Relative NAME_FILE paths start at the project's folder,
    so a checkout can move. `secret_files` has the file of each secret that was read
    from one, `names` the names of all settings that were requested.

    With `collect`, a missing setting is empty and its name is added to `missing`:
    `shared.apps` refuses to start once the service's own settings are read too.
    """

    ENVIRON: Any = environ.Env.ENVIRON

    def __init__(self, base_dir: Path, *, collect: bool = False) -> None:
        super().__init__()
        self.base_dir = base_dir
        self.secret_files: dict[str, Path] = {}
        self.names: set[str] = set()
        self.missing: list[str] = []
        self.collect = collect
        env_file = Path(os.environ.get("ENV_FILE") or base_dir / ".env")
        if env_file.is_file():
            self._read_env_file(env_file)
        # The first map takes the values read from files, so os.environ never has them:
        # a child process (autoreload) inherits NAME_FILE and not the secret.
        self.ENVIRON = ChainMap({}, self.ENVIRON)

    def get_value(self, var: str, *args: Any, **kwargs: Any) -> Any:
        """Value of `var`. Raises ImproperlyConfigured if it is required and missing."""
        self.names |= {var, f"{var}_FILE"}
        if var not in self.ENVIRON and f"{var}_FILE" in self.ENVIRON:
            self.ENVIRON[var] = self._read_secret(var)
        if str(self.ENVIRON.get(var, "")).startswith("$"):
            # environ would look up a variable of that name, and print it in the error.
            raise ImproperlyConfigured(f"{var} must not begin with a dollar sign.")
        needed = kwargs.get("default") is self.NOTSET
        if self.collect and needed and var not in self.ENVIRON:
            self.missing.append(var)
            return [] if kwargs["cast"] is list else ""
        return super().get_value(var, *args, **kwargs)

    @classmethod
    def parse_value(cls, value: Any, cast: Any) -> Any:
        """As environ does, but without the space around the items of a list."""
        return split(value) if cast is list else super().parse_value(value, cast)

    def switch(self, var: str, default: bool) -> bool:
        """A boolean. A typo is refused; django-environ would read it as false."""
        text = str(self.str(var, default=str(default))).lower()
        if text not in SWITCH:
            raise ImproperlyConfigured(f"{var} must be true or false.")
        return SWITCH[text]

    def number(
        self, var: str, default: int, least: int = 0, most: int = TEN_YEARS
    ) -> int:
        """A whole number from `least` to `most`."""
        text = str(self.str(var, default=str(default)))
        if not re.fullmatch(r"-?[0-9]{1,12}", text) or not least <= int(text) <= most:
            message = f"{var} must be a whole number from {least} to {most}."
            raise ImproperlyConfigured(message)
        return int(text)

    def rate_limits(self, var: str, default: str) -> str:
        """Limits in the notation of the package `limits` (`5/15minute; 20/day`), each
        of at least one. Raises ImproperlyConfigured."""
        text: str = self.str(var, default=default)
        try:
            items = parse_many(text)
        except ValueError:
            items = []
        if items and all(
            0 < item.amount < 10**9 and item.get_expiry() <= TEN_YEARS for item in items
        ):
            return text
        message = f"{var} must be limits such as {default}."
        raise ImproperlyConfigured(message)

    def choices(self, var: str, default: list[str]) -> list[str]:
        """A list of words, each of which must be in `default`."""
        words: list[str] = self.list(var, default=default)
        if not set(words) <= set(default):
            raise ImproperlyConfigured(f"{var} may have only: {', '.join(default)}.")
        return words

    def choice(self, var: str, words: list[str], default: str) -> str:
        """One of `words`."""
        word: str = self.str(var, default=default)
        if word not in words:
            names = ", ".join(each or "empty" for each in words)
            raise ImproperlyConfigured(f"{var} must be one of: {names}.")
        return word

    def folder(self, var: str) -> Path:
        """A path relative to the project's folder; an empty one is refused."""
        path = self.str(var)
        if not path and var not in self.missing:
            raise ImproperlyConfigured(f"{var} is empty. It must name a folder.")
        return (self.base_dir / path).resolve()

    def certificates(self, var: str) -> str:
        """The path of a file of certificates, or an empty text. A wrong path would look
        like a bad certificate of a server."""
        path: str = self.str(var, default="")
        if path and not Path(path).is_file():
            raise ImproperlyConfigured(f"{var} must name a file.")
        return path

    def database(self) -> dict[str, Any]:
        """Django's DATABASES entry. DATABASE_PASSWORD wins over the URL's password.

        If MIGRATION_DATABASE_URL is set, both have that prefix and name the owner role.
        Only the migrate step and the test suites have it.
        """
        prefix = "MIGRATION_" if "MIGRATION_DATABASE_URL" in self.ENVIRON else ""
        url = self.str(f"{prefix}DATABASE_URL")
        if not url and self.missing:
            return {}
        if not url.startswith(("postgres://", "postgresql://")):
            raise ImproperlyConfigured(f"{prefix}DATABASE_URL must be postgres://...")
        try:
            database: dict[str, Any] = self.db(f"{prefix}DATABASE_URL")
        except ValueError:  # its message may have a part of the password
            message = f"{prefix}DATABASE_URL is not a valid URL."
            raise ImproperlyConfigured(message) from None
        name = f"{prefix}DATABASE_PASSWORD"
        # Not with the URL's as the default: environ would look up what follows a `$`.
        password = self.str(name, default="")
        if name in self.ENVIRON:
            database["PASSWORD"] = password
        return database

    def redis(self, var: str) -> RedisAddress:
        """The address of Redis, or an empty one if the setting is missing or empty."""
        text = self.str(var)
        return self.parsed(var, text, parse_redis_url) if text else RedisAddress("", {})

    def api_keys(self, var: str) -> list[tuple[str, str]]:
        """Pairs (caller, key)."""
        return self.parsed(var, self.str(var, default=""), api_key_pairs)

    def mail_server(self, var: str) -> MailServer | None:
        """The server that mail is sent to, or None if it is not set."""
        text = self.str(var, default="")
        return self.parsed(var, text, parse_mail_url) if text else None

    def sender(self, var: str, default: Any = environ.Env.NOTSET) -> str:
        """An e-mail address, with or without a name before it, or an empty text."""
        text: str = self.str(var, default=default)
        return self.parsed(var, text, parse_sender) if text else text

    def link(self, var: str, page: str = "") -> str:
        """A URL with `{token}` in it. Without the setting it is `page`."""
        text: str = self.str(var, default=page or self.NOTSET)
        return text if self.missing else self.parsed(var, text, parse_link)

    def parsed(self, var: str, text: str, parse: Callable[[str], Parsed]) -> Parsed:
        """The result of `parse(text)`. A ValueError becomes ImproperlyConfigured."""
        try:
            return parse(text)
        except ValueError as exc:
            raise ImproperlyConfigured(f"{var} {exc}") from None

    def _read_secret(self, var: str) -> str:
        path = self.base_dir / self.ENVIRON[f"{var}_FILE"]
        try:
            text = read_secret(path)
        except (OSError, ValueError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8"
            raise ImproperlyConfigured(
                f"{var}_FILE names a file that cannot be read: {reason}."
            ) from exc
        self.secret_files[var] = path
        return text

    def _read_env_file(self, path: Path) -> None:
        """Read settings that the environment does not have. A line that environ would
        leave out in silence is refused: it may set SECOND_FACTOR."""
        try:
            text = path.read_text(encoding="utf-8-sig")
        except OSError:
            return  # as environ does
        except UnicodeDecodeError:
            raise ImproperlyConfigured(f"{path} is not UTF-8.") from None
        for number, line in enumerate(text.splitlines(), start=1):
            if MEANT.match(line) and not SETTING.match(line):
                # Without the line, which may hold a secret.
                raise ImproperlyConfigured(
                    f"{path}, line {number}: write NAME=value without spaces."
                )
        # environ logs each line that it cannot parse, which may hold a secret.
        logging.getLogger("environ").setLevel(logging.ERROR)
        self.read_env(io.StringIO(text))
