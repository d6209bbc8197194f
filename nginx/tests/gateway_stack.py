"""A real Nginx with the rendered configuration, before stub services."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from deploy.tests.client import Response
from deploy.tests.waiting import wait_until
from deploy.tests.wire import WireClient
from nginx.tests.stub_service import Stub

ROOT = Path(__file__).resolve().parents[2]
RENDER = ROOT / "nginx" / "render.py"
NATIVE = ("--upstream=auth=127.0.0.1:8001", "--upstream=users=127.0.0.1:8000")
# High enough that only the tests of the limits meet them.
UNLIMITED = {
    f"GATEWAY_{limit}_{kind}": value
    for limit in ("LOGIN", "REGISTER", "REFRESH", "API")
    for kind, value in (("RATE", "10000r/s"), ("BURST", "10000"))
}


def find_nginx() -> str:
    """MEMO_NGINX, else the native stack's, else the system's."""
    places = (
        f"{ROOT / '.run' / 'engines'}:{os.environ['PATH']}:/usr/local/sbin:/usr/sbin"
    )
    found = os.environ.get("MEMO_NGINX") or shutil.which("nginx", path=places)
    assert found, "no nginx: run ./manage_all.sh test gateway once, or set MEMO_NGINX"
    return found


def free_port() -> int:
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """So many different ones."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in probes:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in probes]


class Gateway(WireClient):
    """A gateway, its services, and a client with one address."""

    is_local = False  # or every connection would come from another

    def __init__(self, folder: Path) -> None:
        # First, or one of them could get the port that was free for the gateway.
        self.auth, self.users = Stub("auth"), Stub("users")
        super().__init__(f"http://127.0.0.1:{free_port()}")
        self.folder = folder

    def get(self, path: str, **headers: str) -> Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("GET", path, named)

    def raw(self, data: bytes) -> bytes:
        """Everything that comes back for these bytes until the connection ends."""
        return self.exchange(data, seconds=5).data

    def access_log_of(self, requests: int) -> list[dict[str, Any]]:
        """The log's objects; a line comes when the connection has lingered out."""
        log = self.folder / "access.log"
        lines = lambda: log.read_text(encoding="utf-8").splitlines()  # noqa: E731
        wait_until(lambda: len(lines()) >= requests, 10, "lines in the access log")
        return [json.loads(line) for line in lines()]

    @property
    def answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    @property
    def error_log(self) -> str:
        return (self.folder / "stderr").read_text(encoding="utf-8")


def run_render(
    folder: Path, env: Mapping[str, str], *options: str
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(RENDER), "--output", str(folder / "conf")]
    if "--compose" not in options:
        command += [f"--{name}={folder / name}" for name in ("state", "static")]
    (folder / "state").mkdir(parents=True, exist_ok=True)
    clean = {k: v for k, v in os.environ.items() if not k.startswith("GATEWAY_")}
    return subprocess.run(
        [*command, *options],
        env={**clean, **env},
        capture_output=True,
        text=True,
        check=False,
    )


@contextmanager
def running_gateway(
    folder: Path,
    env: Mapping[str, str] | None = None,
    *options: str,
    edit: Mapping[str, str] | None = None,
) -> Iterator[Gateway]:
    """Nginx and two stubs; `edit` replaces text in the rendered files (timeouts)."""
    gateway = Gateway(folder)
    auth, users = gateway.auth, gateway.users
    settings = UNLIMITED | {"GATEWAY_PORT": str(gateway.port)} | dict(env or {})
    arguments = [f"--upstream=auth={auth.address}", f"--upstream=users={users.address}"]
    done = run_render(folder, settings, *arguments, *options)
    assert done.returncode == 0, done.stderr
    log = {"/dev/stdout": str(folder / "access.log")}
    replace_in(folder / "conf", log | dict(edit or {}))
    command = [find_nginx(), "-e", "stderr", "-c", str(folder / "conf" / "nginx.conf")]
    if os.geteuid() == 0:
        command += ["-g", "user root;"]  # Or the workers cannot enter pytest's folders.
    with (folder / "stderr").open("wb") as errors:
        process = subprocess.Popen(command, stderr=errors)
    try:
        wait_until(lambda: gateway.answers or process.poll(), 10, "start of nginx")
        assert process.poll() is None, gateway.error_log
        yield gateway
    finally:
        process.terminate()
        process.wait(10)
        for stub in (auth, users):
            stub.stop()


def replace_in(folder: Path, edit: Mapping[str, str]) -> None:
    for old, new in edit.items():
        files = [file for file in folder.rglob("*") if file.is_file()]
        hits = [file for file in files if old in file.read_text(encoding="utf-8")]
        assert hits, f"nothing rendered holds {old!r}"
        for file in hits:
            file.write_text(file.read_text(encoding="utf-8").replace(old, new))
