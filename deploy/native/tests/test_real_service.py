"""A third service in a scratch clone: made by one command, used, and gone again."""

import hashlib
import json
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from .checkout import Checkout, _free_ports

PASSWORD = "x7-Rz.q2!"
NOTES = "/api/v1/notes"


@dataclass
class Answer:
    status: int
    body: dict[str, Any]
    cookie: str

    @property
    def code(self) -> str:
        return str(self.body.get("code", ""))


@dataclass
class Person:
    """Somebody at the gateway of a checkout."""

    checkout: Checkout
    name: str
    token: str = ""
    cookie: str = ""

    def __call__(self, method: str, path: str, body: object = None) -> Answer:
        headers = {"Content-Type": "application/json", "Cookie": self.cookie}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.checkout.ports['GATEWAY_PORT']}{path}",
            json.dumps(body).encode() if body is not None else None,
            headers,
            method=method,
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            response = opener.open(request, timeout=20)
        except urllib.error.HTTPError as refused:
            response = refused
        with response:
            cookie = response.headers.get("Set-Cookie", "").partition(";")[0]
            return Answer(response.status, json.load(response), cookie)

    def register(self) -> None:
        person = {"username": self.name, "email": f"{self.name}@example.com"}
        answer = self("POST", "/api/v1/users/", {**person, "password": PASSWORD})
        assert answer.status == 201, answer.body

    def log_in(self) -> None:
        login = {"username": self.name, "password": PASSWORD}
        answer = self("POST", "/api/v1/auth/login", login)
        assert answer.status == 200, answer.body
        self.token, self.cookie = answer.body["access_token"], answer.cookie


def run(checkout: Checkout, *words: str) -> str:
    done = checkout.run(*words)
    assert done.returncode == 0, done.stdout
    return done.stdout


def git(checkout: Checkout, *words: str) -> str:
    """Without a word of anybody's own settings."""
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    return subprocess.run(
        ["git", *identity, *words],
        cwd=checkout.path,
        env={"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.fixture(scope="module")
def clone(make_checkout: Callable[[str], Checkout]) -> Checkout:
    """A repository with the system up in it, and the stack of its suites set up."""
    checkout = make_checkout("clone")
    git(checkout, "init", "--quiet")
    git(checkout, "add", "--all")
    git(checkout, "commit", "--quiet", "--message", "start")
    checkout.ports["NOTES_PORT"] = _free_ports(1)[0]
    run(checkout, "test", "lint")
    run(checkout, "up")
    return checkout


def snapshot(checkout: Checkout) -> dict[str, str]:
    """Settings and secrets of every stack byte by byte, what git sees, and the names of
    what running left: the insides of databases and logs are nobody's to compare."""
    root = checkout.path
    files = [root / ".env", *root.glob("*_project/.env*"), *root.glob(".secrets/**/*")]
    files += [*root.glob(".run/stacks/*/env/*"), *root.glob(".run/stacks/*/secrets/*")]
    found = {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.is_file()
    }
    for state in (root / ".run", root / ".run" / "stacks" / "test"):
        for folder in ("postgres", "work", "gateway/conf/services", "env"):
            found |= {str(path): "" for path in state.glob(f"{folder}/*")}
    found["git"] = git(checkout, "status", "--porcelain", "--ignored")
    return found


def test_a_service_comes_runs_and_goes(clone: Checkout) -> None:
    ada = Person(clone, "ada")
    ada.register()
    before = snapshot(clone)
    run(clone, "startservice", "notes")
    changed = git(clone, "status", "--porcelain").split("\n")
    assert changed == ["?? nginx/services/notes.conf", "?? notes_project/", ""]

    said = run(clone, "up")
    assert "/api/v1/notes/docs" in said
    assert {"notes", "notes-db"} <= clone.status()["processes"].keys()
    assert clone.is_ready()
    _is_protected(ada)
    _asks_for_a_role(clone, ada)
    _knows_of_the_logout(ada)
    _is_in_order(clone)

    said = run(clone, "removeservice", "notes", "--yes")
    assert "what runs is stopped" in said
    assert snapshot(clone) == before
    assert clone.family() == []
    run(clone, "up")
    assert clone.is_ready()
    ada.log_in()
    assert ada("GET", "/api/v1/users/me").status == 200
    assert ada("GET", NOTES).status == 404


def _is_protected(ada: Person) -> None:
    assert ada("GET", NOTES).code == "token_missing"
    ada.token = "a.b.c"
    assert ada("GET", NOTES).code == "token_invalid"
    ada.log_in()
    created = ada("POST", NOTES, {"text": "remember"})
    assert created.status == 201, created.body
    assert [each["text"] for each in ada("GET", NOTES).body["results"]] == ["remember"]


def _asks_for_a_role(clone: Checkout, ada: Person) -> None:
    refused = ada("GET", f"{NOTES}/all")
    assert (refused.status, refused.code) == (403, "forbidden")
    code = (
        "from users.models import Role, User;"
        "role = Role.objects.create(name='notes-admin');"
        "User.objects.get(username='ada').groups.add(role)"
    )
    run(clone, "users", "shell", "-c", code)
    ada.log_in()  # Roles are in the token.
    assert ada("GET", f"{NOTES}/all").status == 200


def _knows_of_the_logout(ada: Person) -> None:
    """At once, though the token has minutes to live."""
    assert ada("POST", "/api/v1/auth/logout").status == 200
    refused = ada("GET", NOTES)
    assert (refused.status, refused.code) == (401, "token_revoked")


def _is_in_order(clone: Checkout) -> None:
    """The checks of the checkout, and the service's own suite, by hand: on the ports of
    the stack that runs, which are nobody else's."""
    said = run(clone, "test", "lint", "schema")
    assert "lint         passed" in said
    assert "schema       passed" in said
    run(clone, "notes", "makemigrations", "--check", "--dry-run")
    done = subprocess.run(
        [clone.layout.python, "-m", "pytest", "notes_project"],
        cwd=clone.path,
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed in " in done.stdout
