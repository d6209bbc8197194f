"""The gateway's settings: their names, defaults and what may be put into them.

Each value ends up inside the Nginx configuration, so each has a check that returns
it in one canonical spelling (lists joined by commas) or raises `Invalid`.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

# No underscore: Django refuses such a Host, whatever ALLOWED_HOSTS says (S2S-10).
LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
HOST = rf"{LABEL}(?:\.{LABEL})*"


class Invalid(ValueError):
    """A value that must not reach the configuration; the text is for the user."""


def split(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def port(text: str) -> str:
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        raise Invalid(f"{text!r} is not a port (1 to 65535)")
    return str(int(text))


def count(text: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]{0,6}", text):
        raise Invalid(f"{text!r} is not a whole number from 1 to 9999999")
    return text


def rate(text: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]{0,6}r/[sm]", text):
        raise Invalid(f"{text!r} is not a rate such as 30r/m or 20r/s")
    return text


def log_level(text: str) -> str:
    if text not in {"info", "notice", "warn", "error", "crit"}:
        raise Invalid(f"{text!r} is not one of info, notice, warn, error, crit")
    return text


def addresses(text: str) -> str:
    """IP addresses, those of version 6 in brackets."""
    try:
        found = [ipaddress.ip_address(item.strip("[]")) for item in split(text)]
    except ValueError as exc:
        raise Invalid(f"{text!r} is not a list of IP addresses") from exc
    if not found:
        raise Invalid("names no address")
    return ",".join(f"[{ip}]" if ip.version == 6 else str(ip) for ip in found)


def networks(text: str) -> str:
    try:
        found = [ipaddress.ip_network(item) for item in split(text)]
    except ValueError as exc:
        raise Invalid(f"{text!r} is not a list of networks ({exc})") from exc
    if any(network.prefixlen == 0 for network in found):
        raise Invalid(f"{text!r} covers every address")
    return ",".join(str(network) for network in found)


def server_names(text: str) -> str:
    """Host names, `*.` or `.` before them for all below, and addresses."""
    names = split(text)
    for name in names:
        if re.fullmatch(r"\[.+\]", name):
            addresses(name)
        elif not re.fullmatch(rf"(?:\*?\.)?{HOST}", name):
            raise Invalid(f"{name!r} is not a host name or address")
    if not names:
        raise Invalid("names no host")
    return ",".join(names)


def quotable(text: str) -> str:
    """A path that fits into a double-quoted string; Nginx cannot escape the rest."""
    if re.search(r'["$\\\x00-\x1f]', text):
        raise Invalid(f"{text!r} holds a character Nginx cannot quote")
    return text


class Setting(NamedTuple):
    default: str
    check: Callable[[str], str]
    meaning: str


SETTINGS = {
    "GATEWAY_PORT": Setting("8080", port, "port to listen on"),
    "GATEWAY_BIND": Setting("127.0.0.1", addresses, "addresses to listen on"),
    "GATEWAY_SERVER_NAMES": Setting(
        "localhost,127.0.0.1,[::1]", server_names, "hosts answered; others get 421"
    ),
    "GATEWAY_TRUSTED_PROXIES": Setting(
        "", networks, "networks whose X-Forwarded-For and -Proto are believed"
    ),
    "GATEWAY_ADMIN_NETWORKS": Setting(
        "", networks, "networks that may see /admin/; empty means all"
    ),
    "GATEWAY_LOGIN_RATE": Setting("30r/m", rate, "log-ins per address"),
    "GATEWAY_LOGIN_BURST": Setting("10", count, "log-ins above the rate"),
    "GATEWAY_REGISTER_RATE": Setting("10r/m", rate, "registrations per address"),
    "GATEWAY_REGISTER_BURST": Setting("5", count, "registrations above the rate"),
    "GATEWAY_REFRESH_RATE": Setting("60r/m", rate, "refreshes per address"),
    "GATEWAY_REFRESH_BURST": Setting("20", count, "refreshes above the rate"),
    "GATEWAY_API_RATE": Setting("20r/s", rate, "requests to services per address"),
    "GATEWAY_API_BURST": Setting("100", count, "requests above the rate"),
    "GATEWAY_CONNECTION_LIMIT": Setting("50", count, "requests at once per address"),
    "GATEWAY_TLS_CERTIFICATE": Setting("", quotable, "certificate chain; turns TLS on"),
    "GATEWAY_TLS_CERTIFICATE_KEY": Setting("", quotable, "the chain's private key"),
    "GATEWAY_ERROR_LOG_LEVEL": Setting(
        "crit", log_level, "from `error` down, messages quote whole request lines"
    ),
}


def read_env_file(file: Path) -> dict[str, str]:
    """The file's NAME=value lines; parsed, never sourced."""
    values = {}
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        name, equals, value = line.partition("=")
        if equals and not name.lstrip().startswith("#"):
            values[name.strip()] = value.strip()
    return values


def checked_settings(given: Mapping[str, str]) -> dict[str, str]:
    """All settings; an empty value, as compose passes a missing one, is the default."""
    checked = {}
    for name, setting in SETTINGS.items():
        try:
            checked[name] = setting.check(given.get(name) or setting.default)
        except Invalid as exc:
            raise Invalid(f"{name}: {exc}") from exc
    return checked
