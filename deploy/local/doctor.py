"""`doctor`: examine this machine, each service, and the gateway from outside.

It changes nothing. It sends no API key to a port before it knows that a process of the
stack listens there: docs/operations/checks.md.
"""

import argparse
import contextlib
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from .external_checks import examine, finding, service_keys
from .servers import application, gateway, supervisor
from .setup import ports
from .setup.files import read_env
from .setup.layout import Layout, Service
from .setup.site import Site

FOUND_WRONG = 3
STARTS = "the service starts with its settings"


def run(layout: Layout, words: Sequence[str]) -> int:
    """Print the findings, each remedy after an arrow. Returns 3 if one is WRONG."""
    parser = argparse.ArgumentParser("doctor", description=__doc__)
    parser.add_argument("--url", type=_site)
    parser.add_argument("--mail", metavar="ADDRESS")
    options = parser.parse_args(words)
    counts = dict.fromkeys(("ok", "note", "WRONG"), 0)
    if options.mail:
        users = next(each for each in layout.services if each.name == "users")
        lines = lines_of(layout, users, "testmail", options.mail)
    else:
        lines = examine(options.url) if options.url else examine_stack(layout)
    for line in lines:
        print(line, flush=True)
        counts[line.split()[0]] += 1
    total = ", ".join(f"{number} {verdict}" for verdict, number in counts.items())
    print(f"{total}. See docs/operations/checks.md.")
    return FOUND_WRONG if counts["WRONG"] else 0


def _site(url: str) -> Site:
    """The site at this URL. argparse prints the text of this exception only."""
    try:
        return Site(url)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from None


def examine_stack(layout: Layout) -> Iterator[str]:
    """All findings. It calls the gateway, and does more than the services' system
    checks, only if the stack runs and no other program has its ports."""
    yield secrets(layout)
    runs = supervisor.is_running(layout)
    hint = f"{layout.command} up starts it, or says why it cannot."
    fault = "" if runs else "it does not; only settings and files are examined"
    yield finding("machine", "stack", "the stack runs", fault, hint, "note")
    if runs:
        stopped = ", ".join(supervisor.stopped(layout))
        hint = f"{layout.command} up starts them again, or says why it cannot."
        yield finding("machine", "programs", "no program is stopped", stopped, hint)
    written = {name: port for name, port in ports.written(layout).items() if port}
    intruders = {name: intruder(layout, port, runs) for name, port in written.items()}
    for name, found in intruders.items():
        choose = f"{name.upper()}_PORT=... {layout.command} up"
        hint = f"Stop that program, or choose another port: {choose}"
        text = f"no other program listens on port {written[name]}"
        yield finding("machine", f"port.{name}", text, found, hint)
    live = runs and not any(intruders.values())
    for service in layout.services:
        yield from ask(layout, service, live=live)
    if live:
        yield from examine_gateway(layout)


def examine_gateway(layout: Layout) -> Iterator[str]:
    """The findings from outside, by the public URL and with valid API keys."""
    settings, keys = read_env(layout.gateway_env), service_keys(layout.secrets)
    try:
        site = gateway.own_site(settings, settings["GATEWAY_PUBLIC_URL"], keys)
    except ValueError as exc:
        hint = f"Correct {layout.gateway_env}."
        yield finding("gateway", "url", "GATEWAY_PUBLIC_URL is a URL", str(exc), hint)
    else:
        yield from examine(site)


def secrets(layout: Layout) -> str:
    """Folders too: in one that others can write, they can add a public key of theirs,
    and services accept its tokens."""
    public, wrong = layout.keys / "public", []
    paths = [layout.secrets, *layout.secrets.rglob("*")]
    for path in filter(Path.exists, [*paths, *layout.all_env_files().values()]):
        is_private = path.is_file() and public not in path.parents
        found, refused = path.stat(), 0o077 if is_private else 0o022
        if found.st_mode & refused or found.st_uid != os.getuid():
            wrong.append(str(path))
    hint = "chown and chmod go= them. Remove public keys that are not yours. Replace"
    hint += " secrets that others may know."
    text = "keys, secrets and settings are this user's, and private but for public keys"
    return finding("machine", "files", text, ", ".join(wrong), hint)


def intruder(layout: Layout, port: int, runs: bool) -> str:
    """Another program that listens on a port of the stack; empty if there is none. The
    stack's own processes work in folders that the supervisor gives them."""
    found, folders = ports.listeners(port), []
    for pid in found or ():
        with contextlib.suppress(OSError):  # It has ended.
            folders.append(os.readlink(f"/proc/{pid}/cwd"))
    ours = [x for x in folders if runs and x.startswith(f"{layout.state}/")]
    is_ours = found is None or (ours and ours == folders)
    return "" if is_ours else ports.describe(port)


def ask(layout: Layout, service: Service, *, live: bool) -> Iterator[str]:
    """The findings of `manage.py doctor`; of its system checks alone if not `live`."""
    if not read_env(service.env_file) or not layout.python.exists():
        fault = f"no {service.env_file} or no Python packages yet"
        hint = f"{layout.command} up makes both."
        yield finding(service.name, "settings", STARTS, fault, hint, "note")
        return
    password = layout.secrets / "redis_admin_password"
    options = ["--redis-admin-password-file", password] if live else ["--checks"]
    yield from lines_of(layout, service, "doctor", *options)


def lines_of(layout: Layout, service: Service, *words: str | Path) -> Iterator[str]:
    """The findings of a service's command; its last line if it does not start."""
    done = subprocess.run(
        [layout.python, "manage.py", *words],
        cwd=service.project,
        env=application.environment(layout, service) | supervisor.concurrency(service),
        capture_output=True,
        text=True,
    )
    found = re.findall(r"^(ok|note|WRONG) +(\S.*)$", done.stdout, re.MULTILINE)
    for verdict, line in found:
        yield f"{verdict:<5} {service.name + ':':<8} {line}"
    if not found:
        fault = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        hint = f"Correct {service.env_file}. {layout.command} up adds missing settings."
        yield finding(service.name, "settings", STARTS, fault, hint)
