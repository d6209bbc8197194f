"""What `doctor` examines from outside: routes, errors, headers, cookies and TLS; and
whether a client can send what only the gateway may (GW-02, BF-03).

A check has the name by which it is reported, and comes with the statement that has to
hold and with what to do where it does not. It returns what is wrong, a Note, nothing
(""), or None where it does not apply.
"""

import contextlib
import http.client
import json
import re
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from uuid import uuid4

from .files import tail
from .site import Reply, Site

CLOCK_TOLERANCE = 11.5  # seconds: JWT_LEEWAY's default, and HTTP's whole seconds
NO_KEY = "x" * 64  # an API key of the right form
YEAR = 31536000  # seconds
SOON = 14  # days
PLAIN_PORT = 80
# What the gateway and other servers answer where they refuse plain http.
REFUSED = (400, 403, 404, 421, 426)
PROBLEM = {"type", "title", "status", "detail", "code", "request_id"}  # RFC 9457
SPOOFED_ID = "doctor-0000-1111-2222"
SPOOFED_ADDRESS = "203.0.113.77"  # of a network for documentation (RFC 5737)
PROXY = "nginx/includes/proxy.conf sets it for every route; no location may set more."
ME = "/api/v1/users/me"

# Routes for services alone: the service, method and path.
INTERNAL = (
    ("auth", "POST", "/api/v1/auth/verify_token"),
    ("auth", "POST", "/api/v1/auth/introspect"),
    ("auth", "POST", "/api/v1/auth/sessions/revoke"),
    ("auth", "GET", "/api/v1/auth/users/{}/sessions"),
    ("users", "POST", "/api/v1/users/verify"),
    ("users", "GET", "/api/v1/users/{}"),
    ("users", "POST", "/api/v1/users/{}/end_sessions"),
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


@dataclass(frozen=True)
class Finding:
    """`where` is a service, `gateway` or `machine`; `id` names what was examined."""

    where: str
    id: str
    verdict: str
    text: str
    advice: str = ""


class Note(str):
    """What cannot be seen from here, or is worth a look. It is not WRONG."""


Fault = str | None
Check = Callable[[Site], Fault]
CHECKS: list[tuple[Check, str, str]] = []


def external(statement: str, advice: str) -> Callable[[Check], Check]:
    def decorate(check: Check) -> Check:
        CHECKS.append((check, statement, advice))
        return check

    return decorate


def examine(site: Site) -> Iterator[Finding]:
    """All that is seen from outside; only `reached` where the site does not answer."""
    for check, statement, advice in CHECKS:
        answered = True
        try:
            fault = check(site)
        except (OSError, http.client.HTTPException) as exc:
            answered, fault = False, f"no answer: {exc or type(exc).__name__}"
        if fault is None:
            continue
        verdict = "note" if isinstance(fault, Note) else "WRONG" if fault else "ok"
        text = f"{statement}: {fault}" if fault else statement
        yield Finding("gateway", check.__name__, verdict, text, advice if fault else "")
        if check is reached and not answered:
            return


@external("the site answers, and auth is ready", "Is it up? Is the URL right?")
def reached(site: Site) -> Fault:
    ready = site.get("/api/v1/auth/health/ready")
    return "" if ready.status == 200 else f"{ready.status} {ready.body.get('code', '')}"


@external("the clocks agree", "Keep time with NTP on every machine.")
def clock(site: Site) -> Fault:
    date = parsedate_to_datetime(site.get("/.well-known/jwks.json").header("Date"))
    difference = abs(date.timestamp() - time.time())
    return f"{difference:.0f} s" if difference > CLOCK_TOLERANCE else ""


@external(
    "internal routes are closed, with a valid key too (S2S-02)",
    "Remove their locations from nginx/services/.",
)
def internal(site: Site) -> Fault:
    found = []
    for service, method, path in INTERNAL:
        key = site.keys.get(service, NO_KEY)
        headers = {"X-Internal-Api-Key": key, "Content-Type": "application/json"}
        reply = site.send(method, path.format(uuid4()), "{}", **headers)
        # A service has another code for what it does not find.
        if (reply.status, reply.body.get("code")) != (404, "not_found"):
            found.append(f"{method} {path.format('ID')}")
    return ", ".join(found)


@external(
    "errors are application/problem+json (RFC 9457)",
    "Is something in front of the gateway, or a location without its includes?",
)
def errors(site: Site) -> Fault:
    login, json_type = "/api/v1/auth/login", {"Content-Type": "application/json"}
    replies = {
        "an unknown path": site.get("/nowhere"),
        "no token": site.get(ME),
        "malformed JSON": site.send("POST", login, "{", **json_type),
        "a wrong method": site.send("TRACE", ME),
    }

    def is_problem(reply: Reply) -> bool:
        kind = reply.header("Content-Type").partition(";")[0]
        return kind == "application/problem+json" and set(reply.body) >= PROBLEM

    return ", ".join(what for what, reply in replies.items() if not is_problem(reply))


@external(
    "security headers are there once, and no version is (GW-12)",
    "nginx/includes/api.conf sets them; nothing else should.",
)
def headers(site: Site) -> Fault:
    wrong = set()
    # Of a service, and of the gateway itself.
    for reply in (site.get(ME), site.get("/nowhere")):
        wrong |= {x for x, value in HEADERS.items() if reply.header(x) != value}
        wrong |= {"Server"} if re.search(r"\d", reply.header("Server")) else set()
        wrong |= {"X-Powered-By"} if reply.header("X-Powered-By") else set()
    return ", ".join(sorted(wrong))


@external(
    "an unknown origin may read nothing",
    "CORS_ALLOWED_ORIGINS is a list of exact origins.",
)
def cors(site: Site) -> Fault:
    reply = site.get(ME, Origin="https://doctor.invalid")
    return reply.header("Access-Control-Allow-Origin")


@external(
    "requests for other hosts are refused",
    "GATEWAY_SERVER_NAMES and ALLOWED_HOSTS list the names of the public URL.",
)
def hosts(site: Site) -> Fault:
    status = site.get("/api/v1/auth/health/live", Host="doctor.invalid").status
    return "" if status >= 400 else str(status)


@external(
    "the refresh cookie has its name and its flags (COOK-01)",
    "COOKIE_SECURE=true behind https; nothing between may change Set-Cookie.",
)
def cookie(site: Site) -> Fault:
    """As the one shows that clears it, after an invalid token."""
    names = ("__Secure-refresh_token", "refresh_token")
    send = "POST", "/api/v1/auth/refresh", None
    replies = [site.send(*send, Cookie=f"{name}=doctor") for name in names]
    found = next(filter(None, (each.header("Set-Cookie") for each in replies)), "")
    flags = {part.strip().lower() for part in found.split(";")[1:]}
    wanted = {"path=/api/v1/auth", "httponly", "samesite=strict"}
    if site.is_https or not site.is_local:
        wanted |= {"secure"}
        flags -= set() if found.startswith("__Secure-") else {"secure"}
    wrong = sorted(wanted - flags) + [f for f in flags if f.startswith("domain")]
    return ", ".join(wrong)


@external(
    "no other machine can listen (GW-13)",
    "GATEWAY_TLS_CERTIFICATE, or a TLS proxy: docs/operations/deployment.md",
)
def tls(site: Site) -> Fault:
    if not site.over_tls:
        return "" if site.is_local or site.is_https else "it is plain http"
    if site.port:
        return ""
    with contextlib.closing(site.connection()) as connection:
        connection.connect()
        wire = connection.sock
        assert isinstance(wire, ssl.SSLSocket)  # for the type checker
        names = wire.getpeercert() or {}
    ends = ssl.cert_time_to_seconds(str(names["notAfter"]))
    days = int((ends - time.time()) / 86400)
    return Note(f"the certificate ends in {days} days") if days < SOON else ""


@external(
    "HSTS holds for a year (GW-12)",
    "Strict-Transport-Security: max-age=31536000; includeSubDomains",
)
def hsts(site: Site) -> Fault:
    if not site.over_tls:
        return None
    value = site.get("/nowhere").header("Strict-Transport-Security")
    age = value.partition("max-age=")[2].partition(";")[0]
    return "" if age.isdigit() and int(age) >= YEAR else value or "it is missing"


@external("plain http is refused", "Refuse it (426), or close the port.")
def plain_http(site: Site) -> Fault:
    """A redirect would come after the password was sent."""
    if not site.over_tls:
        return None
    own, served = site.connection(), []
    for port in sorted({own.port, *([] if site.port else [PLAIN_PORT])}):
        connection = http.client.HTTPConnection(own.host, port, timeout=3.0)
        # A port that speaks no plain http answers nothing that can be read.
        with (
            contextlib.closing(connection),
            contextlib.suppress(OSError, http.client.HTTPException),
        ):
            connection.request("GET", ME, headers={"Host": site.host})
            status = connection.getresponse().status
            served += [f"port {port} answers {status}"] * (status not in REFUSED)
    return ", ".join(served)


@external(
    "the OpenAPI documents are open or closed as DOCS_ENABLED says",
    "nginx/services/ has a location for openapi.json; restart the service.",
)
def schema(site: Site) -> Fault:
    services = site.docs or {"auth": True, "users": True}
    status = {s: site.get(f"/api/v1/{s}/openapi.json").status for s in services}
    if site.docs is None:
        return Note(", ".join(f"{s} answers {code}" for s, code in status.items()))
    wanted = {service: 200 if docs else 404 for service, docs in services.items()}
    return ", ".join(f"{s}: {status[s]}" for s in services if status[s] != wanted[s])


@external("a client's X-Request-ID reaches no service (GW-02)", PROXY)
def request_id(site: Site) -> Fault:
    reply = site.get(ME, X_Request_ID=SPOOFED_ID)
    seen = {reply.body.get("request_id"), reply.header("X-Request-ID")}
    return "it can forge log lines" if SPOOFED_ID in seen or len(seen) != 1 else ""


@external("a client's X-Forwarded-Proto reaches no service (GW-02)", PROXY)
def forwarded_proto(site: Site) -> Fault:
    """The admin accepts a form from the origin where it believes to be. It accepts the
    other scheme only where it believes a client's X-Forwarded-Proto."""
    form = site.get("/admin/login/")
    token = re.search(rb'name="csrfmiddlewaretoken" value="([^"]+)"', form.content)
    if not token:
        return Note("it cannot be seen, as the admin is closed here")
    cookies = form.headers.get_all("Set-Cookie", [])
    scheme = "http" if site.is_https and site.over_tls else "https"
    headers = {
        "Cookie": "; ".join(value.partition(";")[0] for value in cookies),
        "Origin": f"{scheme}://{site.host}",
        "Referer": f"{scheme}://{site.host}/admin/login/",
        "X-Forwarded-Proto": scheme,
        "Content-Type": "application/x-www-form-urlencoded",
    }
    body = f"csrfmiddlewaretoken={token[1].decode()}"  # no name, so no failed attempt
    status = site.send("POST", "/admin/login/", body, **headers).status
    if status == 429:
        return Note("it cannot be seen now: the limit of logins is reached")
    return "" if status == 403 else f"the admin answers {status}"


@external("a client cannot choose its own address (BF-03)", PROXY)
def client_address(site: Site) -> Fault:
    """Services write it to their log alone, in the access line of a request."""
    spoofed = {"X_Real_IP": SPOOFED_ADDRESS, "X_Forwarded_For": SPOOFED_ADDRESS}
    reply = site.get(ME, **spoofed, Forwarded=f"for={SPOOFED_ADDRESS}")
    request = str(reply.body.get("request_id"))
    for _ in range(20 if site.logs else 0):
        lines = [x for log in site.logs for x in tail(log, 500).splitlines()]
        for line in lines:
            if request in line and '"event": "access"' in line:
                spoofed_too = json.loads(line).get("client") == SPOOFED_ADDRESS
                return "it can, so no limit holds" if spoofed_too else ""
        time.sleep(0.05)
    return Note(f"look for {SPOOFED_ADDRESS} in the log of the User Service")
