"""The opponents: how each is installed, started and called."""

import json
import shutil
import sys
from dataclasses import replace
from urllib.parse import quote, urlsplit
from uuid import uuid4

import requests

from bench.checkout import PASSWORD, credentials
from bench.memo import Memo
from bench.wrk import Target

from .opponent import HERE, Opponent

USERS = [credentials(number) for number in range(16)]


class WithOurTokens(Opponent):
    """It verifies our tokens, reads our users, and gets the requests that we get."""

    paths = ("me", "verify_token")

    def env(self) -> dict[str, str]:
        checkout = self.ours.checkout
        settings = checkout.env("users")
        password = quote(checkout.secret("users", "REDIS_PASSWORD"), safe="")
        jwks = f"{checkout.url('auth')}/.well-known/jwks.json"
        return {
            "PYTHONPATH": str(HERE / self.name.lower()),
            "JWKS": requests.get(jwks, timeout=10).text,
            "JWT_ISSUER": settings["JWT_ISSUER"],
            "REDIS_URL": settings["REDIS_URL"].replace("@", f":{password}@", 1),
            "DATABASE_URL": self.database("users"),
            "SELECT_USER": (HERE / "select_user.sql").read_text(),
        }

    def target(self, path: str, connections: int) -> Target:
        same = self.ours.target(path, connections)
        return replace(same, url=f"{self.base}{urlsplit(same.url).path}")


class Floor(WithOurTokens):
    """The least that Python can do for the same answer."""

    name, port = "floor", 9601
    application = "application"


class FastAPI(WithOurTokens):
    """FastAPI under uvicorn with uvloop, two processes."""

    name, port = "FastAPI", 9602

    def prepare(self) -> None:
        venv, pins = self.folder / "venv", HERE / "fastapi" / "requirements.txt"
        self.python = venv / "bin" / "python"
        if not self.python.exists():
            self.run(sys.executable, "-m", "venv", venv)
        self.run(self.python, "-m", "pip", "install", "--requirement", pins)

    def command(self) -> list[str]:
        words = [str(self.python), "-m", "uvicorn", "application:application"]
        return [*words, "--port", str(self.port), "--workers", "2", "--no-access-log"]


class Stock(Opponent):
    """Django, DRF and simplejwt with its own views, rotation and blacklist."""

    name, port = "stock", 9603
    paths = ("me", "verify_token", "refresh", "login")
    application = "django.core.wsgi:get_wsgi_application()"

    def prepare(self) -> None:
        if not (self.folder / "project").exists():
            rsa = ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072")
            self.run("openssl", "genpkey", *rsa, "-out", "key.pem")
            self.run(
                "openssl", "pkey", "-in", "key.pem", "-pubout", "-out", "public.pem"
            )
            self.run(sys.executable, "-m", "django", "startproject", "project", ".")
        self.run(sys.executable, HERE / "stock" / "prepare.py")

    def env(self) -> dict[str, str]:
        return {
            "PYTHONPATH": f"{HERE / 'stock'}:{self.folder}",
            "DJANGO_SETTINGS_MODULE": "settings",
            "DATABASE_URL": self.database("stock"),
            "KEYS": str(self.folder),
            "USERS": json.dumps(USERS),
        }

    def start(self) -> None:
        super().start()
        self.access = [self.log_in(user)["access"] for user in USERS]

    def log_in(self, user: dict[str, str]) -> dict[str, str]:
        """New tokens of a user: {access, refresh}."""
        url = f"{self.base}/api/token/"
        return dict(requests.post(url, json=user, timeout=10).json())

    def target(self, path: str, connections: int) -> Target:
        url = f"{self.base}/api/token/"
        if path == "me":
            headers = [{"Authorization": f"Bearer {token}"} for token in self.access]
            return Target("GET", f"{self.base}/api/users/me/", headers)
        if path == "verify_token":
            bodies = [{"token": token} for token in self.access]
            return Target("POST", f"{url}verify/", bodies=bodies)
        if path == "login":
            return Target("POST", url, bodies=USERS)
        users = (USERS * connections)[: 2 * connections]
        tokens = [self.log_in(user)["refresh"] for user in users]
        body = {"refresh": "%TOKEN%"}
        return Target("POST", f"{url}refresh/", bodies=[body], tokens=tokens)


class BetterAuth(Opponent):
    """better-auth on Node, two processes: its session check, its sign-in by email."""

    name, port = "better-auth", 9604
    paths = ("me", "login")

    def prepare(self) -> None:
        shutil.copytree(HERE / "better_auth", self.folder, dirs_exist_ok=True)
        if not (self.folder / "node_modules").exists():
            quiet = ("--no-audit", "--no-fund", "--ignore-scripts")
            self.run("npm", "ci", *quiet, "--cache", self.folder / "cache")

    def command(self) -> list[str]:
        return ["node", "server.mjs"]

    def env(self) -> dict[str, str]:
        return {
            "PORT": str(self.port),
            "NODE_ENV": "production",
            "BETTER_AUTH_SECRET": "only for the bench, but as long as one should be",
            "DATABASE_URL": self.database("better_auth"),
        }

    def start(self) -> None:
        super().start()
        self.accounts = [
            {"name": "Ada", "email": f"{uuid4()}@example.org", "password": PASSWORD}
            for _ in USERS
        ]
        self.origin = {"Origin": self.base}
        self.cookies = [self.sign_up(account) for account in self.accounts]

    def sign_up(self, account: dict[str, str]) -> str:
        """The cookie of a new session."""
        url = f"{self.base}/api/auth/sign-up/email"
        answer = requests.post(url, json=account, headers=self.origin, timeout=10)
        answer.raise_for_status()
        return "; ".join(f"{name}={value}" for name, value in answer.cookies.items())

    def target(self, path: str, connections: int) -> Target:
        if path == "me":
            headers = [{"Cookie": cookie} for cookie in self.cookies]
            return Target("GET", f"{self.base}/api/auth/get-session", headers)
        url = f"{self.base}/api/auth/sign-in/email"
        return Target("POST", url, [self.origin], self.accounts)


Contender = Memo | Opponent
OPPONENTS = (Floor, Stock, FastAPI, BetterAuth)
