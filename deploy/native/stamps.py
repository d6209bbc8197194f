"""Whether a client can say what only the gateway may: seen in what a service answers,
and on this machine in what it logs (GW-02, BF-03)."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

from .findings import NOTE, OK, Finding
from .outside import Probe, find
from .site import Reply, Site

SPOOFED_ID = "doctor-0000-1111-2222"
SPOOFED_ADDRESS = "203.0.113.77"  # of a network for documentation (RFC 5737)
INCLUDE = "nginx/includes/proxy.conf sets it for every route; no location may set more."


def request_id(site: Site) -> Iterator[Finding]:
    """The service's own words have the id it was given."""
    answer = site.get("/api/v1/users/me", {"X-Request-ID": SPOOFED_ID})
    seen = {answer.body.get("request_id"), answer.header("X-Request-ID")}
    yield find(
        "request_id",
        SPOOFED_ID not in seen and len(seen) == 1,
        "a client's X-Request-ID does not reach the services",
        "a client's X-Request-ID reaches the services: it can forge lines of the log",
        INCLUDE,
    )


def forwarded_proto(site: Site) -> Iterator[Finding]:
    """The admin takes a form from the origin that it believes itself to be at: with the
    other scheme, it does so only where a client's X-Forwarded-Proto is believed."""
    form = site.get("/admin/login/")
    token = re.search(rb'name="csrfmiddlewaretoken" value="([^"]+)"', form.content)
    if not token:
        text = "cannot be seen: the admin is closed here"
        yield Finding("gateway", "forwarded_proto", NOTE, text)
        return
    others = {"http": "https", "https": "http"}
    scheme = others["https" if site.is_public_https and site.over_tls else "http"]
    origin = f"{scheme}://{site.host}"
    headers = {
        "Cookie": _cookies(form),
        "Origin": origin,
        "Referer": f"{origin}/admin/login/",
        "X-Forwarded-Proto": scheme,
        "Content-Type": "application/x-www-form-urlencoded",
    }
    body = f"csrfmiddlewaretoken={token[1].decode()}"  # no name: nobody's attempt
    answer = site.send("POST", "/admin/login/", headers, body)
    if answer.status == 429:
        text = "cannot be seen now: the limit of log-ins is reached"
        yield Finding(
            "gateway", "forwarded_proto", NOTE, text, "Ask again in a minute."
        )
        return
    yield find(
        "forwarded_proto",
        answer.status == 403,
        "a client's X-Forwarded-Proto does not reach the services",
        f"a client's X-Forwarded-Proto reaches the services ({answer.status})",
        f"{INCLUDE} GATEWAY_TRUSTED_PROXIES names proxies alone.",
    )


def _cookies(answer: Reply) -> str:
    values = [v for n, v in answer.headers if n.lower() == "set-cookie"]
    return "; ".join(value.partition(";")[0] for value in values)


def address_in(log: Path | None) -> Probe:
    """The probe of the client's address, which a service tells to its log alone."""

    def client_address(site: Site) -> Iterator[Finding]:
        names = ("X-Real-IP", "X-Forwarded-For", "Forwarded")
        values = (SPOOFED_ADDRESS, SPOOFED_ADDRESS, f"for={SPOOFED_ADDRESS}")
        spoofed = dict(zip(names, values, strict=True))
        answer = site.get("/api/v1/users/me", spoofed)
        seen = _logged(log, str(answer.body.get("request_id"))) if log else None
        if seen is None:
            text = "a client's X-Real-IP: seen only in the services' logs"
            advice = "grep 203.0.113.77 in the access lines of the User Service."
            yield Finding("gateway", "client_address", NOTE, text, advice)
            return
        yield find(
            "client_address",
            seen != SPOOFED_ADDRESS,
            f"a client cannot choose its address; this one was {seen}",
            "a client's X-Real-IP reaches the services: it can choose its address, and "
            "no limit holds",
            INCLUDE,
        )

    return client_address


def _logged(log: Path, request: str) -> str | None:
    """The client's address in the access line of a request, once it is there."""
    for _ in range(20):
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 65536))
            lines = file.read().decode("utf-8", "replace").splitlines()
        for line in lines:
            if request in line and '"event": "access"' in line:
                return str(json.loads(line).get("client"))
        time.sleep(0.05)
    return None


def schema(expected: dict[str, bool] | None) -> Probe:
    """The probe of the OpenAPI documents: open or closed, as configured."""

    def schemas(site: Site) -> Iterator[Finding]:
        for service in expected or ("auth", "users"):
            status = site.get(f"/api/v1/{service}/openapi.json").status
            told = {200: "open to everybody", 404: "closed"}.get(status, str(status))
            if expected is None:
                text = f"the schema of {service} is {told}"
                yield Finding("gateway", f"schema.{service}", OK, text)
                continue
            wanted = 200 if expected[service] else 404
            yield find(
                f"schema.{service}",
                status == wanted,
                f"the schema of {service} is {told}, as DOCS_ENABLED says",
                f"the schema of {service} is {told}, DOCS_ENABLED says otherwise",
                "nginx/services/ has a location for openapi.json; restart the service.",
            )

    return schemas
