"""No secret in any log, database or Redis, after every kind of trouble.

Each secret of the run is a canary: the passwords, tokens and cookies that went over
the wire, the API keys, the private key, the database passwords. They are looked for in
everything the system keeps, and the search is tried on leaks that are injected.
"""

import base64
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests

from deploy.tests.client import TestUser, code_of
from deploy.tests.factors import ENROL, SECOND_FACTOR, FactorUser
from deploy.tests.mailed_links import token_of
from deploy.tests.stack import SERVICES, System, wait_until

Canaries = dict[str, str]


@pytest.fixture(scope="module")
def canaries(system):
    """A run with successes and failures; what it said that must not be kept."""
    ada = TestUser(system)
    ada.password = f"Canary-{secrets.token_hex(12)}"
    seen = {"password": ada.password}
    assert ada.register().status_code == 201
    assert ada.register().status_code == 409  # PostgreSQL's message quotes the values
    assert ada.log_in().ok
    seen |= {"access token": ada.access, "refresh token": ada.cookie}
    assert ada.me().ok
    assert ada.verify().ok
    seen["basic credentials"] = introspect(system, ada)
    assert ada.refresh().ok
    seen |= {"second access token": ada.access, "second refresh token": ada.cookie}
    new = f"Canary-{secrets.token_hex(12)}"
    assert ada.change_password(new, f"{ada.password}-").status_code == 400
    assert ada.change_password(new).status_code == 204
    ada.password = seen["new password"] = new
    make_trouble(ada)
    force_a_500(system, ada)
    seen |= use_links(system, ada)
    assert ada.delete().status_code == 202
    seen["restore token"] = token_of(system, ada.email, "restore")
    assert ada.restore().status_code == 204
    assert ada.log_in().ok
    ada.log_out()
    assert ada.refresh().status_code == 401
    seen |= use_factors(system) | secrets_of(system)
    # As a column of bytes is written out.
    in_hex = {f"{name} in hex": text.encode().hex() for name, text in seen.items()}
    return seen | in_hex


def use_factors(system: System) -> Canaries:
    """Second factors, right and wrong ones, and in places where they do not belong."""
    eve = FactorUser(system)
    assert eve.register().ok
    assert eve.log_in().ok
    eve.must_have_a_factor()
    pending = eve.first_step()["login"]
    token = eve.post(ENROL, json={"login": pending}).json()["enrol_token"]
    assert eve.add_totp(token).ok
    invitation = eve.first_step()
    [recovery_code, second, *_] = eve.codes
    code = " ".join(eve.unused_code())  # so that no other number is like it
    login = invitation["login"]
    texts = (code, recovery_code, login)
    for text in texts:
        body = {"login": login, "totp": [text], text: text}
        assert eve.post(f"{SECOND_FACTOR}?login={text}", json=body).status_code == 400
        eve.post(SECOND_FACTOR, data=f'{{"login": "{login}", "totp": {text}')
    for name, text in (("totp", recovery_code[:16]), ("recovery_code", code)):
        wrong = eve.second_step(invitation, **{name: text})
        assert code_of(wrong) == "second_factor_invalid"
    assert eve.second_step(invitation, totp=code).ok
    waiting = eve.first_step()
    for service, table in (("users", "users_recoverycode"), ("auth", "tokens_session")):
        with hidden(system, service, table):
            broken = eve.second_step(waiting, recovery_code=recovery_code)
        assert broken.status_code in (500, 503), broken.text
    assert eve.second_step(eve.first_step(), recovery_code=second).ok
    secret = eve.app.secret
    return {
        "totp secret": secret,
        "totp secret's bytes": base64.b32decode(secret).hex(),
        "totp code": code,
        "recovery code": recovery_code,
        "recovery code as typed": recovery_code.replace("-", "").lower(),
        "used recovery code": second,
        "pending login": login,
        "enrolment's login": pending,
        "enrol token": token,
    }


def use_links(system: System, ada: TestUser) -> Canaries:
    """Tokens of mails, as pages and programs send them, right and wrong."""
    tokens = {}
    for path, purpose in (
        ("verify_email/resend", "verify"),
        ("password_reset", "reset"),
    ):
        answer = ada.post(f"/api/v1/users/{path}", json={"email": ada.email})
        assert answer.status_code == 202
        wait_until(lambda: token_of(system, ada.email, purpose), 10, purpose)  # noqa: B023
        tokens[f"{purpose} token"] = token = token_of(system, ada.email, purpose)
        page = f"/account/{purpose}?token={token}"
        headers = {"Referer": f"{system.gateway_url}{page}"}
        assert ada.send("GET", page, headers).status_code == 200
        assert ada.post(page, headers, data={"token": token}).status_code == 400
        for body in ({"token": token}, {"token": token, "new_password": "short"}):
            wrong = ada.post("/api/v1/users/password_reset/confirm", headers, json=body)
            assert wrong.status_code == 400
    return tokens


def introspect(system: System, ada: TestUser) -> str:
    """As standard clients do, and as they should not; what went over the wire."""
    url, key = f"{system.auth_url}/api/v1/auth/introspect", system.api_key("auth")
    good = requests.post(url, {"token": ada.access}, auth=("users", key), timeout=9)
    assert good.json()["active"] is True
    wrong = (ada.access, (key, "users")), ([ada.access] * 2, ("users", key))
    for tokens, auth in wrong:
        assert not requests.post(url, {"token": tokens}, auth=auth, timeout=9).ok
    return good.request.headers["Authorization"].removeprefix("Basic ")


def make_trouble(ada: TestUser) -> None:
    """Bodies, headers and addresses that are wrong and hold a canary."""
    json_type = {"Content-Type": "application/json"}
    for path in ("/api/v1/auth/login", "/api/v1/users/"):
        broken = f'{{"email": "{ada.email}", "password": "{ada.password}",,'
        ada.post(path, data=broken, headers=json_type)
        ada.post(path, json={"email": ada.password, "password": [ada.password]})
        ada.post(f"{path}?password={ada.password}&token={ada.access}", json={})
        ada.post(path, data=ada.password, headers={"Content-Type": "text/plain"})
        ada.post(path, data=ada.password * 2000, headers=json_type)
    wrong = TestUser(ada.system, ada.name)
    wrong.password = f"{ada.password}-"
    assert wrong.log_in().status_code == 401
    ada.me(ada.access[:-3])
    ada.refresh(ada.cookie[:-3])
    ada.post("/api/v1/auth/refresh", headers={"X-Internal-Api-Key": ada.password})
    referer = {"Referer": f"http://x/?t={ada.access}"}
    ada.post(f"/api/v1/nowhere?token={ada.access}", headers=referer)


def force_a_500(system: System, ada: TestUser) -> None:
    """A real fault in the middle of a login and of a registration: the table is gone
    from where the code looks for it."""
    for service, table in (("auth", "tokens_session"), ("users", "users_user")):
        with hidden(system, service, table):
            statuses = {ada.log_in().status_code, ada.register().status_code}
        assert 500 in statuses
    assert ada.log_in().ok


@contextmanager
def hidden(system: System, service: str, table: str) -> Iterator[None]:
    rename = f"ALTER TABLE {table}{{}} RENAME TO {table}{{}}"
    system.query(service, rename.format("", "_hidden"), role="owner")
    try:
        yield
    finally:
        system.query(service, rename.format("_hidden", ""), role="owner")


def secrets_of(system: System) -> Canaries:
    """Every secret file of the stack: the key in a list of API keys, and a line of a
    private key. Which key signs is no secret."""
    found = {}
    for path in (system.state / "secrets").rglob("*"):
        public = "public" in path.parts or path.name in ("redis_users.acl", "active")
        if path.is_file() and not public:
            text, *body = path.read_text().splitlines()
            found[path.name] = body[0] if body else text.rpartition("=")[2]
    assert len(found) > 8
    return found


def kept(system: System) -> Iterator[tuple[str, str]]:
    """Everything the system keeps: logs of all processes, both databases, Redis."""
    for path in sorted((system.state / "log").iterdir()):
        yield f"log {path.name}", path.read_text(errors="replace")
    for service in SERVICES:
        tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        for (table,) in system.query(service, tables):
            rows = system.query(service, f'SELECT t::text FROM "{table}" t')  # noqa: S608
            yield f"table {table}", "\n".join(str(row[0]) for row in rows)
    client = system.redis()
    for key in client.scan_iter():
        is_set = client.type(key) == "set"
        value = client.smembers(key) if is_set else client.get(key)
        yield f"redis {key}", f"{key} {value}"
    yield "redis slowlog", str(client.slowlog_get(1000))


def leaks(canaries: Canaries, places: dict[str, str]) -> set[str]:
    """Where which canary is; and whatever has the look of a token (eyJ...)."""
    token = re.compile(r"eyJ[A-Za-z0-9_-]{20,}\.eyJ")
    found = set()
    for place, text in places.items():
        found |= {f"{name} in {place}" for name, c in canaries.items() if c in text}
        found |= {f"a token in {place}"} if token.search(text) else set()
    return found


def test_no_secret_is_kept_anywhere(canaries, system):
    """And there were traces: else the search would have searched nothing. What is
    injected among them is found."""
    places = dict(kept(system))
    assert leaks(canaries, places) == set()
    log = places["log auth-1.log"] + places["log auth-2.log"]
    assert "authn_login_success" in log
    assert '"status": 500' in log
    assert "table users_user" in places
    assert any(place.startswith("redis session:") for place in places)

    names = ["password", "access token", "refresh token"]
    places["log auth-1.log"] += "".join(canaries[name] for name in names)
    assert leaks(canaries, places) == {
        *(f"{name} in log auth-1.log" for name in names),
        "a token in log auth-1.log",
    }
