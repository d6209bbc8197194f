"""The services of the checkout: every folder `<name>_project` with a manage.py."""

import re
from dataclasses import dataclass
from pathlib import Path

from .layout import Layout
from .problems import Problem

SUFFIX = "_project"
NAME = re.compile(r"[a-z][a-z0-9_]{0,18}")
# Where `requests`, curl and the documentation of these two look first.
PREFERRED_PORTS = {"users": 8000, "auth": 8001}
FIRST_OTHER_PORT = 8002


@dataclass(frozen=True)
class Service:
    name: str
    project: Path
    preferred_port: int

    @property
    def database(self) -> str:
        """Name of the process that is this service's own PostgreSQL."""
        return f"{self.name}-db"

    @property
    def variable(self) -> str:
        """The service's name as it begins environment variables."""
        return self.name.upper()

    def env_file(self, layout: Layout) -> Path:
        if layout.stack:
            return layout.state / "env" / f"{self.name}.env"
        return self.project / ".env"

    def migrate_env_file(self, layout: Layout) -> Path:
        if layout.stack:
            return layout.state / "env" / f"{self.name}.migrate.env"
        return self.project / ".env.migrate"

    def ready_path(self) -> str:
        return f"/api/v1/{self.name}/health/ready"

    def live_path(self) -> str:
        return f"/api/v1/{self.name}/health/live"


def discover(root: Path) -> list[Service]:
    """All services, by name."""
    folders = sorted(path.parent for path in root.glob(f"*{SUFFIX}/manage.py"))
    services: list[Service] = []
    others = FIRST_OTHER_PORT
    for folder in folders:
        name = folder.name.removesuffix(SUFFIX)
        if not NAME.fullmatch(name):
            raise Problem(f"{folder.name}: a service's name is like `billing`.")
        port = PREFERRED_PORTS.get(name)
        if port is None:
            port, others = others, others + 1
        services.append(Service(name, folder, port))
    if not services:
        raise Problem(f"There is no *{SUFFIX} folder with a manage.py in {root}.")
    return services
