"""`doctor`: this machine, what each service finds itself, and the gateway from outside.

It changes nothing. It sends no API key to a port before it knows that a process of the
stack listens there: docs/operations/checks.md.
"""

import argparse
import contextlib
import json
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

from . import application, ports, supervisor
from .external_checks import Finding, examine
from .files import read_env, read_text
from .layout import Layout, Service
from .site import Site

FOUND_WRONG = 3
PATCHED_NGINX = [1, 30, 7]


def run(layout: Layout, words: Sequence[str]) -> int:
    """Print what was found, what to do after an arrow; 3 where something is WRONG."""
    parser = argparse.ArgumentParser("doctor", description=__doc__)
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--url", help="any deployment, from outside alone")
    options = parser.parse_args(words)
    try:
        site = Site(options.url.rstrip("/")) if options.url else None
    except ValueError as exc:
        parser.error(str(exc))
    found = list(examine(site) if site else examine_stack(layout))
    verdicts = [each.verdict for each in found]
    if options.json:
        print(json.dumps([asdict(finding) for finding in found], indent=1))
    else:
        for each in found:
            advice = f" -> {each.advice}" if each.advice else ""
            place = f"{each.where}: {each.id}"
            print(f"  {each.verdict:<5} {place:<29} {each.text}{advice}")
        counts = (f"{verdicts.count(each)} {each}" for each in ("ok", "note", "WRONG"))
        print(f"  {', '.join(counts)}; docs/operations/checks.md")
    return FOUND_WRONG if "WRONG" in verdicts else 0


def examine_stack(layout: Layout) -> Iterator[Finding]:
    """The gateway, and more of the services than their system checks, only where the
    stack runs and no other program has its ports."""
    runs = supervisor.is_running(layout)
    written = {name: port for name, port in ports.written(layout).items() if port}
    listeners = [listener(layout, *each, runs=runs) for each in written.items()]
    yield from [nginx(layout), secrets(layout), *listeners]
    live = runs and all(each.verdict == "ok" for each in listeners)
    with ThreadPoolExecutor() as pool:
        asked = pool.map(lambda each: ask(layout, each, live=live), layout.services)
        for found in asked:
            yield from found
    if live:
        yield from examine(own_site(layout, written[ports.GATEWAY]))


def own_site(layout: Layout, port: int) -> Site:
    """The stack's gateway by its port, with keys that are valid."""
    pairs = {"auth": "users_auth", "users": "auth_users"}
    files = {s: layout.secrets / f"{pair}_service_api_key" for s, pair in pairs.items()}
    settings = read_env(layout.gateway_env)
    closed = ("false", "0", "no", "off")  # the words of shared.env
    docs = {s.name: read_env(s.env_file).get("DOCS_ENABLED") for s in layout.services}
    return Site(
        settings["GATEWAY_PUBLIC_URL"],
        port=port,
        tls=bool(settings.get("GATEWAY_TLS_CERTIFICATE")),
        keys={service: read_text(path).strip() for service, path in files.items()},
        logs=sorted(layout.logs.glob("users-[1-9].log")),
        docs={name: str(text).lower() not in closed for name, text in docs.items()},
    )


def nginx(layout: Layout) -> Finding:
    """The one that `up` has found or unpacked; distributions patch older ones."""
    path, text = layout.servers / "nginx", "`up` finds it, or unpacks it"
    if path.exists():
        text = subprocess.run([path, "-v"], capture_output=True, text=True).stderr
    number = [int(digits) for digits in re.findall(r"\d+", text)[:3]]
    verdict = "ok" if number >= PATCHED_NGINX else "note"
    advice = "Use 1.30.7 or newer, unless your distribution has patched it."
    return Finding(
        "machine", "nginx", verdict, text.strip(), advice * (verdict != "ok")
    )


def secrets(layout: Layout) -> Finding:
    public = layout.keys / "public"
    paths = [p for p in layout.secrets.rglob("*") if public not in p.parents]
    paths += layout.all_env_files()
    open_to_others = [str(p) for p in paths if p.is_file() and p.stat().st_mode & 0o077]
    advice = "chmod 600 (a private key: 400), then replace them: others may know them."
    text = "only their owner can read files with secrets"
    return Finding.of("machine", "files", text, ", ".join(open_to_others), advice)


def listener(layout: Layout, name: str, port: int, *, runs: bool) -> Finding:
    """Only a running stack may listen on its ports: each of its processes works in a
    folder that the supervisor gives it."""
    found, folders = ports.holder(port), []
    for pid in found.pids if found else ():
        with contextlib.suppress(OSError):  # It has ended.
            folders.append(os.readlink(f"/proc/{pid}/cwd"))
    ours = [x for x in folders if runs and x.startswith(f"{layout.state}/")]
    fault = str(found) if found and (not ours or ours != folders) else ""
    advice = f"Stop it, or choose: {name.upper()}_PORT=... {layout.command} up"
    text = f"no other program listens on port {port}"
    return Finding.of("machine", f"port.{name}", text, fault, advice)


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
