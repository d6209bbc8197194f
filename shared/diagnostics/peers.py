"""Diagnostics of other services: do they accept our key and publish our verifying keys?

A key is sent only to a program that has answered as the service. Before that,
`./manage_all.sh doctor` checks whose process listens there.
"""

from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.conf import settings

from shared.auth.api_keys import presented
from shared.doctor import NTP, clock_fault, diagnostic
from shared.http.service_client import ServiceClient
from shared.keys import signing_keys

# A request that changes nothing, and the code in the answer to an accepted caller.
REQUESTS: dict[str, tuple[str, str, dict[str, str] | None, str]] = {
    "auth": ("POST", "/api/v1/auth/verify_token", {"token": "doctor"}, "token_invalid"),
    "users": ("GET", f"/api/v1/users/{uuid4()}", None, "user_not_found"),
}


def url_of(service: str) -> str:
    return str(getattr(settings, f"{service.upper()}_SERVICE_URL"))


def get(service: str, path: str) -> Any:
    """The response, as our client asks, but without a key."""
    return ServiceClient(url_of(service), "").send("GET", path, None, {})


def health(service: str) -> Any:
    return get(service, f"/api/v1/{service}/health/live")


def key_fault(service: str) -> str:
    answer = health(service).json()
    if not isinstance(answer, dict) or answer.get("service") != service:
        return f"another program answers at {url_of(service)}"
    key = presented(f"{service.upper()}_SERVICE_API_KEY")
    client = ServiceClient(url_of(service), key)
    method, path, body, code_of_accepted = REQUESTS[service]
    reply = client.send(method, path, body, client.headers())
    code = reply.json().get("code")
    accepts = code in (code_of_accepted, "forbidden")
    return "" if accepts else f"{reply.status_code} {code}"


def peer_clock_fault(service: str) -> str:
    date = health(service).headers["Date"]
    return clock_fault(parsedate_to_datetime(date).timestamp())


def unpublished_keys() -> str:
    published = {
        key["kid"] for key in get("auth", "/.well-known/jwks.json").json()["keys"]
    }
    ours = signing_keys.load_public_keys(Path(str(settings.JWT_PUBLIC_KEYS_DIR)))
    different = set(ours) ^ published
    return f"{len(different)} keys are in one of the sets only" if different else ""


for name in filter(url_of, REQUESTS):
    advice = f"Correct {name.upper()}_SERVICE_URL. Else ./manage_all.sh rotateapikeys"
    statement = f"{name} accepts this service's API key"
    accepts = diagnostic(f"apikeys.{name}", statement, advice)
    accepts(partial(key_fault, name))
    agrees = diagnostic(f"clock.{name}", f"the clock of {name} agrees", NTP)
    agrees(partial(peer_clock_fault, name))
if url_of("auth") and not settings.JWT_JWKS_URL:
    statement = "this service verifies tokens with the keys that auth publishes"
    advice = (
        "Give every service the same JWT_PUBLIC_KEYS_DIR. "
        "A service rereads it within seconds."
    )
    diagnostic("keys.published", statement, advice)(unpublished_keys)
