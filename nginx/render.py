#!/usr/bin/env python3
"""Render the gateway's Nginx configuration, natively and in containers alike.

    python3 nginx/render.py --env-file .env --output /etc/gateway \\
        --state /run/gateway --static /srv/static --access-log stdout \\
        --upstream auth=auth:8001 --upstream users=users:8000
    nginx -e stderr -c /etc/gateway/nginx.conf

Without --upstream, GATEWAY_UPSTREAM_AUTH=auth:8001 and its like in the environment name
the services: variables of several Compose files add up, where options replace another.

Standard library only: it runs before anything is installed. A wrong value ends it
with one line that names the variable or option (exit status 2) and nothing written.
"""

import argparse
import grp
import os
import pwd
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import directives
from directives import upstream
from gateway_settings import (
    Invalid,
    checked_settings,
    quotable,
    read_env_file,
    split,
)

SOURCE = Path(__file__).resolve().parent
UPSTREAM = "GATEWAY_UPSTREAM_"
TOKEN = re.compile(r"@([A-Z][A-Z0-9_]*)@")
Result = TypeVar("Result")


def main() -> int:
    options = parse_options()
    try:
        rendered = render(options)
        Path(options.state).mkdir(parents=True, exist_ok=True)
        for name, text in rendered.items():
            write(Path(options.output, name), text)
    except (Invalid, OSError) as exc:
        print(f"render.py: {exc}", file=sys.stderr)
        return 2
    return 0


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Render the gateway's configuration.")
    add = parser.add_argument
    add("--env-file", help="file of GATEWAY_* lines; the real environment wins")
    add("--upstream", action="append", metavar="NAME=HOST:PORT")
    add("--static", required=True, help="folder served under /static/")
    add("--state", required=True, help="folder for the pid and temporary files")
    add("--output", required=True, help="folder for the rendered files")
    add("--access-log", default="stdout", help="a file, or stdout")
    add("--user", help="the workers' user, for a master started by root")
    add("--resolver", help="DNS server to ask while running (Nginx 1.27.3 or newer)")
    return parser.parse_args()


def render(options: argparse.Namespace) -> dict[str, str]:
    """Every file of the configuration, by its name under the output folder."""
    env_file = Path(options.env_file) if options.env_file else None
    given = read_env_file(env_file) if env_file else {}
    settings = checked_settings(given | dict(os.environ))
    servers = upstreams(options.upstream, os.environ)
    tokens = setting_tokens(settings, env_file.parent if env_file else Path())
    tokens |= option_tokens(options, servers)
    return {
        str(source.relative_to(SOURCE)).removesuffix(".template"): fill(source, tokens)
        for source in sources(servers)
    }


def upstreams(options: list[str] | None, env: Mapping[str, str]) -> dict[str, str]:
    """Address of each service, by name. Where there are options the environment is not
    asked: it may be a person's."""
    if options:
        return dict(named("--upstream", upstream, item) for item in options)
    found = {
        name: f"{name.removeprefix(UPSTREAM).lower()}={address}"
        for name, address in sorted(env.items())
        if name.startswith(UPSTREAM) and address
    }
    if not found:
        raise Invalid("--upstream: no service is named")
    return dict(named(name, upstream, item) for name, item in found.items())


def sources(servers: Iterable[str]) -> list[Path]:
    """The templates: a service's routes are the file of its name."""
    services = []
    for name in servers:
        services.append(SOURCE / "services" / f"{name}.conf")
        if not services[-1].is_file():
            raise Invalid(f"--upstream: there is no nginx/services/{name}.conf")
    shell = ["nginx.conf.template", "gateway.conf.template", "mime.types"]
    includes = sorted(SOURCE.glob("includes/*.conf"))
    return [*(SOURCE / name for name in shell), *includes, *services]


def setting_tokens(settings: Mapping[str, str], base: Path) -> dict[str, str]:
    """@LOGIN_RATE@ is GATEWAY_LOGIN_RATE; what is a list becomes directives."""
    proxies = split(settings["GATEWAY_TRUSTED_PROXIES"])
    return {name.removeprefix("GATEWAY_"): text for name, text in settings.items()} | {
        "LISTEN": directives.listen(settings),
        "LISTEN_DEFAULT": directives.listen(settings, " default_server"),
        "SERVER_NAMES": " ".join(split(settings["GATEWAY_SERVER_NAMES"])),
        "REAL_IP_FROM": "\n".join(f"set_real_ip_from {net};" for net in proxies),
        "TRUSTED_PEERS": directives.lines(f"{net} 1;" for net in proxies),
        "ADMIN_ACCESS": directives.admin_access(settings),
        "RETRY_AFTER_LIMIT": directives.longest_wait(settings),
        "TLS": directives.tls(settings, base),
    }


def option_tokens(
    options: argparse.Namespace, servers: Mapping[str, str]
) -> dict[str, str]:
    log = options.access_log
    return {
        "STATE": named("--state", absolute, options.state),
        "STATIC": named("--static", absolute, options.static),
        "ACCESS_LOG": (
            "/dev/stdout" if log == "stdout" else named("--access-log", absolute, log)
        ),
        "USER": named("--user", user_directive, options.user),
        "UPSTREAMS": named(
            "--resolver", directives.upstreams, servers, options.resolver
        ),
        "SERVICES": directives.lines(
            f"include services/{name}.conf;" for name in servers
        ),
    }


def named(option: str, check: Callable[..., Result], *values: object) -> Result:
    """What the check returns; its complaint gets the option's name."""
    try:
        return check(*values)
    except Invalid as exc:
        raise Invalid(f"{option}: {exc}") from exc


def absolute(text: str) -> str:
    return quotable(str(Path(text).absolute()))


def user_directive(name: str | None) -> str:
    """With the group by name, too: not everybody's is called like the user."""
    if not name:
        return ""
    try:
        group = grp.getgrgid(pwd.getpwnam(name).pw_gid).gr_name
    except KeyError as exc:
        raise Invalid(f"{name!r} is not a user with a group") from exc
    return f"user {name} {group};"


def fill(source: Path, tokens: Mapping[str, str]) -> str:
    """The template with each @NAME@ replaced; a name nobody knows is an error."""

    def replace(match: re.Match[str]) -> str:
        if match[1] not in tokens:
            raise Invalid(f"{source.name}: unknown token {match[0]}")
        return tokens[match[1]]

    return TOKEN.sub(replace, source.read_text(encoding="utf-8"))


def write(target: Path, text: str) -> None:
    """Replace the file in one step: a reload never reads half of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(target)


if __name__ == "__main__":
    sys.exit(main())
