"""The other services: whether they accept our key, and publish the keys we verify with.

A key is sent only to what has answered as the service. `./manage_all.sh doctor` looks
before that whose process listens there.
"""

from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import requests
from django.conf import settings

from shared.auth.api_keys import presented
from shared.clients import ServiceClient
from shared.doctor import NTP, clock_fault, diagnostic
from shared.keys import signing_keys

# A request that changes nothing, and the code of the answer to a caller it accepts.
REQUESTS: dict[str, tuple[str, str, dict[str, str] | None, str]] = {
    "auth": ("POST", "/api/v1/auth/verify_token", {"token": "doctor"}, "token_invalid"),
    "users": ("GET", f"/api/v1/users/{uuid4()}", None, "user_not_found"),
}
# Where our own gunicorn listens, seen from here.
OWN_URL = f"http://127.0.0.1:{settings.BIND.rpartition(':')[2]}"


def ask(url: str, method: str, path: str, body: Any = None, key: str = "") -> Any:
    """The response, as our client asks: no proxy, no redirect."""
    client = ServiceClient(url, key)
    headers = client.headers() if key else {}
    if url == OWN_URL and settings.INTERNAL_HOSTS:
        headers["Host"] = settings.INTERNAL_HOSTS[0]
    return client.send(method, path, body, headers)


def url_of(service: str) -> str:
    return str(getattr(settings, f"{service.upper()}_SERVICE_URL"))


def health(service: str) -> Any:
    return ask(url_of(service), "GET", f"/api/v1/{service}/health/live")


def key_fault(service: str) -> str:
    url = url_of(service)
    try:
        answer = health(service).json()
    except requests.RequestException as exc:
        return f"{url} does not answer as {service}: {type(exc).__name__}"
    if not isinstance(answer, dict) or answer.get("service") != service:
        return f"another program answers at {url}"
    method, path, body, code_of_accepted = REQUESTS[service]
    key = presented(f"{service.upper()}_SERVICE_API_KEY")
    refusal = ask(url, method, path, body, key)
    code = refusal.json().get("code")
    accepts = code in (code_of_accepted, "forbidden")
    return "" if accepts else f"{refusal.status_code} {code}"


def peer_clock_fault(service: str) -> str:
    date = health(service).headers["Date"]
    return clock_fault(parsedate_to_datetime(date).timestamp())


for name in filter(url_of, REQUESTS):
    advice = f"Is {name.upper()}_SERVICE_URL right? Else ./manage_all.sh rotateapikeys"
    accepts = diagnostic(f"apikeys.{name}", f"{name} accepts our key", advice)
    accepts(partial(key_fault, name))
    agrees = diagnostic(f"clock.{name}", "the clocks agree", NTP)
    agrees(partial(peer_clock_fault, name))


@diagnostic(
    "keys.published",
    "we verify with the keys that are published",
    "Give every service the same folder. A service rereads it within seconds.",
)
def published_keys() -> str:
    if settings.JWT_JWKS_URL:
        return ""
    url = settings.AUTH_SERVICE_URL or OWN_URL
    key_set = ask(url, "GET", "/.well-known/jwks.json").json()
    ours = signing_keys.load_public_keys(Path(str(settings.JWT_PUBLIC_KEYS_DIR)))
    different = set(ours) ^ {key["kid"] for key in key_set["keys"]}
    return f"{len(different)} keys are in one place alone" if different else ""
