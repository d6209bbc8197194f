"""A checkout of this project and its stack `bench`: addresses, secrets, users, logins.

It relies on what every version has: `manage_all.sh`, the `.env` files and the API. So
this checkout can be compared with an older one.
"""

import os
import re
import socket
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
import psycopg
import requests

STACK = "bench"
PASSWORD = "correct horse battery staple"  # noqa: S105 - of users that are made up
HERE = Path(__file__).parent
SETTINGS = tomllib.loads((HERE / "settings.toml").read_text())
COPY_USER = (HERE / "copy_user.sql").read_text()


def credentials(number: int) -> dict[str, str]:
    """The username and password of a user of the bench."""
    return {"username": f"bench{number}", "password": PASSWORD}


def free_port() -> int:
    """A port that is free now. Another checkout may use the one in the `.env` file."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Checkout:
    """The checkout in a folder. Its stack `bench` is apart from the one you use."""

    def __init__(self, root: Path) -> None:
        self.root = root
        names = ("GATEWAY_PORT", "AUTH_PORT", "USERS_PORT")
        self.ports = {name: str(free_port()) for name in names}
        self.secrets = root / ".run" / "stacks" / STACK / "secrets"

    def manage(self, command: str) -> None:
        """`./manage_all.sh <command>` for the stack; what it prints goes to stderr."""
        env = {**os.environ, **self.ports, "MEMO_STACK": STACK}
        words = ["./manage_all.sh", command]
        subprocess.run(words, cwd=self.root, env=env, stdout=sys.stderr, check=True)

    def up(self) -> None:
        """Start the stack with the settings of `settings.toml`."""
        self.manage("init")
        for name, wanted in SETTINGS.items():
            with self._env_file(name).open("a") as file:
                for key in wanted.keys() - self.env(name).keys():
                    file.write(f"{key}={wanted[key]}\n")
        self.manage("up")

    def _env_file(self, name: str) -> Path:
        return self.root / ".run" / "stacks" / STACK / "env" / f"{name}.env"

    def env(self, name: str) -> dict[str, str]:
        """The settings in the env file of the gateway or a service."""
        lines = self._env_file(name).read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if re.match(r"\w+=", line))

    def secret(self, name: str, setting: str) -> str:
        """A secret. An env file names its file, relative to the service's folder."""
        folder = self.root / f"{name.partition('.')[0]}_project"
        return (folder / self.env(name)[f"{setting}_FILE"]).read_text().strip()

    def url(self, name: str) -> str:
        """The URL by which the other service calls this one, or that of the gateway."""
        if name == "gateway":
            return f"http://127.0.0.1:{self.env(name)['GATEWAY_PORT']}"
        other = {"auth": "users", "users": "auth"}[name]
        return self.env(other)[f"{name.upper()}_SERVICE_URL"].rstrip("/")

    def database(self, name: str) -> dict[str, Any]:
        """How the owner of a service's tables connects."""
        env = f"{name}.migrate"
        found = environ.Env.db_url_config(self.env(env)["MIGRATION_DATABASE_URL"])
        password = self.secret(env, "MIGRATION_DATABASE_PASSWORD")
        names = {"host": found["HOST"], "user": found["USER"], "dbname": found["NAME"]}
        return {**names, "password": password}

    def connect(self, name: str) -> "psycopg.Connection[Any]":
        return psycopg.connect(**self.database(name), autocommit=True)

    def store_sockets(self) -> list[str]:
        """The sockets of both databases and Redis."""
        folders = [self.database(name)["host"] for name in ("auth", "users")]
        redis = urlsplit(self.env("auth")["REDIS_URL"]).path
        return [*(f"{folder}/.s.PGSQL.5432" for folder in folders), redis]

    def seed(self, count: int) -> None:
        """Have at least this many users, `bench0` and so on. All have one password."""
        first = {**credentials(0), "email": "bench0@example.org"}
        url = f"{self.url('users')}/api/v1/users"
        answer = requests.post(url, json=first, timeout=30)
        if answer.status_code != 409:  # an earlier run registered it
            answer.raise_for_status()
        with self.connect("users") as connection:
            connection.execute(COPY_USER, {"count": count})
            # Older accounts get a mail about each new device, and all devices are new.
            connection.execute("UPDATE users_user SET created_at = now()")
            connection.execute("VACUUM ANALYZE users_user")

    def log_in(self, numbers: range) -> list[dict[str, str]]:
        """Log in each of these users; returns their new tokens: {access, refresh}."""
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(self._log_in, numbers))

    def _log_in(self, number: int) -> dict[str, str]:
        url = f"{self.url('auth')}/api/v1/auth/login"
        answer = requests.post(url, json=credentials(number), timeout=30)
        answer.raise_for_status()
        refresh = answer.cookies["refresh_token"]
        return {"access": answer.json()["access_token"], "refresh": refresh}
