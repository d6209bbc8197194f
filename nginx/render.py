"""Render the gateway's Nginx configuration, natively and for containers.

    python3 nginx/render.py --output conf --state state --static static \\
        --upstream auth=127.0.0.1:8001 --upstream users=127.0.0.1:8000
    python3 nginx/render.py --compose --output .run/compose/gateway

Settings are environment variables. It uses the standard library alone. A wrong value
ends it with status 2 and one line that names the setting.
"""

import argparse
import contextlib
import ipaddress
import math
import os
import re
import socket
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

Settings = Mapping[str, str]
SOURCE = Path(__file__).resolve().parent
TOKEN = re.compile(r"@([A-Z][A-Z0-9_]*)@")
# No underscore: Django refuses such a Host, whatever ALLOWED_HOSTS says (S2S-10).
LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
HOST = rf"{LABEL}(?:\.{LABEL})*"
TLS_FILES = ("GATEWAY_TLS_CERTIFICATE", "GATEWAY_TLS_CERTIFICATE_KEY")
INDENTED = "\n    "
PORT = r"(?a)[1-9]\d{,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5]"


# Each check returns the value in its canonical spelling, or raises ValueError.
def match(pattern: str, meaning: str, text: str) -> str:
    if not re.fullmatch(pattern, text):
        raise ValueError(f"{text!r} is not {meaning}")
    return text


port = partial(match, PORT, "a port (1 to 65535)")
count = partial(match, "[1-9][0-9]{0,6}", "a whole number from 1 to 9999999")
workers = partial(match, "auto|[1-9][0-9]?", "auto or a number from 1 to 99")
rate = partial(match, "[1-9][0-9]{0,6}r/[sm]", "a rate such as 30r/m or 20r/s")
# At `info`, Nginx logs lines of requests before it has found their location (LOG-01).
log_level = partial(match, "notice|warn|error|crit", "a level from notice to crit")


def split(text: str, least: int = 0) -> list[str]:
    items = [item.strip() for item in text.split(",") if item.strip()]
    if len(items) < least:
        raise ValueError("the list is empty")
    return items


def without_zone(text: str) -> str:
    """The text. Nginx knows no zones, as in `fe80::1%eth0`."""
    return match("[^%]*", "without a zone", text)


def addresses(text: str) -> str:
    """IP addresses, those of version 6 in brackets."""
    found = [ipaddress.ip_address(item.strip("[]")) for item in split(text, least=1)]
    if len({*found}) < len(found):
        raise ValueError(f"{text!r} has an address twice")
    names = (f"[{ip}]" if ip.version == 6 else str(ip) for ip in found)
    return without_zone(",".join(names))


def networks(text: str) -> str:
    found = [ipaddress.ip_network(item) for item in split(text)]
    # The widest private network is fc00::/7.
    if any(network.prefixlen < 7 for network in found):
        raise ValueError(f"{text!r} covers addresses of strangers")
    return without_zone(",".join(map(str, found)))


def server_names(text: str) -> str:
    """Host names, with `*.` or `.` in front for all names below, and addresses."""
    for name in split(text, least=1):
        if re.fullmatch(r"\[.+\]", name):
            addresses(name)
        else:
            match(rf"(?:\*?\.)?{HOST}", "a host name or address", name)
    return ",".join(split(text))


def origins(text: str) -> str:
    """Origins as browsers send them; `null` for pages that have none."""
    pattern = (
        rf"null|[a-z][a-z0-9+.-]*://(?:{HOST}|\[[0-9a-f:.]+\])(?::[1-9][0-9]{{,4}})?"
    )
    for origin in split(text):
        match(pattern, "an origin such as https://app.example.com", origin)
    return ",".join(split(text))


def absolute(text: str) -> str:
    """A path that fits into a double-quoted string; Nginx cannot escape the rest."""
    path = str(Path(text).absolute())
    return match(r'[^"$\\\x00-\x1f]+', "a path that Nginx can quote", path)


def address(text: str) -> str:
    found = re.fullmatch(rf"({HOST}|\[[0-9a-f:]+\]):([0-9]+)", text)
    if not found:
        raise ValueError(f"{text!r} is not HOST:PORT")
    return f"{found[1]}:{port(found[2])}"


def instances(text: str) -> str:
    """Addresses of one service, or nothing."""
    found = [address(item) for item in split(text, least=1)] if text else []
    if len({*found}) < len(found):
        raise ValueError(f"{text!r} has an address twice")
    return ",".join(found)


def upstream(text: str) -> tuple[str, str]:
    """The name and the address in NAME=HOST:PORT."""
    name, _, where = text.partition("=")
    if not Path(SOURCE, f"services/{name}.conf").is_file():
        raise ValueError(f"there is no nginx/services/{name}.conf")
    return name, address(where)


# Default and check of each. docs/configuration.md says what they mean.
SETTINGS: dict[str, tuple[str, Callable[[str], str]]] = {
    "GATEWAY_PORT": ("8080", port),
    "GATEWAY_BIND": ("127.0.0.1", addresses),
    "GATEWAY_WORKERS": ("auto", workers),
    "GATEWAY_SERVER_NAMES": ("localhost,127.0.0.1,[::1]", server_names),
    "GATEWAY_TRUSTED_PROXIES": ("", networks),
    "GATEWAY_ADMIN_NETWORKS": ("", networks),
    "GATEWAY_LOGIN_RATE": ("30r/m", rate),
    "GATEWAY_LOGIN_BURST": ("10", count),
    "GATEWAY_REGISTER_RATE": ("10r/m", rate),
    "GATEWAY_REGISTER_BURST": ("5", count),
    "GATEWAY_REFRESH_RATE": ("60r/m", rate),
    "GATEWAY_REFRESH_BURST": ("20", count),
    "GATEWAY_API_RATE": ("20r/s", rate),
    "GATEWAY_API_BURST": ("100", count),
    "GATEWAY_CONNECTION_LIMIT": ("50", count),
    "GATEWAY_UPSTREAM_AUTH": ("", instances),
    "GATEWAY_UPSTREAM_USERS": ("", instances),
    "GATEWAY_RESOLVER": ("", lambda text: text and addresses(text)),
    "GATEWAY_TLS_CERTIFICATE": ("", str),
    "GATEWAY_TLS_CERTIFICATE_KEY": ("", str),
    "GATEWAY_ERROR_LOG_LEVEL": ("crit", log_level),
    # A setting of the services. The gateway's errors follow it too.
    "CORS_ALLOWED_ORIGINS": ("", origins),
}


def checked(name: str, check: Callable[[str], Any], text: str) -> Any:
    """Return what the check returns. Its error gets the setting's or option's name."""
    try:
        return check(text)
    except ValueError as exc:
        raise ValueError(f"{name}: {exc}") from exc


def listen(settings: Settings, suffix: str) -> str:
    hosts = split(settings["GATEWAY_BIND"])
    # Else another program on [::1] would answer for "localhost".
    if "127.0.0.1" in hosts and "[::1]" not in hosts:
        with contextlib.suppress(OSError):  # Many containers have no IPv6.
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
            hosts.append("[::1]")
    ssl = " ssl" if settings[TLS_FILES[0]] else ""
    number = settings["GATEWAY_PORT"]
    return INDENTED.join(f"listen {host}:{number}{ssl}{suffix};" for host in hosts)


def tls(settings: Settings, options: argparse.Namespace) -> str:
    """The TLS directives, or nothing. Relative paths start next to the root .env."""
    if not any(settings[name] for name in TLS_FILES):
        return ""
    tokens = {}
    for name in TLS_FILES:
        file = SOURCE.parent / settings[name]
        if not settings[name] or not file.is_file():
            raise ValueError(f"{name}: {settings[name]!r} is not a file")
        token = name.removeprefix("GATEWAY_")
        tokens[token] = checked(name, absolute, str(file))
        if options.compose:
            tokens[token] = f"/run/secrets/{token.lower()}"
    return fill("tls.template", tokens)


def upstreams(servers: Mapping[str, str], settings: Settings) -> str:
    """A block for each service, and the DNS servers that look up names at run time."""
    resolver = settings["GATEWAY_RESOLVER"]
    blocks = [f"resolver {resolver.replace(',', ' ')} valid=5s;"] if resolver else []
    resolve = " resolve" if resolver else ""
    for name, only in servers.items():
        several = split(settings.get(f"GATEWAY_UPSTREAM_{name.upper()}", ""))
        lines = [f"server {each} max_fails=0{resolve};" for each in several or [only]]
        tokens = {"NAME": name, "SERVERS": INDENTED.join(lines)}
        blocks.append(fill("upstream.template", tokens))
    return "\n\n".join(blocks)


def tokens_of(settings: Settings, options: argparse.Namespace) -> dict[str, str]:
    """The text for each @NAME@. For @LOGIN_RATE@ it is that of GATEWAY_LOGIN_RATE."""
    proxies = split(settings["GATEWAY_TRUSTED_PROXIES"])
    admins = [f"allow {net};" for net in split(settings["GATEWAY_ADMIN_NETWORKS"])]
    allowed = split(settings["CORS_ALLOWED_ORIGINS"])
    several = any(text for name, text in settings.items() if "_UPSTREAM_" in name)
    rates = [text.split("r/") for name, text in settings.items() if "_RATE" in name]
    waits = [(60 if unit == "m" else 1) / int(number) for number, unit in rates]
    return {name.removeprefix("GATEWAY_"): text for name, text in settings.items()} | {
        "LISTEN": listen(settings, ""),
        "LISTEN_DEFAULT": listen(settings, " default_server"),
        "SERVER_NAMES": settings["GATEWAY_SERVER_NAMES"].replace(",", " "),
        "REAL_IP_FROM": "\n".join(f"set_real_ip_from {net};" for net in proxies),
        "TRUSTED_PEERS": INDENTED.join(f"{net} 1;" for net in proxies),
        "ADMIN_ACCESS": INDENTED.join([*admins, "deny all;"] if admins else []),
        "CORS_VARY": "Origin" if allowed else '""',
        "CORS_ORIGINS": INDENTED.join(
            f'"~^Origin {re.escape(origin)}$" $http_origin;' for origin in allowed
        ),
        # The seconds after which each of the limits lets one more request pass.
        "RETRY_AFTER_LIMIT": str(math.ceil(max(waits))),
        "TLS": tls(settings, options),
        "STATE": checked("--state", absolute, options.state),
        "STATIC": checked("--static", absolute, options.static),
        "UPSTREAMS": upstreams(options.servers, settings),
        "NEXT_UPSTREAM": "error timeout" if several else "off",
        "SERVICES": INDENTED.join(f"include {name};" for name in options.routes),
    }


def fill(template: str, tokens: Mapping[str, str]) -> str:
    text = Path(SOURCE, template).read_text(encoding="utf-8")
    if unknown := set(TOKEN.findall(text)) - set(tokens):
        raise ValueError(f"{template}: unknown token @{min(unknown)}@")
    return TOKEN.sub(lambda found: tokens[found[1]], text)


def settings_for(options: argparse.Namespace) -> dict[str, str]:
    """All settings, checked. An empty value is the default."""
    given = dict(os.environ)
    if options.compose:
        given = {"GATEWAY_RESOLVER": "127.0.0.11"} | given  # Docker's DNS.
        # The memory of the container does not grow with the host's cores.
        given["GATEWAY_WORKERS"] = given.get("GATEWAY_WORKERS") or "2"
        given |= {"GATEWAY_PORT": "8080", "GATEWAY_BIND": "0.0.0.0"}  # noqa: S104
    return {
        name: checked(name, check, given.get(name) or default)
        for name, (default, check) in SETTINGS.items()
    }


def render(options: argparse.Namespace) -> dict[str, str]:
    """The text of every file, by its path in the output folder."""
    if options.compose:
        names = sorted(file.stem for file in SOURCE.glob("services/*.conf"))
        options.upstream = [f"{name}={name}:8000" for name in names]
    options.servers = dict(checked("--upstream", upstream, u) for u in options.upstream)
    options.routes = [f"services/{name}.conf" for name in options.servers]
    tokens = tokens_of(settings_for(options), options)
    names = ["nginx.conf.template", "gateway.conf.template", "mime.types"]
    names += [f"includes/{file.name}" for file in SOURCE.glob("includes/*.conf")]
    names += options.routes
    return {name.removesuffix(".template"): fill(name, tokens) for name in names}


def write(target: Path, text: str) -> None:
    """Replace the file in one step: a reload never reads half of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(target)


def main() -> None:
    parser = argparse.ArgumentParser(description="Render the gateway's configuration.")
    add = parser.add_argument
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument("--compose", action="store_true", help="for compose.yaml")
    kind.add_argument("--upstream", action="append", metavar="NAME=HOST:PORT")
    add("--static", default="/srv/static", help="folder served under /static/")
    add("--state", default="/tmp", help="folder for temporary files")  # noqa: S108
    add("--output", required=True, help="folder for the rendered files")
    options = parser.parse_args()
    try:
        for name, text in render(options).items():
            write(Path(options.output, name), text)
    except (ValueError, OSError) as exc:
        parser.exit(2, f"render.py: {exc}\n")


if __name__ == "__main__":
    main()
