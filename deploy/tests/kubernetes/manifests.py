"""The manifests as `kubectl kustomize` renders them, and the pods in them."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from copy import deepcopy
from functools import lru_cache
from typing import Any, NamedTuple

import pytest
import yaml

from deploy.tests.stack import ROOT

Document = dict[str, Any]
FOLDER = ROOT / "deploy" / "kubernetes"
OVERLAYS = sorted(path.name for path in FOLDER.glob("overlays/*"))
OLDEST = (5, 0)  # Kustomize: before it, `labels` cannot reach templates alone
NAME = "app.kubernetes.io/name"


class Pod(NamedTuple):
    """What a Deployment, StatefulSet, Job or CronJob runs."""

    kind: str
    name: str
    labels: dict[str, str]
    spec: Document
    owner: Document

    @property
    def containers(self) -> list[Document]:
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    @property
    def serves(self) -> bool:
        """Whether it is to run for ever."""
        return self.kind in ("Deployment", "StatefulSet")


@lru_cache
def kubectl() -> str:
    """The program. Without one that renders, the tests are skipped, loudly."""
    program = shutil.which("kubectl", path="/usr/local/bin:/usr/bin:/bin")
    if not program:
        pytest.skip("NOT TESTED: the manifests. There is no kubectl here.")
    shown = run(program, "version", "--client", "-o", "json")
    version = json.loads(shown).get("kustomizeVersion", "v0.0")
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < OLDEST:
        pytest.skip(f"NOT TESTED: the manifests. kubectl has Kustomize {version}.")
    return program


def run(*words: str) -> str:
    """Standard output. No settings of a user, so no cluster, is in reach."""
    env = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@lru_cache
def rendered(overlay: str) -> str:
    return run(kubectl(), "kustomize", str(FOLDER / "overlays" / overlay))


@lru_cache
def parsed(overlay: str) -> list[Document]:
    return list(yaml.load_all(rendered(overlay), yaml.CSafeLoader))


def documents(overlay: str) -> list[Document]:
    """Of one's own: a test may change them."""
    return deepcopy(parsed(overlay))


def of_kind(found: list[Document], *kinds: str) -> dict[str, Document]:
    """By their names."""
    return {doc["metadata"]["name"]: doc for doc in found if doc["kind"] in kinds}


def pods(found: list[Document]) -> Iterator[Pod]:
    for doc in found:
        spec = doc.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        template = spec.get("template", {})
        if doc["kind"] in ("Deployment", "StatefulSet", "Job", "CronJob"):
            labels = template["metadata"]["labels"]
            name = doc["metadata"]["name"]
            yield Pod(doc["kind"], name, labels, template["spec"], doc)


def matches(selector: Document, labels: dict[str, str]) -> bool:
    """As Kubernetes selects, of which we use equality and `In`."""
    assert not selector.keys() - {"matchLabels", "matchExpressions"}, selector
    wanted = selector.get("matchLabels", {}).items()
    for each in selector.get("matchExpressions", []):
        assert each["operator"] == "In", each
        if labels.get(each["key"]) not in each["values"]:
            return False
    return wanted <= labels.items()
