"""A real Prometheus that scrapes the stack, with the rules of deploy/observe."""

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.problems import Problem
from deploy.local.servers import server_binaries
from deploy.tests.client import ApiClient
from deploy.tests.stack import ROOT, SERVICES, System, wait_until
from nginx.tests.gateway_stack import free_port

PROMETHEUS = server_binaries.Kind(
    ("prometheus",),
    "prometheus",
    r"--version version (\d+)\.(\d+)",
    (2,),
    ("promtool",),
)
OBSERVE = ROOT / "deploy" / "observe"
KEY = "metrics_{}_service_api_key"
WINDOW = 20  # seconds that the rates of hurried rules look back


def program(system: System, name: str = "prometheus") -> str:
    try:
        found = server_binaries.tool(system.layout, PROMETHEUS)
    except Problem as problem:
        pytest.skip(f"NO PROMETHEUS: {problem}")
    return str(Path(found).with_name(name))


def target(system: System, service: str) -> tuple[str, str]:
    """The address of a service, and the key for its metrics."""
    url = {"auth": system.auth_url, "users": system.users_url}[service]
    return url, system.secret(KEY.format(service))


def scrape(system: System, service: str) -> Iterator[tuple[str, dict[str, str], float]]:
    """Name, labels and value of all that a service counts, read as Prometheus does."""
    url, key = target(system, service)
    answer = ApiClient(url).get(f"/api/v1/{service}/metrics", auth=("metrics", key))
    assert answer.status_code == 200, answer.text
    for family in text_string_to_metric_families(answer.text):
        yield from (each[:3] for each in family.samples)


class Prometheus:
    """The example's configuration, every second, with this stack's addresses."""

    def __init__(self, system: System, folder: Path) -> None:
        self.folder = folder
        config = yaml.safe_load((OBSERVE / "prometheus.yml").read_text())
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        for job, service in zip(config["scrape_configs"], SERVICES, strict=True):
            key = system.state / "secrets" / KEY.format(service)
            job["basic_auth"]["password_file"] = str(key)
            url, _ = target(system, service)
            job["static_configs"] = [{"targets": [url.removeprefix("http://")]}]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        (folder / "rules.yml").write_text(hurried((OBSERVE / "rules.yml").read_text()))
        self.address = f"127.0.0.1:{free_port()}"
        self.client = ApiClient(f"http://{self.address}")

    def ask(self, path: str, **parameters: str) -> Any:
        answer = self.client.get(f"/api/v1/{path}", params=parameters).json()
        assert answer["status"] == "success", answer
        return answer["data"]

    def values(self, expression: str) -> dict[tuple[str, ...], float]:
        """By the values of the labels, in the order of their names."""
        found = self.ask("query", query=expression)["result"]
        return {
            tuple(value for name, value in sorted(each["metric"].items())): float(
                each["value"][1]
            )
            for each in found
        }

    def has_seen(self, moment: float) -> bool:
        """Whether each service has been scraped since. (`timestamp(up == 1)` would be
        the time of the query.)"""
        scraped = self.values("timestamp(up) and up == 1")
        return len(scraped) == len(SERVICES) and min(scraped.values()) > moment

    def after_a_scrape(self, expression: str) -> dict[tuple[str, ...], float]:
        now = time.time()
        wait_until(lambda: self.has_seen(now), 20, "a scrape")
        return self.values(expression)

    def firing(self) -> set[str]:
        alerts = self.ask("alerts")["alerts"]
        return {x["labels"]["alertname"] for x in alerts if x["state"] == "firing"}


def hurried(rules: str) -> str:
    """The rules with seconds in place of minutes; what is counted in days stays."""
    rules = re.sub(r"\[\d+m\]", f"[{WINDOW}s]", rules)
    rules = rules.replace(
        "sweep_last_success_seconds) > 60", "sweep_last_success_seconds) > 5"
    )
    return re.sub(r"for: \d+[mh]", "for: 0s", rules)


@contextmanager
def running(system: System, folder: Path) -> Iterator[Prometheus]:
    found = Prometheus(system, folder)
    command = [program(system), f"--config.file={folder / 'prometheus.yml'}"]
    command += [f"--storage.tsdb.path={folder / 'data'}"]
    command += [f"--web.listen-address={found.address}", "--log.level=warn"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["/usr/bin/setpriv", "--pdeathsig=TERM", *command], stdout=log, stderr=log
        )
    try:
        wait_until(lambda: answers(found, process), 30, "Prometheus")
        yield found
    finally:
        process.terminate()
        process.wait(20)


def answers(found: Prometheus, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, (found.folder / "log").read_text()
    try:
        return found.has_seen(0)
    except OSError:
        return False
