"""`restore`: bring a backup back into this stack: docs/operations/backup.md.

Each database is restored next to the existing one. Every step that can fail works on
the new one. The last step renames both.
"""

import argparse
import contextlib
import os
import shutil
import tarfile
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from . import backup
from .problems import USAGE, Problem
from .servers import application, postgres, processes, supervisor
from .servers.postgres import NEW, OLD
from .servers.programs import Job, run
from .setup.files import locked, write_private
from .setup.layout import Layout, Service
from .setup.secretfiles import FACTOR_KEYS

PAIR = {"auth", "users"}


def restore(
    layout: Layout, options: argparse.Namespace, up: Callable[[Layout], None]
) -> None:
    """Check the backup, then replace the databases by it. `up` starts the stack."""
    folder = backup.caller_path(options.folder)
    manifest = backup.check(folder)
    chosen = _chosen(layout, manifest["files"], options.only)
    pair = PAIR & {service.name for service in chosen}
    if options.keep_sessions and pair != PAIR:
        text = "--keep-sessions needs both databases, auth and users, of one backup."
        hint = "Restore both, or omit --keep-sessions."
        raise Problem(text, hint=hint, code=USAGE)
    if not layout.keys.exists():
        _bring_settings(layout, folder, manifest["stack"])
    if not supervisor.is_running(layout):
        up(layout)
    supervisor.insist_on(layout, layout.programs)
    with locked(layout.state / "cli.lock"):
        names = {service.name for service in chosen}
        with _stopped(layout, names | PAIR if pair else names):
            _replace(layout, chosen, folder, keep_sessions=options.keep_sessions)
    print(f"memo: restored {', '.join(each.name for each in chosen)} from {folder}")


def _chosen(layout: Layout, files: Sequence[str], only: str | None) -> list[Service]:
    """The services to restore: those of the backup that this checkout has too."""
    services = [s for s in backup.auth_last(layout) if only in (None, s.name)]
    found = [s for s in services if backup.DUMP.format(s.name) in files]
    if not found:
        hint = f"Its files: {', '.join(files)}"
        raise Problem("The backup has no such database.", hint=hint, code=USAGE)
    present = {backup.DUMP.format(service.name) for service in layout.services}
    for name in {file for file in files if file.endswith(".dump")} - present:
        print(f"memo: {name} is not restored: this checkout has no such service")
    return found


def _bring_settings(layout: Layout, folder: Path, made_of: str) -> None:
    """Restore secrets, keys and `.env` files, only into a stack that has no keys yet: a
    key that was revoked after the backup must not come back."""
    if made_of != layout.stack:
        name = made_of or "the one without a name"
        raise Problem(f"The settings of this backup are of another stack: {name}.")
    layout.make_folders()
    files, draft = layout.all_env_files(), layout.keys.with_name("keys.new")
    shutil.rmtree(draft, ignore_errors=True)
    with tarfile.open(folder / backup.SETTINGS) as tar:
        for member in tar.getmembers():
            path = PurePosixPath(member.name)
            target = files.get(member.name.removeprefix("env/"))
            if path.parts[0] == "secrets" and ".." not in path.parts:
                target = layout.secrets.joinpath(*path.parts[1:])
            if target and layout.keys in target.parents:
                target = draft / target.relative_to(layout.keys)
            content = tar.extractfile(member) if member.isfile() else None
            if target and content:
                target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                write_private(target, content.read().decode(), member.mode & 0o700)
                os.utime(target, (member.mtime, member.mtime))  # the age of a key
    # The keys come last: a stack that has them is taken to have all.
    draft.rename(layout.keys)


def bring_factor_keys(layout: Layout, folder: Path) -> None:
    """Add the factor keys that encrypted secrets in the dump. The last name encrypts,
    so an existing newer key continues to do so."""
    with tarfile.open(folder / backup.SETTINGS) as tar:
        for member in tar.getmembers():
            path = PurePosixPath(member.name)
            target = layout.secrets / FACTOR_KEYS / path.name
            content = tar.extractfile(member) if member.isfile() else None
            is_key = path.parent == PurePosixPath("secrets", FACTOR_KEYS)
            if is_key and content and not target.exists():
                write_private(target, content.read().decode(), 0o400)


@contextlib.contextmanager
def _stopped(layout: Layout, names: Collection[str]) -> Iterator[None]:
    """Stop these services meanwhile: a write that they accept would be lost."""
    databases = (service.database for service in layout.services)
    processes.start_and_wait(layout, *databases, "redis")
    programs = [x for s in layout.services if s.name in names for x in s.programs]
    with locked(layout.state / processes.STARTS):
        try:
            for name in programs:
                supervisor.stop_program(layout, name)
            yield
        except BaseException:
            for name in programs:
                supervisor.start_program(layout, name)
            raise
        processes.start_and_wait(layout, *programs)


def _replace(
    layout: Layout, chosen: Sequence[Service], folder: Path, *, keep_sessions: bool
) -> None:
    for service in chosen:
        postgres.insist_on_own(layout, service)
    postgres.make_roles(layout)  # A database may be missing.
    layout.restoring.touch()
    try:
        for service in chosen:
            print(f"  {service.name} ...", flush=True)
            _load(layout, service, folder / backup.DUMP.format(service.name))
        print("  migrations, epochs, sessions, erasures ...", flush=True)
        _finish(layout, chosen, folder, keep_sessions=keep_sessions)
        _swap(layout, chosen)
    except BaseException:
        for service in chosen:
            postgres.drop(layout, service, NEW)
        layout.restoring.unlink()
        raise
    # Rights of a database are not in its dump. Also drops the databases from before: if
    # this is interrupted, the next `up` does it.
    postgres.make_roles(layout)


def _load(layout: Layout, service: Service, dump: Path) -> None:
    name, owner = service.name + NEW, f"{service.name}_owner"
    create = f'CREATE DATABASE "{name}" OWNER "{owner}" TEMPLATE template0'
    _sql(layout, service, create)
    words = ["--exit-on-error", f"--role={owner}", "-d", name, dump]
    postgres.call(layout, service, "pg_restore", *words)


def _finish(
    layout: Layout, chosen: Sequence[Service], folder: Path, *, keep_sessions: bool
) -> None:
    """Migrate the new databases, erase users again, and end sessions unless they are
    kept. The backup does not know which sessions ended after it, so every epoch is
    raised above all that auth has ever received."""
    restored = partial(_command, layout, chosen)
    bring_factor_keys(layout, folder)
    run(*(restored(service, "migrate", "--no-input") for service in chosen))
    if not PAIR & {service.name for service in chosen}:
        return
    erased = backup.merge_erasures(layout, folder)
    pair = [service for service in chosen if service.name in PAIR]
    run(*(restored(service, "eraseusers", erased) for service in pair))
    auth, users = (service for service in layout.services if service.name in PAIR)
    if not keep_sessions:
        highest = run(restored(auth, "highestepoch"))
        with contextlib.suppress(Problem):  # The old tables may be gone.
            highest += run(_command(layout, [], auth, "highestepoch"))
        above = max(int(text.split()[-1]) for text in highest)
        revoke = restored(auth, "revokesessions", "--all", "--noinput")
        run(restored(users, "raiseepochs", "--above", above), revoke)
    run(restored(auth, "republishsessions"))


def _command(
    layout: Layout, chosen: Sequence[Service], service: Service, *words: object
) -> Job:
    """A command of manage.py, on the restored database if there is one."""
    owner = words[0] == "migrate"
    env = application.environment(layout, service, owner=owner)
    if service in chosen and owner:
        env["MIGRATION_DATABASE_URL"] = postgres.url(layout, service, "owner") + NEW
    elif service in chosen:
        env["DATABASE_URL"] = postgres.url(layout, service, "app") + NEW
    env["AUDIT_LOG"] = f"{layout.logs}/{service.name}-audit.log"
    command = [layout.python, "manage.py", *words]
    return Job(f"{service.name}: {words[0]}", command, service.project, env)


def _swap(layout: Layout, chosen: Sequence[Service]) -> None:
    """Swap all or none, auth last: until then, users' epochs end the older sessions."""
    swapped: list[Service] = []
    try:
        for service in chosen:
            _rename(layout, service, ("", OLD), (NEW, ""))
            swapped.append(service)
    except BaseException:
        back = ("", NEW), (OLD, "")
        with contextlib.suppress(Problem):  # It may have been renamed, or not.
            _rename(layout, service, *back)
        for service in swapped:
            _rename(layout, service, *back)
        raise


def _rename(layout: Layout, service: Service, *pairs: tuple[str, str]) -> None:
    """Rename databases in one transaction, after their clients are disconnected."""
    name = service.name
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'"
    ends = [end.format(name + old) for old, _ in pairs]
    rename = 'ALTER DATABASE "{}" RENAME TO "{}"'
    renames = [rename.format(name + old, name + new) for old, new in pairs]
    _sql(layout, service, *ends, ";".join(renames))


def _sql(layout: Layout, service: Service, *statements: str) -> None:
    """Run the statements as the superuser, each in a transaction of its own."""
    words = [word for each in statements for word in ("-c", each)]
    postgres.psql(layout, service, *words)
