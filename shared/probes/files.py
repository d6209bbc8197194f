"""Files that hold secrets: for the user of the service, and nobody else."""

from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from shared.doctor import Context, Finding, judge, probe


def secret_files() -> Iterator[Path]:
    """Those this service reads; of the others on its machine others know."""
    yield from settings.SECRET_FILES.values()
    if settings.ENV_FILE_NAMES.file:
        yield settings.ENV_FILE_NAMES.file
    private = getattr(settings, "JWT_PRIVATE_KEYS_DIR", None)
    if private is not None:
        yield from Path(private).glob("*.pem")


@probe
def modes(context: Context) -> Iterator[Finding]:
    paths = set(secret_files())
    found = [path.resolve() for path in paths if path.stat().st_mode & 0o077]
    yield judge(
        "files.modes",
        not found,
        f"none of {len(paths)} files with secrets can be read by others",
        f"others can read {', '.join(map(str, sorted(found)))}",
        "chmod 600 (a private key: 400), and take what was in it for known.",
    )
