"""`backup`: the databases, keys, secrets and settings of a stack in one folder.

The folder gets its final name when it is complete. Its manifest has the size and the
SHA-256 of every file: docs/operations/backup.md.
"""

import hashlib
import json
import os
import pwd
import shutil
import tarfile
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .problems import Problem
from .servers import postgres, supervisor
from .setup.files import locked, read_env, read_text, write_private
from .setup.layout import Layout, Service

MANIFEST, SETTINGS, DUMP = "manifest.json", "settings.tar", "{}.dump"
ERASURES = "erasures.log"


def backup(layout: Layout, name: str | None) -> None:
    """Write a backup into a new folder."""
    made = datetime.now(UTC)
    own = f"{layout.stack or 'memo'}-"
    default = layout.backups / f"{own}{made:%Y%m%dT%H%M%SZ}"
    target = caller_path(name) if name else default
    supervisor.insist_on(layout, [service.name for service in layout.services])
    # Another command may write the same folder now.
    with locked(layout.state / "cli.lock"):
        for left in layout.backups.glob(f".{own}????????T??????Z.new"):
            shutil.rmtree(left)  # A killed command's.
        _write(layout, target, made)
    print(f"memo: backup {target}\n  It contains secrets in clear text. Keep it safe.")


def _write(layout: Layout, target: Path, made: datetime) -> None:
    if target.exists():
        raise Problem(f"{target} exists already.", hint="Name a new folder.")
    draft = target.with_name(f".{target.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        draft.mkdir(mode=0o700, parents=True)
    except OSError as exc:
        user = pwd.getpwuid(os.geteuid()).pw_name
        text = f"{target} cannot be written by {user}: {exc.strerror}."
        raise Problem(text) from exc
    try:
        _write_files(layout, draft, made)
        os.sync()
        draft.rename(target)
        _note(layout, made)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def caller_path(name: str) -> Path:
    """A path as the user typed it."""
    return Path(os.environ.get("MEMO_CALLER_DIR", ""), name).absolute()


def auth_last(layout: Layout) -> list[Service]:
    """All services, auth last: its dump has every logout from before other dumps."""
    return sorted(layout.services, key=lambda service: service.name == "auth")


def erasures_file(layout: Layout) -> Path:
    """The list of erased users, with times, that the User Service writes."""
    users = next(service for service in layout.services if service.name == "users")
    try:
        written = read_env(users.env_file).get("ERASURES_FILE")
    except ImportError:  # `destroy`, which deletes the first list, but no other file
        written = ""
    return users.project / (written or _first_erasures(layout))


def _first_erasures(layout: Layout) -> Path:
    """The list until its setting names another file, which has only later ones."""
    return layout.erasures / "users.log"


def merge_erasures(layout: Layout, folder: Path) -> Path:
    """Add the erasures of a backup, and those of a stack that was destroyed, to the
    stack's file, which is returned. No worker may run meanwhile."""
    file = erasures_file(layout)
    write_private(file, _erasures(layout, folder / ERASURES, _kept_erasures(layout)))
    return file


def keep_erasures(layout: Layout) -> None:
    """Leave the erasures with the backups, which outlive this stack, here or in folders
    that were named."""
    kept = _kept_erasures(layout)
    if lines := _erasures(layout, kept):
        layout.backups.mkdir(mode=0o700, exist_ok=True)
        write_private(kept, lines)


def _kept_erasures(layout: Layout) -> Path:
    """Each stack has its own: a user may be erased in one and live in another."""
    return layout.backups / "-".join(filter(None, [layout.stack, ERASURES]))


def _erasures(layout: Layout, *others: Path) -> str:
    """The lines of the stack's lists and of these. Each may lack some, or not exist."""
    texts = map(read_text, (erasures_file(layout), _first_erasures(layout), *others))
    lines = dict.fromkeys(line for text in texts for line in text.splitlines())
    return "".join(f"{line}\n" for line in lines)


def check(folder: Path) -> dict[str, Any]:
    """Return the manifest. Raises Problem unless exactly its files exist, unchanged."""
    if not folder.is_dir():
        raise Problem(f"There is no folder {folder}.")
    if not (folder / MANIFEST).is_file():
        raise Problem(f"{folder} is not a complete backup: it has no {MANIFEST}.")
    there = {x.name: described(x) for x in folder.iterdir() if x.name != MANIFEST}
    try:
        manifest: dict[str, Any] = json.loads(read_text(folder / MANIFEST))
        written, _ = manifest["files"], manifest["stack"]
        names = sorted({*there, *written})
        wrong = [name for name in names if there.get(name) != written.get(name)]
    except (ValueError, TypeError, KeyError, AttributeError):  # of another form
        wrong = [MANIFEST]
    if wrong:
        text = f"In {folder} these files are missing, changed or added"
        hint = "Use an unchanged copy of the backup."
        raise Problem(f"{text}: {', '.join(wrong)}.", hint=hint)
    return manifest


def _write_files(layout: Layout, draft: Path, made: datetime) -> None:
    for service in auth_last(layout):
        postgres.insist_on_own(layout, service)
        print(f"  {service.name} ...", flush=True)
        dump = draft / DUMP.format(service.name)
        postgres.call(layout, service, "pg_dump", "-Fc", "-f", dump, service.name)
    # After the dumps, so that they have every erasure and key that a dump depends on.
    write_private(draft / ERASURES, _erasures(layout))
    with tarfile.open(draft / SETTINGS, "w") as tar:
        tar.add(layout.secrets, "secrets")
        for name, path in layout.all_env_files().items():
            tar.add(path, f"env/{name}")
    project = tomllib.loads(read_text(layout.root / "pyproject.toml"))["project"]
    server = postgres.psql(layout, layout.services[0], "-c", "SHOW server_version")
    manifest = {
        "made": made.isoformat(timespec="seconds"),
        "stack": layout.stack,
        "versions": {"memo": project["version"], "postgresql": server},
        "files": {path.name: described(path) for path in sorted(draft.iterdir())},
    }
    write_private(draft / MANIFEST, json.dumps(manifest, indent=2) + "\n")


def _note(layout: Layout, made: datetime) -> None:
    """Note the time in the databases: a metric is the age of the last backup."""
    for service in layout.services:
        text = f"memo backup {made.isoformat(timespec='seconds')}"
        note = f"COMMENT ON DATABASE \"{service.name}\" IS '{text}'"
        postgres.call(layout, service, "psql", "-Xqd", service.name, "-c", note)


def described(path: Path) -> dict[str, object]:
    """The manifest's entry for a file; empty for anything that is not a file."""
    if not path.is_file():
        return {}
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"bytes": path.stat().st_size, "sha256": digest}
