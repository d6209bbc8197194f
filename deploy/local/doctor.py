"""`doctor`: this machine, what each service finds itself, and the gateway from outside.

It changes nothing. It sends no API key to a port before it knows that a process of the
stack listens there: docs/operations/checks.md.
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

from . import application, gateway, ports, supervisor
from .external_checks import examine
from .files import read_env
from .layout import Layout, Service
from .site import Finding, Site

FOUND_WRONG = 3
GATEWAY = "gateway"
SPACE_NEEDED, SPACE_WANTED = 256 << 20, 2 << 30  # bytes
PATCHED_NGINX = (1, 30, 7)


def run(layout: Layout, words: Sequence[str]) -> int:
    """Print what was found; 3 where something is WRONG."""
    parser = argparse.ArgumentParser("doctor", description=__doc__)
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--url", help="any deployment, from outside alone")
    options = parser.parse_args(words)
    try:
        site = Site(options.url.rstrip("/")) if options.url else None
    except ValueError as exc:
        parser.error(str(exc))
    found = list(examine(site) if site else examine_stack(layout))
    if options.json:
        print(json.dumps([asdict(finding) for finding in found], indent=1))
    else:
        show(found)
    wrong = any(finding.verdict == "WRONG" for finding in found)
    return FOUND_WRONG if wrong else 0


def show(found: Sequence[Finding]) -> None:
    """A line for each finding; what to do follows the arrow."""
    for each in found:
        place = f"{each.where}: {each.id}"
        advice = f" -> {each.advice}" if each.advice else ""
        print(f"  {each.verdict:<5} {place:<29} {each.text}{advice}")
    verdicts = [each.verdict for each in found]
    counts = (f"{verdicts.count(each)} {each}" for each in ("ok", "note", "WRONG"))
    print(f"  {', '.join(counts)}; docs/operations/checks.md")


def examine_stack(layout: Layout) -> Iterator[Finding]:
    services = layout.services
    written = written_ports(layout, services)
    runs = supervisor.is_running(layout)
    machine = [nginx(layout), space(layout), secrets(layout, services)]
    machine += [listener(layout, name, port, runs) for name, port in written.items()]
    yield from machine
    strangers = any(f.verdict == "WRONG" and f.id.startswith("port.") for f in machine)
    live = runs and not strangers
    with ThreadPoolExecutor() as pool:
        for found in pool.map(lambda each: ask(layout, each, live=live), services):
            yield from found
    if live:
        yield from examine(own_site(layout, services, written[GATEWAY]))


def own_site(layout: Layout, services: Sequence[Service], port: int) -> Site:
    """The stack's gateway by its port, with keys that are valid."""
    pairs = {"auth": "users_auth", "users": "auth_users"}
    files = {s: layout.secrets / f"{pair}_service_api_key" for s, pair in pairs.items()}
    settings = read_env(layout.gateway_env)
    docs = {s.name: read_env(s.env_file).get("DOCS_ENABLED", "true") for s in services}
    return Site(
        settings["GATEWAY_PUBLIC_URL"],
        port=port,
        tls=gateway.uses_tls(settings),
        keys={service: path.read_text().strip() for service, path in files.items()},
        logs=sorted(layout.logs.glob("users-[1-9].log")),
        # The words are those of shared.env.
        docs={
            s: text.lower() not in ("false", "0", "no", "off")
            for s, text in docs.items()
        },
    )


# --- The machine ----------------------------------------------------------------------


def judge(identity: str, fault: str, text: str, advice: str) -> Finding:
    if not fault:
        return Finding("machine", identity, "ok", text)
    return Finding("machine", identity, "WRONG", f"{text}: {fault}", advice)


def nginx(layout: Layout) -> Finding:
    """The one that `up` has found or unpacked."""
    path = layout.servers / "nginx"
    if not path.exists():
        return Finding("machine", "nginx", "note", "`up` finds it, or unpacks it")
    done = subprocess.run([path, "-v"], capture_output=True, text=True)
    version = done.stderr.strip()
    number = tuple(int(digits) for digits in re.findall(r"\d+", version)[:3])
    if number >= PATCHED_NGINX:
        return Finding("machine", "nginx", "ok", version)
    advice = "Use 1.30.7 or newer, unless your distribution has patched it."
    verdict = "WRONG" if done.returncode else "note"
    return Finding("machine", "nginx", verdict, version, advice)


def space(layout: Layout) -> Finding:
    """PostgreSQL stops when the disk is full."""
    folder = layout.state if layout.state.exists() else layout.root
    free = shutil.disk_usage(folder).free
    text = f"{free >> 20} MiB of disk are free"
    if free >= SPACE_WANTED:
        return Finding("machine", "space", "ok", text)
    verdict = "WRONG" if free < SPACE_NEEDED else "note"
    return Finding("machine", "space", verdict, text, f"Make room at {folder}.")


def secrets(layout: Layout, services: Sequence[Service]) -> Finding:
    public = layout.keys / "public"
    paths = [p for p in layout.secrets.rglob("*") if public not in p.parents]
    paths += [layout.gateway_env]
    for service in services:
        paths += [service.env_file, service.migrate_env_file]
    open_to_others = [str(p) for p in paths if p.is_file() and p.stat().st_mode & 0o077]
    return judge(
        "files",
        ", ".join(open_to_others),
        "only their owner can read files with secrets",
        "chmod 600 (a private key: 400), then replace them: others may know them.",
    )


def written_ports(layout: Layout, services: Sequence[Service]) -> dict[str, int]:
    """By name of service, and `gateway`; empty before the first `init` or `up`."""
    found = {s.name: read_env(s.env_file).get("BIND", "") for s in services}
    found[GATEWAY] = ":" + read_env(layout.gateway_env).get("GATEWAY_PORT", "")
    texts = {name: text.rpartition(":")[2] for name, text in found.items()}
    return {name: int(port) for name, port in texts.items() if port}


def listener(layout: Layout, name: str, port: int, runs: bool) -> Finding:
    """Only a running stack may listen on its ports."""
    return judge(
        f"port.{name}",
        stranger(layout if runs else None, port),
        f"no other program listens on port {port}",
        f"Stop it, or choose: {name.upper()}_PORT=... {layout.command} up",
    )


def stranger(layout: Layout | None, port: int) -> str:
    """A program that listens on the port of this machine, and is not of the stack."""
    found = ports.holder(port)
    if found is None:
        return ""
    ours = found.pids and all(layout and is_ours(layout, pid) for pid in found.pids)
    return "" if ours else str(found)


def is_ours(layout: Layout, pid: int) -> bool:
    """By the folder it works in, which the supervisor gives it."""
    with contextlib.suppress(OSError):
        return os.readlink(f"/proc/{pid}/cwd").startswith(f"{layout.state}/")
    return False


# --- The services ---------------------------------------------------------------------


def ask(layout: Layout, service: Service, *, live: bool) -> list[Finding]:
    """What `manage.py doctor` finds; without a running stack its system checks."""
    if not read_env(service.env_file) or not layout.python.exists():
        text = "no settings or no Python packages yet: `up` writes and installs them"
        return [Finding(service.name, "settings", "note", text)]
    password = layout.secrets / "redis_admin_password"
    options = ["--redis-admin-password-file", password] if live else ["--checks"]
    done = subprocess.run(
        [layout.python, "manage.py", "doctor", "--json", *options],
        cwd=service.project,
        env=application.environment(layout, service),
        capture_output=True,
        text=True,
    )
    for line in done.stdout.splitlines():
        if line.startswith('[{"id"'):
            return [Finding(service.name, **each) for each in json.loads(line)]
    text = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
    advice = f"{service.env_file}; docs/operations/checks.md"
    return [Finding(service.name, "settings", "WRONG", text, advice)]
