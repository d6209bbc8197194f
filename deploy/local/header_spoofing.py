"""Whether a client can send what only the gateway may: `doctor` sees it in the answers
of services, and on this machine in their log (GW-02, BF-03)."""

import json
import re
import time
from collections.abc import Sequence
from pathlib import Path

from .files import tail
from .site import Fault, Note, Site, external

SPOOFED_ID = "doctor-0000-1111-2222"
SPOOFED_ADDRESS = "203.0.113.77"  # of a network for documentation (RFC 5737)
PROXY = "nginx/includes/proxy.conf sets it for every route; no location may set more."


@external("request_id", "a client's X-Request-ID reaches no service (GW-02)", PROXY)
def request_id(site: Site) -> Fault:
    answer = site.get("/api/v1/users/me", X_Request_ID=SPOOFED_ID)
    seen = {answer.body.get("request_id"), answer.header("X-Request-ID")}
    return "it can forge log lines" if SPOOFED_ID in seen or len(seen) != 1 else ""


@external(
    "forwarded_proto", "a client's X-Forwarded-Proto reaches no service (GW-02)", PROXY
)
def forwarded_proto(site: Site) -> Fault:
    """The admin accepts a form from the origin where it believes to be. It accepts the
    other scheme only where it believes a client's X-Forwarded-Proto."""
    form = site.get("/admin/login/")
    token = re.search(rb'name="csrfmiddlewaretoken" value="([^"]+)"', form.content)
    if not token:
        return Note("it cannot be seen, as the admin is closed here")
    cookies = [v for n, v in form.headers if n.lower() == "set-cookie"]
    scheme = "http" if site.is_https and site.over_tls else "https"
    headers = {
        "Cookie": "; ".join(value.partition(";")[0] for value in cookies),
        "Origin": f"{scheme}://{site.host}",
        "Referer": f"{scheme}://{site.host}/admin/login/",
        "X-Forwarded-Proto": scheme,
        "Content-Type": "application/x-www-form-urlencoded",
    }
    body = f"csrfmiddlewaretoken={token[1].decode()}"  # no name, so no failed attempt
    status = site.send("POST", "/admin/login/", headers, body).status
    if status == 429:
        return Note("it cannot be seen now: the limit of logins is reached")
    return "" if status == 403 else f"the admin answers {status}"


@external("client_address", "a client cannot choose its own address (BF-03)", PROXY)
def client_address(site: Site) -> Fault:
    """Services tell the address to their log alone."""
    spoofed = {"X_Real_IP": SPOOFED_ADDRESS, "X_Forwarded_For": SPOOFED_ADDRESS}
    answer = site.get("/api/v1/users/me", **spoofed, Forwarded=f"for={SPOOFED_ADDRESS}")
    seen = logged_address(site.logs, str(answer.body.get("request_id")))
    if seen is None:
        return Note(f"look for {SPOOFED_ADDRESS} in the log of the User Service")
    return "it can, so no limit holds" if seen == SPOOFED_ADDRESS else ""


def logged_address(logs: Sequence[Path], request: str) -> str | None:
    """The client's address in the access line of a request, once it is there."""
    for _ in range(20 if logs else 0):
        for log in logs:
            for line in tail(log, 500).splitlines():
                if request in line and '"event": "access"' in line:
                    return str(json.loads(line).get("client"))
        time.sleep(0.05)
    return None
