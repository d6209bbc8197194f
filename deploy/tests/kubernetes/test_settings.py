"""Settings and secrets: what production needs is there, and comes from a Secret that
the commands of docs/operations/kubernetes.md make."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from deploy.local.setup import secretfiles
from deploy.tests.compose.compose_file import SERVICES
from deploy.tests.stack import ROOT
from shared.keys import signing_keys

from .manifests import FOLDER, OVERLAYS, Document, Pod, documents, of_kind, pods

PAGE = (ROOT / "docs/operations/kubernetes.md").read_text()
# Which service each runs, by the setting that leads to the other one.
OF = {"auth": "auth", "auth-migrate": "auth", "auth-clean-up": "auth"}
OF |= {"users": "users", "users-worker": "users", "users-migrate": "users"}
COMMAND = re.compile(r"^kubectl create secret \w+ (\S+)((?:.*\\\n)*.*)$", re.M)
# A folder has no names of keys: each of its files is one.
KEY = re.compile(r"--(?:from-\w+=(?=[\w.-]+=)|cert=|key=)([\w.-]+)")
SECRETS = {name: {*KEY.findall(options)} for name, options in COMMAND.findall(PAGE)}
# The operator of PostgreSQL makes them.
MADE = {"auth-db-ca": {"ca.crt"}, "users-db-ca": {"ca.crt"}}


def pod(found: list[Document], name: str) -> Pod:
    return next(pod for pod in pods(found) if pod.name == name)


def environment(found: list[Document], name: str) -> dict[str, str]:
    """Of the container that has the name of its pod, with what ConfigMaps give it."""
    maps = {doc: text["data"] for doc, text in of_kind(found, "ConfigMap").items()}
    (container,) = (c for c in pod(found, name).containers if c["name"] == name)
    env: dict[str, str] = {}
    for source in container["envFrom"]:
        env |= maps[source["configMapRef"]["name"]]
    for each in container["env"]:
        reference = each.get("valueFrom", {}).get("configMapKeyRef")
        env[each["name"]] = (
            maps[reference["name"]][reference["key"]]
            if reference
            else each.get("value", "10.1.2.3")  # the pod's address
        )
    return env


def files(found: list[Document], name: str) -> dict[str, tuple[str, str]]:
    """Path in the container -> the Secret and its key."""
    volumes = {v["name"]: v for v in pod(found, name).spec["volumes"]}
    places = {}
    for container in pod(found, name).containers:
        for mount in container["volumeMounts"]:
            for secret, items in sources(volumes.get(mount["name"], {})):
                for key, path in items.items():
                    places[f"{mount['mountPath']}/{path}"] = secret, key
    return places


def sources(volume: Document) -> list[tuple[str, dict[str, str]]]:
    """The Secrets of a volume, and under which path each key is there."""
    found = [s["secret"] for s in volume.get("projected", {}).get("sources", [])]
    found += [volume["secret"]] if "secret" in volume else []
    named = [(x.get("name") or x["secretName"], x.get("items")) for x in found]
    places = []
    for name, items in named:
        keys = {key: key for key in (SECRETS | MADE)[name]}
        places.append((name, {i["key"]: i["path"] for i in items} if items else keys))
    return places


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("name", OF)
def test_every_setting_without_a_default_is_given(overlay: str, name: str) -> None:
    """And all that containers have elsewhere; but the folder of mails is for
    development."""
    env = environment(documents(overlay), name)
    text = (ROOT / "shared/settings.py").read_text()
    text += (ROOT / f"{OF[name]}_project/config/settings.py").read_text()
    needed = set(re.findall(r"env\.(?:str|list|folder|redis)\(\"([A-Z_]+)\"\)", text))
    given = {key.removesuffix("_FILE") for key in env}
    assert {"SECRET_KEY", "REDIS_URL", "JWT_ISSUER"} <= needed <= given
    if name in SERVICES or name in ("auth-migrate", "users-migrate"):
        # The image has a folder for metrics.
        elsewhere = {"MAIL_FOLDER", "PROMETHEUS_MULTIPROC_DIR"}
        assert SERVICES[name]["environment"].keys() - env.keys() <= elsewhere


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_file_of_a_secret_is_in_the_table(overlay: str) -> None:
    """No secret is in the environment of a pod, nor in the manifests."""
    found = documents(overlay)
    assert not of_kind(found, "Secret")
    assert "secretKeyRef" not in str(found)
    assert "secretRef" not in str(found)
    for name in OF:
        places = files(found, name)
        for key, value in environment(found, name).items():
            if re.search(r"PASSWORD|SECRET|API_KEY", key):
                assert key.endswith("_FILE"), key
                assert value in places, f"{name}: {value}"
            elif "_URL" in key:
                assert not re.search(r"//[^/@]*:[^/@]*@", value), key
        for secret, key in places.values():
            assert key in (SECRETS | MADE)[secret]


def test_no_pod_gets_a_secret_of_another() -> None:
    found = documents("production") + documents("small")
    owners = {p.name for p in pods(found) if "auth-db-owner" in str(p.spec)}
    assert owners == {"auth-migrate", "auth-db", "backup"}
    signers = {p.name for p in pods(found) if "jwt-private-keys" in str(p.spec)}
    assert signers == {name for name, service in OF.items() if service == "auth"}
    for each in pods(found):
        for volume in each.spec["volumes"]:
            for secret, items in sources(volume):
                own = OF.get(each.name, each.name).removesuffix("-db")
                assert items.keys() <= (SECRETS | MADE)[secret]
                assert secret.startswith((own, "jwt-")) or each.name == "backup"
                assert "ca.key" not in items


def test_the_commands_take_every_secret_file_of_a_deployment() -> None:
    """They make the Secrets of what `init` wrote."""
    lines = re.findall(r"\.secrets/(\w+)", PAGE)
    wanted = {secretfiles.REDIS_ADMIN}
    for name, other in (("auth", "users"), ("users", "auth")):
        wanted |= {f"{name}_{kind}" for kind in secretfiles.KINDS}
        wanted |= {secretfiles.KEY.format(name, other), secretfiles.LIST.format(name)}
    assert wanted <= {*lines}


@pytest.mark.parametrize(
    "name", ["auth-migrate", pytest.param("users-migrate", marks=pytest.mark.verify)]
)
def test_production_starts_with_the_settings_of_the_overlay(
    name: str, tmp_path: Path
) -> None:
    """The step that Jobs begin with, with new secrets in place of mounted ones."""
    env = environment(documents("production"), name)
    signing_keys.generate(tmp_path / "keys")
    random = [secretfiles.secrets.token_urlsafe(48) for _ in env]
    for key, text in zip(env, random, strict=True):
        if key.endswith("_FILE"):
            caller = "users" if OF[name] == "auth" else "auth"
            is_list = key == "INTERNAL_API_KEYS_FILE"
            env[key] = str(tmp_path / key)
            Path(env[key]).write_text(f"{caller}={text}" if is_list else text)
        elif key.startswith("JWT_") and key.endswith("_DIR"):
            env[key] = env[key].replace("/run", str(tmp_path))
    env |= {"ENV_FILE": os.devnull, "PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    check = "manage.py check --deploy --fail-level WARNING"
    done = subprocess.run(
        [sys.executable, *check.split()],
        cwd=ROOT / f"{OF[name]}_project",
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_operator_of_postgresql_gives_the_rights_of_roles_sql() -> None:
    text = (ROOT / "deploy/postgres/roles.sql").read_text()
    pattern = r"^(?:GRANT|REVOKE|ALTER SCHEMA|ALTER DEFAULT|ALTER ROLE \S+ SET)\b[^;]*;"
    rights = re.findall(pattern, text, re.M)
    assert len(rights) >= 8
    for name in ("auth", "users"):
        written = (FOLDER / f"overlays/production/{name}.sql").read_text()
        for right in rights:
            for word in ("_owner", "_app"):
                right = right.replace(f':"{word[1:]}"', f"{name}{word}")
            assert right.replace(':"service"', name) in written
        # Or no replica rejoins after a failover, and the exporter reads nothing.
        _, after = written.split("REVOKE ALL ON DATABASE postgres FROM PUBLIC;")
        assert "GRANT CONNECT ON DATABASE postgres TO PUBLIC;" in after
        assert f"GRANT CONNECT ON DATABASE {name} TO pg_monitor;" in after


def test_the_operator_of_postgresql_follows_every_password() -> None:
    """It follows changes of Secrets with this label only."""
    pattern = r"kubectl label secret((?: [\w-]+)+) \\\n +cnpg\.io/reload=true "
    (names,) = re.findall(pattern, PAGE)
    used = set()
    for cluster in of_kind(documents("production"), "Cluster").values():
        spec = cluster["spec"]
        used.add(spec["bootstrap"]["initdb"]["secret"]["name"])
        used |= {x["passwordSecret"]["name"] for x in spec["managed"]["roles"]}
    assert {*names.split()} == used


def test_the_gateway_tries_another_pod(tmp_path: Path) -> None:
    """By its own script, in which this folder stands for those of the pod."""
    text = (FOLDER / "base/gateway.yaml").read_text()
    (deployment,) = (
        each for each in yaml.safe_load_all(text) if each["kind"] == "Deployment"
    )
    (init,) = deployment["spec"]["template"]["spec"]["initContainers"]
    script = init["command"][-1].replace("python /app", f"{sys.executable} {ROOT}")
    for path in ("/etc/resolv.conf", "/etc/gateway"):
        script = script.replace(path, f"{tmp_path}/{Path(path).name}")
    dns = "search memo.svc.cluster\nnameserver 10.1.2.3\n"
    (tmp_path / "resolv.conf").write_text(dns)
    env = {"PATH": os.defpath}
    subprocess.run(["sh", "-ec", script], cwd=tmp_path, env=env, check=True)
    written = "".join(path.read_text() for path in tmp_path.glob("gateway/**/*.conf"))
    assert "proxy_next_upstream error timeout;" in written
    assert "server users.memo.svc.cluster:8000 max_fails=0 resolve;" in written


@pytest.mark.parametrize("name", ["auth", "users"])
def test_a_name_is_looked_up_for_two_seconds_at_most(name: str) -> None:
    """S2S-04, DATA-05: with the resolver's defaults, calls would take 10 s more."""
    for overlay in OVERLAYS:
        config = pod(documents(overlay), name).spec["dnsConfig"]
        options = {each["name"]: int(each["value"]) for each in config["options"]}
        assert options["timeout"] * options["attempts"] <= 2


def test_a_service_is_behind_a_pooler_in_production_and_nothing_else_is() -> None:
    found = documents("production")
    pooled = {n for n in OF if "-pooler:" in str(environment(found, n))}
    modes = {n: environment(found, n).get("DATABASE_POOLER") for n in OF}
    configured = {n for n in OF if modes[n] == "transaction"}
    assert pooled == configured == {"auth", "users"}
    for name in OF:
        urls = re.findall(r"postgres://\S+?(?=')", str(environment(found, name)))
        assert len(urls) == 1
        assert "sslmode=verify-" in urls[0]
        assert "/run/database/ca.crt" in urls[0]
        writes = "target_session_attrs=read-write" in urls[0]
        assert writes == (name not in pooled)
