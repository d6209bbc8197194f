"""Our own stack, as the bench sees it: addresses, secrets, processes, people."""

import json
import os
import subprocess
import sys
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg
from argon2 import PasswordHasher

from .processes import family

ROOT = Path(__file__).resolve().parents[1]
PASSWORD = "correct horse battery staple"  # noqa: S105 - of people who do not exist

SEED = """
INSERT INTO users_user (
    id, email, email_canonical, username, username_canonical, first_name, last_name,
    display_name, avatar_url, password, is_superuser, is_active, is_staff,
    session_epoch, created_at, updated_at
)
SELECT gen_random_uuid(), name || '@example.org', name || '@example.org', name, name,
       '', '', '', '', %(password)s, false, true, false,
       0, now(), now()
FROM (
    SELECT 'bench' || n AS name
    FROM generate_series(%(first)s::int, %(last)s::int) AS n
) AS names
"""


class Stack:
    """The stack that `./manage_all.sh bench` has started."""

    def __init__(self) -> None:
        self.state = Path(os.environ["BENCH_STATE"])
        self.folder = self.state / "bench"
        self.folder.mkdir(exist_ok=True)

    def env(self, service: str) -> dict[str, str]:
        lines = (self.state / "env" / f"{service}.env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def secret(self, name: str) -> str:
        return (self.state / "secrets" / name).read_text().strip()

    @property
    def public_keys(self) -> Path:
        return self.state / "secrets" / "keys" / "public"

    @property
    def private_key(self) -> Path:
        [path] = (self.state / "secrets" / "keys" / "private").glob("*.pem")
        return path

    def status(self) -> dict[str, Any]:
        command = ["./manage_all.sh", "status", "--json"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    @cached_property
    def pids(self) -> dict[str, int]:
        processes = self.status()["processes"]
        return {name: process["pid"] for name, process in processes.items()}

    def stores(self) -> list[int]:
        """The processes of both databases and of Redis."""
        names = ("auth-db", "users-db", "redis")
        return [pid for name in names for pid in family(self.pids[name])]

    @cached_property
    def gateway(self) -> str:
        url: str = self.status()["url"]
        return url

    def url(self, service: str) -> str:
        """A service itself, without the gateway."""
        return f"http://{self.env(service)['BIND']}"

    def socket(self, service: str) -> Path:
        return self.state / "sock" / f"{service}-db"

    def database(self, service: str, name: str = "") -> "psycopg.Connection[Any]":
        """As the administrator, whom the socket knows by the user we run as."""
        return psycopg.connect(
            host=str(self.socket(service)),
            dbname=name or service,
            user="memo_admin",
            autocommit=True,
        )

    def seed(self, count: int) -> None:
        """As many people as this; all have one password, hashed at our costs."""
        hashed = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
        with self.database("users") as connection:
            found = connection.execute("SELECT count(*) FROM users_user").fetchone()
            assert found is not None
            parameters = {
                "password": f"argon2{hashed.hash(PASSWORD)}",
                "first": found[0] + 1,
                "last": count,
            }
            connection.execute(SEED, parameters)
            connection.execute("VACUUM ANALYZE users_user")

    def people(self, count: int) -> list[dict[str, Any]]:
        """Some of them, spread over the whole table."""
        query = """
            SELECT id::text AS sub, email, username, session_epoch FROM users_user
            ORDER BY md5(id::text) LIMIT %s
        """
        with self.database("users") as connection:
            cursor = connection.execute(query, [count])
            assert cursor.description is not None
            names = [column.name for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    def mint(self, count: int) -> list[dict[str, str]]:
        """Log-ins of `count` people, by the Auth Service's own code: {access, refresh}.

        Over HTTP each would cost a hash, which is not what is measured with them.
        """
        done = subprocess.run(
            [sys.executable, str(ROOT / "bench" / "mint.py")],
            cwd=ROOT / "auth_project",
            env={
                **os.environ,
                "ENV_FILE": str(self.state / "env" / "auth.env"),
                "PYTHONPATH": str(ROOT / "auth_project"),
            },
            input=json.dumps(self.people(count)),
            stdout=subprocess.PIPE,
            encoding="utf-8",
            check=True,
        )
        tokens: list[dict[str, str]] = json.loads(done.stdout)
        return tokens
