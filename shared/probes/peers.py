"""The other services: whether our key is theirs, and our keys and clocks are one."""

from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import requests
from django.conf import settings

from shared.auth.api_keys import accepted as accepted_keys
from shared.auth.api_keys import presented
from shared.clients import ServiceClient
from shared.doctor import NOTE, OK, WRONG, Context, Finding, judge, probe
from shared.keys import signing_keys
from shared.probes.clocks import compare

# A question that changes nothing, and the code of the answer to whoever may ask it.
QUESTIONS: dict[str, tuple[str, str, dict[str, str] | None, str]] = {
    "auth": ("POST", "/api/v1/auth/verify_token", {"token": "doctor"}, "token_invalid"),
    "users": ("GET", "/api/v1/users/{}", None, "user_not_found"),
}
JWKS = "/.well-known/jwks.json"


def ask(url: str, key: str, method: str, path: str, body: Any = None) -> Any:
    """The answer, with the client's own manners: no proxy, no redirect, no patience."""
    client = ServiceClient(url, key)
    return client.session().request(
        method,
        client.url + path,
        json=body,
        headers=client.headers() | {"Host": host(url)},
        timeout=(1.0, 3.0),
        allow_redirects=False,
    )


def host(url: str) -> str:
    """Our own name, where we ask ourselves by an address that is no name of ours."""
    if url == own_url() and settings.INTERNAL_HOSTS:
        return str(settings.INTERNAL_HOSTS[0])
    return url.partition("://")[2]


def own_url() -> str:
    """Where gunicorn listens, seen from here."""
    return f"http://127.0.0.1:{settings.BIND.rpartition(':')[2]}"


@probe
def api_keys(context: Context) -> Iterator[Finding]:
    """What we present, the other accepts; asked in each, both directions are known."""
    for service, (method, path, body, accepted) in QUESTIONS.items():
        url = getattr(settings, f"{service.upper()}_SERVICE_URL")
        if not url:
            continue
        key = presented(f"{service.upper()}_SERVICE_API_KEY")
        try:
            answer = ask(url, key, method, path.format(uuid4()), body)
            code = answer.json().get("code")
        except (requests.RequestException, ValueError, AttributeError) as exc:
            text = (
                f"{service} does not answer as a service of ours: {type(exc).__name__}"
            )
            yield Finding(f"apikeys.{service}", WRONG, text, f"Is {url} right?")
            continue
        yield judge(
            f"apikeys.{service}",
            code in (accepted, "forbidden"),
            f"{service} accepts our key",
            f"{service} refuses our key: {answer.status_code} {code}",
            "./manage_all.sh rotateapikeys, docs/apikeys.md",
        )
        if date := answer.headers.get("Date"):
            their_time = parsedate_to_datetime(date).timestamp()
            yield compare(f"clock.{service}", service, their_time)


@probe
def rotation(context: Context) -> Iterator[Finding]:
    callers = [caller for caller, _ in accepted_keys()]
    for caller in sorted({c for c in callers if callers.count(c) > 1}):
        text = f"{callers.count(caller)} keys of {caller} are accepted"
        advice = "Where no rotation is under way: rotateapikeys --step drop"
        yield Finding("apikeys.rotation", NOTE, text, advice)


@probe
def published_keys(context: Context) -> Iterator[Finding]:
    """What strangers verify with is what we verify with, and has the key that signs."""
    if settings.JWT_JWKS_URL:
        yield Finding(
            "keys.published", OK, "the keys come from where they are published"
        )
        return
    url = settings.AUTH_SERVICE_URL or own_url()
    published = {key["kid"] for key in ask(url, "", "GET", JWKS).json()["keys"]}
    ours = set(signing_keys.load_public_keys(Path(str(settings.JWT_PUBLIC_KEYS_DIR))))
    yield judge(
        "keys.published",
        published == ours,
        f"the keys that verify are those that are published: {len(ours)}",
        f"not both published and in JWT_PUBLIC_KEYS_DIR: {len(ours ^ published)} keys",
        "Give every service the same folder; a service rereads it within seconds.",
    )
    private = getattr(settings, "JWT_PRIVATE_KEYS_DIR", None)
    if private is not None:
        yield judge(
            "keys.signing",
            signing_keys.load_signing_key(private).kid in published,
            "the key that signs is published",
            "the key that signs is not published: nobody can verify what it signs",
            "./manage_all.sh auth keys list, docs/keys.md",
        )
