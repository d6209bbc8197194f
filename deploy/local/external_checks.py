"""What `doctor` examines from outside: routes, errors, headers, cookies and TLS; and
whether a client can send what only the gateway may (GW-02, BF-03).

A check has the name by which it is reported. The first line of its docstring is the
statement that has to hold.
"""

import contextlib
import http.client
import json
import re
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from email.utils import parsedate_to_datetime
from pathlib import Path
from uuid import uuid4

from .files import tail
from .site import Fault, Finding, Note, Reply, Site

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

Check = Callable[[Site], Fault]
CHECKS: list[tuple[Check, str]] = []  # each with what to do where it finds something


def external(advice: str) -> Callable[[Check], Check]:
    def decorate(check: Check) -> Check:
        CHECKS.append((check, advice))
        return check

    return decorate


@external("Is it up? Is the URL right?")
def reached(site: Site) -> Fault:
    """the site answers, and auth is ready"""
    ready = site.get("/api/v1/auth/health/ready")
    return "" if ready.status == 200 else f"{ready.status} {ready.body.get('code', '')}"


@external("Keep time with NTP on every machine.")
def clock(site: Site) -> Fault:
    """the clocks agree"""
    date = parsedate_to_datetime(site.get("/.well-known/jwks.json").header("Date"))
    difference = abs(date.timestamp() - time.time())
    return f"{difference:.0f} s" if difference > CLOCK_TOLERANCE else ""


@external("Remove their locations from nginx/services/.")
def internal(site: Site) -> Fault:
    """internal routes are closed, with a valid key too (S2S-02)"""
    found = []
    for service, method, path in INTERNAL:
        key = site.keys.get(service, NO_KEY)
        headers = {"X-Internal-Api-Key": key, "Content-Type": "application/json"}
        reply = site.send(method, path.format(uuid4()), "{}", **headers)
        # A service has another code for what it does not find.
        if (reply.status, reply.body.get("code")) != (404, "not_found"):
            found.append(f"{method} {path.format('ID')}")
    return ", ".join(found)


@external("Is something in front of the gateway, or a location without its includes?")
def errors(site: Site) -> Fault:
    """errors are application/problem+json (RFC 9457)"""
    json_type = {"Content-Type": "application/json"}
    replies = {
        "an unknown path": site.get("/nowhere"),
        "no token": site.get(ME),
        "malformed JSON": site.send("POST", "/api/v1/auth/login", "{", **json_type),
        "a wrong method": site.send("TRACE", ME),
    }
    return ", ".join(what for what, reply in replies.items() if not is_problem(reply))


def is_problem(reply: Reply) -> bool:
    kind = reply.header("Content-Type").partition(";")[0]
    return kind == "application/problem+json" and set(reply.body) >= PROBLEM


@external("nginx/includes/api.conf sets them; nothing else should.")
def headers(site: Site) -> Fault:
    """security headers are there once, and no version is (GW-12)

    On an answer of a service, and on one of the gateway itself.
    """
    wrong = set()
    for reply in (site.get(ME), site.get("/nowhere")):
        wrong |= {
            name for name, value in HEADERS.items() if reply.header(name) != value
        }
        wrong |= {"Server"} if re.search(r"\d", reply.header("Server")) else set()
        wrong |= {"X-Powered-By"} if reply.header("X-Powered-By") else set()
    return ", ".join(sorted(wrong))


@external("CORS_ALLOWED_ORIGINS is a list of exact origins.")
def cors(site: Site) -> Fault:
    """an unknown origin may read nothing"""
    reply = site.get(ME, Origin="https://doctor.invalid")
    return reply.header("Access-Control-Allow-Origin")


@external("GATEWAY_SERVER_NAMES and ALLOWED_HOSTS list the names of the public URL.")
def hosts(site: Site) -> Fault:
    """requests for other hosts are refused"""
    status = site.get("/api/v1/auth/health/live", Host="doctor.invalid").status
    return "" if status >= 400 else str(status)


@external("COOKIE_SECURE=true behind https; nothing between may change Set-Cookie.")
def cookie(site: Site) -> Fault:
    """the refresh cookie has its name and its flags (COOK-01)

    As the one shows that clears it, after an invalid token.
    """
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


@external("GATEWAY_TLS_CERTIFICATE, or a TLS proxy: docs/operations/deployment.md")
def tls(site: Site) -> Fault:
    """no other machine can listen (GW-13)"""
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


@external("Strict-Transport-Security: max-age=31536000; includeSubDomains")
def hsts(site: Site) -> Fault:
    """HSTS holds for a year (GW-12)"""
    if not site.over_tls:
        return None
    value = site.get("/nowhere").header("Strict-Transport-Security")
    age = value.partition("max-age=")[2].partition(";")[0]
    return "" if age.isdigit() and int(age) >= YEAR else value or "it is missing"


@external("Refuse it (426), or close the port.")
def plain_http(site: Site) -> Fault:
    """plain http is refused

    A redirect would come after the password was sent.
    """
    if not site.over_tls:
        return None
    own = site.connection()
    ports = {own.port, *([] if site.port else [PLAIN_PORT])}
    statuses = {port: plain_status(site, own.host, port) for port in sorted(ports)}
    served = {p: s for p, s in statuses.items() if s and s not in REFUSED}
    return ", ".join(f"port {port} answers {status}" for port, status in served.items())


def plain_status(site: Site, host: str, port: int) -> int | None:
    """Of the API over plain http; None where the port does not speak it."""
    connection = http.client.HTTPConnection(host, port, timeout=3.0)
    with contextlib.closing(connection):
        try:
            connection.request("GET", ME, headers={"Host": site.host})
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None


@external("nginx/services/ has a location for openapi.json; restart the service.")
def schema(site: Site) -> Fault:
    """the OpenAPI documents are open or closed as DOCS_ENABLED says"""
    services = site.docs or {"auth": True, "users": True}
    status = {s: site.get(f"/api/v1/{s}/openapi.json").status for s in services}
    if site.docs is None:
        return Note(", ".join(f"{s} answers {code}" for s, code in status.items()))
    wanted = {service: 200 if docs else 404 for service, docs in services.items()}
    return ", ".join(f"{s}: {status[s]}" for s in services if status[s] != wanted[s])


@external(PROXY)
def request_id(site: Site) -> Fault:
    """a client's X-Request-ID reaches no service (GW-02)"""
    reply = site.get(ME, X_Request_ID=SPOOFED_ID)
    seen = {reply.body.get("request_id"), reply.header("X-Request-ID")}
    return "it can forge log lines" if SPOOFED_ID in seen or len(seen) != 1 else ""


@external(PROXY)
def forwarded_proto(site: Site) -> Fault:
    """a client's X-Forwarded-Proto reaches no service (GW-02)

    The admin accepts a form from the origin where it believes to be. It accepts the
    other scheme only where it believes a client's X-Forwarded-Proto.
    """
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


@external(PROXY)
def client_address(site: Site) -> Fault:
    """a client cannot choose its own address (BF-03)

    Services write the address to their log alone.
    """
    spoofed = {"X_Real_IP": SPOOFED_ADDRESS, "X_Forwarded_For": SPOOFED_ADDRESS}
    reply = site.get(ME, **spoofed, Forwarded=f"for={SPOOFED_ADDRESS}")
    seen = logged_address(site.logs, str(reply.body.get("request_id")))
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


def statement_of(check: Check) -> str:
    return str(check.__doc__).partition("\n")[0]


def examine(site: Site) -> Iterator[Finding]:
    """All that is seen from outside; only `reached` where the site does not answer."""
    for check, advice in CHECKS:
        try:
            fault = check(site)
        except (OSError, http.client.HTTPException) as exc:
            fault = f"no answer: {exc or type(exc).__name__}"
        if fault is None:
            continue
        name, statement = check.__name__, statement_of(check)
        verdict = "note" if isinstance(fault, Note) else "WRONG" if fault else "ok"
        text = f"{statement}: {fault}" if fault else statement
        yield Finding("gateway", name, verdict, text, advice if fault else "")
        if name == "reached" and fault and "no answer" in fault:
            return
