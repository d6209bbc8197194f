"""The sorts of servers we run: their programs, versions and packages."""

import re
from dataclasses import dataclass

Version = tuple[int, ...]


@dataclass(frozen=True)
class Kind:
    """A sort of server: its programs, what we ask of it, and its packages."""

    name: str
    programs: tuple[str, ...]
    version_option: str
    pattern: str
    least: Version
    packages: tuple[str, ...]
    beside: tuple[str, ...] = ()

    @property
    def floor(self) -> str:
        return ".".join(map(str, self.least))


POSTGRES = Kind(
    "PostgreSQL",
    ("postgres",),
    "--version",
    r"PostgreSQL\) (\d+)(?:\.(\d+))?",
    (15,),
    ("postgresql",),
    # A client-only installation has psql and no initdb.
    ("initdb", "psql"),
)
REDIS = Kind(
    "Redis",
    ("redis-server", "valkey-server"),
    "--version",
    r"v=(\d+)\.(\d+)\.(\d+)",
    (7,),
    ("redis-server", "valkey-server"),
)
NGINX = Kind(
    "Nginx",
    ("nginx",),
    "-v",
    r"nginx/(\d+)\.(\d+)\.(\d+)",
    (1, 22),
    ("nginx",),
)
KINDS = (POSTGRES, REDIS, NGINX)
# Where distributions keep PostgreSQL's programs, none of them in PATH.
POSTGRES_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/libexec/postgresql*",
)


def parse_version(kind: Kind, text: str) -> Version | None:
    match = re.search(kind.pattern, text)
    return tuple(int(part) for part in match.groups() if part) if match else None
