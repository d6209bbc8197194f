"""The gateway's configuration, which nginx/render.py writes."""

import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from deploy.local.setup.files import read_env, read_text
from deploy.local.setup.layout import Layout
from deploy.local.setup.site import Site

from .programs import Job, run


def check(layout: Layout) -> None:
    """Render the configuration next to the one in use, and have Nginx read it. Before
    the first `up`, and with containers, there may be no Nginx."""
    has_nginx = (layout.servers / "nginx").exists()
    with _scratch(layout) as state:
        (write if has_nginx else configure)(layout, state)


@contextmanager
def _scratch(layout: Layout) -> Iterator[Path]:
    """A folder next to the one in use."""
    state = layout.state / "gateway-check"
    try:
        yield state
    finally:
        shutil.rmtree(state, ignore_errors=True)


def write(layout: Layout, state: Path) -> None:
    """Render the configuration and have Nginx read it. A Problem names the fault."""
    state.mkdir(mode=0o700, exist_ok=True)
    configure(layout, state)
    nginx, config = layout.servers / "nginx", state / "conf" / "nginx.conf"
    test = [nginx, "-p", state, "-e", "stderr", "-c", config, "-t"]
    run(Job("Nginx's own check of its files", test, state, layout.base_env()))
    (state / "nginx.pid").unlink(missing_ok=True)  # `nginx -t` makes an empty one.


def configure(layout: Layout, state: Path) -> None:
    """Render the configuration for the services of this stack."""
    words = list[str | Path]()
    for service in layout.services:
        address = read_env(service.env_file).get("BIND", "127.0.0.1:1")
        words += ["--upstream", f"{service.name}={address}"]
    words += ["--static", layout.static, "--state", state]
    origins = {"CORS_ALLOWED_ORIGINS": allowed_origins(layout)}
    render(layout, state / "conf", *words, settings=origins)


def moves(layout: Layout) -> bool:
    """Whether the settings name other addresses than the configuration in use. Then
    Nginx has to stop: while it serves, it binds new addresses before it closes old
    ones, and cannot have 127.0.0.1 next to 0.0.0.0."""
    with _scratch(layout) as state:
        configure(layout, state)
        return _addresses(state) != _addresses(layout.gateway)


def _addresses(state: Path) -> list[str]:
    """Where the rendered configuration has Nginx listen."""
    text = read_text(state / "conf" / "gateway.conf")
    return re.findall(r"^ *listen (\S+:\d+)", text, re.MULTILINE)


def own_site(
    settings: Mapping[str, str], url: str = "", keys: Mapping[str, str] = {}
) -> Site:
    """The gateway where it listens, by this URL, else by a host that it serves."""
    tls = bool(settings.get("GATEWAY_TLS_CERTIFICATE"))
    names = (settings.get("GATEWAY_SERVER_NAMES") or "localhost").split(",")
    hosts = [name.strip().replace("*", "memo").removeprefix(".") for name in names]
    host = "localhost" if "localhost" in hosts else hosts[0]
    return Site(
        url or f"http{'s' * tls}://{host}",
        port=int(settings["GATEWAY_PORT"]),
        bind=settings.get("GATEWAY_BIND", "").partition(",")[0].strip(),
        tls=tls,
        keys=keys,
    )


def allowed_origins(layout: Layout) -> str:
    """Origins whose pages may read the gateway's errors: those of all services."""
    name = "CORS_ALLOWED_ORIGINS"
    lists = [read_env(service.env_file).get(name, "") for service in layout.services]
    return ",".join(dict.fromkeys(",".join(filter(None, lists)).split(",")))


def render(
    layout: Layout,
    output: Path,
    *words: object,
    settings: Mapping[str, str] = {},
) -> None:
    """Only write the files; for containers, with the word `--compose`. With containers,
    the gateway's `.env` has the services' settings, too."""
    command = [sys.executable, layout.root / "nginx" / "render.py", "--output", output]
    # render.py gets settings by its environment: one function alone reads `.env`.
    env = {**layout.base_env(), **read_env(layout.gateway_env), **settings}
    run(Job("gateway: render.py", [*command, *words], layout.state, env))
