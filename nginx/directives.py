"""Settings as Nginx directives: what a plain replacement in a template cannot say."""

import math
import re
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path

from gateway_settings import HOST, Invalid, addresses, port, quotable, split

# Idle connections are dropped before gunicorn (75 s) does it. A lone server is never
# taken out (max_fails=0): the first request after its restart is tried, not refused.
UPSTREAM = """\
upstream {name} {{
    {zone}server {address} max_fails=0{resolve};
    keepalive 32;
    keepalive_timeout 60s;
}}"""
# Of TLS 1.2, by name: what a selector means depends on the library of the machine.
# All have forward secrecy and authenticate what they encrypt.
CIPHERS = [
    f"ECDHE-{key}-{cipher}"
    for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
    for key in ("ECDSA", "RSA")
]


def lines(directives: Iterable[str]) -> str:
    return "\n    ".join(directives)


def listen(settings: Mapping[str, str], suffix: str = "") -> str:
    hosts = split(settings["GATEWAY_BIND"])
    # Else another program on [::1] would answer for "localhost".
    if "127.0.0.1" in hosts and "[::1]" not in hosts and ipv6_loopback_works():
        hosts.append("[::1]")
    if settings["GATEWAY_TLS_CERTIFICATE"]:
        suffix = f" ssl{suffix}"
    number = settings["GATEWAY_PORT"]
    return lines(f"listen {host}:{number}{suffix};" for host in hosts)


def ipv6_loopback_works() -> bool:
    """Containers often name ::1 in /etc/hosts and have IPv6 switched off."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def tls(settings: Mapping[str, str], base: Path) -> str:
    """The TLS directives, or nothing; relative paths start at the env file's folder."""
    names = ("GATEWAY_TLS_CERTIFICATE", "GATEWAY_TLS_CERTIFICATE_KEY")
    if not any(settings[name] for name in names):
        return ""
    files = []
    for name in names:
        file = Path(base, settings[name]).absolute()
        if not settings[name] or not file.is_file():
            raise Invalid(f"{name}: {settings[name]!r} is not a file")
        files.append(quotable(str(file)))
    return "\n".join(
        [
            f'ssl_certificate "{files[0]}";',
            f'ssl_certificate_key "{files[1]}";',
            "ssl_protocols TLSv1.2 TLSv1.3;",
            f"ssl_ciphers {':'.join(CIPHERS)};",
            "ssl_session_cache shared:tls:2m;",
            "# Their key would live as long as the process and open every session.",
            "ssl_session_tickets off;",
        ]
    )


def upstreams(servers: Mapping[str, str], resolver: str | None) -> str:
    """One block for each service, and how names are looked up while running."""
    blocks = [
        UPSTREAM.format(
            name=name,
            address=address,
            zone=f"zone {name} 64k;\n    " if resolver else "",
            resolve=" resolve" if resolver else "",
        )
        for name, address in servers.items()
    ]
    if resolver:
        blocks.insert(0, f"resolver {addresses(resolver)} valid=5s;")
    return "\n\n".join(blocks)


def upstream(text: str) -> tuple[str, str]:
    """The name and the address in NAME=HOST:PORT."""
    found = re.fullmatch(rf"([a-z][a-z0-9-]*)=({HOST}|\[[0-9a-f:]+\]):([0-9]+)", text)
    if not found:
        raise Invalid(f"{text!r} is not NAME=HOST:PORT")
    return found[1], f"{found[2]}:{port(found[3])}"


def admin_access(settings: Mapping[str, str]) -> str:
    allowed = [f"allow {item};" for item in split(settings["GATEWAY_ADMIN_NETWORKS"])]
    return lines([*allowed, "deny all;"] if allowed else [])


def longest_wait(settings: Mapping[str, str]) -> str:
    """Seconds after which every one of the limits lets one more request pass."""
    waits = []
    for limit in ("LOGIN", "REGISTER", "REFRESH", "API"):
        number, _, unit = settings[f"GATEWAY_{limit}_RATE"].partition("r/")
        waits.append(math.ceil((60 if unit == "m" else 1) / int(number)))
    return str(max(waits))
