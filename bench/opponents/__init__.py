"""The opponents: how each is installed, started and asked. What runs is beside this."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import requests

from bench.contenders import JSON, PEOPLE, Aim, NotAvailable, Opponent, bearer
from bench.ours import Ours
from bench.stack import PASSWORD, Stack
from bench.wrk import Request

HERE = Path(__file__).parent


class OfOurTokens(Opponent):
    """One that is asked exactly what our services are asked."""

    paths = ("me", "verify_token")

    def __init__(self, stack: Stack, ours: Ours) -> None:
        super().__init__(stack)
        self.ours = ours

    def env(self) -> dict[str, str]:
        return self.our_env()

    def aim(self, path: str, connections: int) -> Aim:
        return Aim(self.url, self.ours.aim(path, connections).requests)


class Floor(OfOurTokens):
    """The least that Python can do for the same answer."""

    name, port = "floor", 9601

    def command(self) -> list[str]:
        return self.gunicorn("floor:application", HERE / "floor")


class FastAPI(OfOurTokens):
    """FastAPI under uvicorn with uvloop, two processes."""

    name, port = "fastapi", 9602

    def prepare(self) -> None:
        venv, pins = self.folder / "venv", HERE / "fastapi" / "requirements.txt"
        if not (self.folder / "ready").exists():
            self.install(sys.executable, "-m", "venv", venv)
            self.install(venv / "bin" / "python", "-m", "pip", "install", "-r", pins)
            (self.folder / "ready").touch()

    def cwd(self) -> Path:
        return HERE / "fastapi"

    def command(self) -> list[str]:
        python = str(self.folder / "venv" / "bin" / "python")
        words = [python, "-m", "uvicorn", "app:app", "--port", str(self.port)]
        return [*words, "--workers", "2", "--no-access-log"]


class Stock(Opponent):
    """Django, DRF and simplejwt with its own views, rotation and blacklist."""

    name, port = "stock", 9603
    database = "stock"  # of both of them
    paths = ("me", "verify_token", "refresh", "login")

    def prepare(self) -> None:
        self.password = self.own_database(self.database)
        self.access = [pair["access"] for pair in self.mint(PEOPLE)]

    def command(self) -> list[str]:
        return self.gunicorn("django.core.wsgi:get_wsgi_application()", HERE / "stock")

    def env(self) -> dict[str, str]:
        kid = self.stack.private_key.name
        return {
            "DJANGO_SETTINGS_MODULE": "settings",
            "STOCK_DB_HOST": str(self.stack.socket("users")),
            "STOCK_DB": self.database,
            "STOCK_DB_USER": self.database,
            "STOCK_DB_PASSWORD": self.password,
            "STOCK_PASSWORD": PASSWORD,
            "STOCK_PRIVATE_KEY": str(self.stack.private_key),
            "STOCK_PUBLIC_KEY": str(self.stack.public_keys / kid),
            "BIND": f"127.0.0.1:{self.port}",
        }

    def mint(self, count: int) -> list[dict[str, str]]:
        done = subprocess.run(
            [sys.executable, "mint.py", str(count)],
            cwd=HERE / "stock",
            env={**os.environ, **Stock.env(self)},
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        if done.returncode:
            raise NotAvailable(done.stderr[-600:])
        pairs: list[dict[str, str]] = json.loads(done.stdout)
        return pairs

    def aim(self, path: str, connections: int) -> Aim:
        if path == "refresh":
            body = '{"refresh": "%TOKEN%"}'
            request = Request("POST", "/api/token/refresh/", body, JSON)
            tokens = [pair["refresh"] for pair in self.mint(4 * connections)]
            return Aim(self.url, [request], tokens)
        return Aim(self.url, [self.request(path, token) for token in self.access])

    def request(self, path: str, token: str) -> Request:
        if path == "me":
            return Request("GET", "/api/users/me/", headers=bearer(token))
        if path == "verify_token":
            body = json.dumps({"token": token})
            return Request("POST", "/api/token/verify/", body, JSON)
        number = self.access.index(token) + 1
        body = json.dumps({"username": f"bench{number}", "password": PASSWORD})
        return Request("POST", "/api/token/", body, JSON)


class StockWithoutBlacklist(Stock):
    """Its verification then looks at signature and times, and at no database."""

    name, port = "stock without blacklist", 9604
    paths = ("verify_token",)

    def env(self) -> dict[str, str]:
        return {**super().env(), "STOCK_BLACKLIST": "no"}


class BetterAuth(Opponent):
    """better-auth on Node, two processes: its session check, its sign-in by e-mail."""

    name, port = "better-auth", 9605
    paths = ("me", "login")
    database = "better_auth"
    people = 16

    def prepare(self) -> None:
        if not (shutil.which("node") and shutil.which("npm")):
            raise NotAvailable("node and npm are not on this machine")
        for file in ("package.json", "package-lock.json", "server.mjs"):
            shutil.copy(HERE / "better_auth" / file, self.folder)
        if not (self.folder / "node_modules").exists():
            quiet = ("--no-audit", "--no-fund", "--ignore-scripts")
            self.install("npm", "ci", *quiet, "--cache", self.folder / "cache")
        self.password = self.own_database(self.database)
        self.cookies: list[str] = []

    def command(self) -> list[str]:
        return ["node", "server.mjs"]

    def env(self) -> dict[str, str]:
        host = str(self.stack.socket("users")).replace("/", "%2F")
        role = self.database
        return {
            "PORT": str(self.port),
            "NODE_ENV": "production",
            "BETTER_AUTH_SECRET": "only for the bench, but as long as one should be",
            "DATABASE_URL": f"postgres://{role}:{self.password}@{host}/{role}",
        }

    def start(self) -> None:
        super().start()
        if not self.cookies:
            self.cookies = [self.sign_up(number) for number in range(self.people)]

    def sign_up(self, number: int) -> str:
        """Somebody's session cookie."""
        body = {"name": "Ada", "email": self.email(number), "password": PASSWORD}
        url, origin = f"{self.url}/api/auth/sign-", {"Origin": self.url}
        answer = requests.post(f"{url}up/email", json=body, headers=origin, timeout=10)
        if answer.status_code != 200:
            answer = requests.post(
                f"{url}in/email", json=body, headers=origin, timeout=10
            )
        if answer.status_code != 200:
            raise NotAvailable(f"sign-up: {answer.status_code} {answer.text[:300]}")
        return "; ".join(f"{name}={v}" for name, v in answer.cookies.items())

    def email(self, number: int) -> str:
        return f"bench{number}@example.org"

    def aim(self, path: str, connections: int) -> Aim:
        if path == "me":
            target = "/api/auth/get-session"
            sent = [{"Cookie": cookie} for cookie in self.cookies]
            return Aim(self.url, [Request("GET", target, headers=h) for h in sent])
        bodies = [
            json.dumps({"email": self.email(number), "password": PASSWORD})
            for number in range(self.people)
        ]
        headers = {**JSON, "Origin": self.url}
        target = "/api/auth/sign-in/email"
        return Aim(self.url, [Request("POST", target, b, headers) for b in bodies])
