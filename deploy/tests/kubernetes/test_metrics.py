"""Prometheus, as deploy/observe/kubernetes.yml configures it, finds every process that
counts, and is answered."""

import re

import pytest
import yaml

from .manifests import NAME, OVERLAYS, ROOT, Document, Pod, documents, of_kind, pods

CONFIG = yaml.safe_load((ROOT / "deploy/observe/kubernetes.yml").read_text())
JOBS: dict[str, Document] = {job["job_name"]: job for job in CONFIG["scrape_configs"]}
FOLDER = "PROMETHEUS_MULTIPROC_DIR"


def found_by(job: Document, found: list[Document]) -> list[Pod]:
    (config,) = job["kubernetes_sd_configs"]
    (selector,) = config["selectors"]
    words = re.fullmatch(rf"{NAME} in \((.*)\)", selector["label"])
    assert words, selector
    assert config["namespaces"] == {"names": [*of_kind(found, "Namespace")]}
    return [pod for pod in pods(found) if pod.labels[NAME] in words[1].split(", ")]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_pod_of_a_service_is_a_target(overlay: str) -> None:
    """By its address, which is not what other services call it."""
    found, targets = documents(overlay), set()
    for job in ("auth", "users", "users-worker"):
        name = job.removesuffix("-worker")
        for pod in found_by(JOBS[f"memo-{job}"], found):
            targets.add(pod.name)
            (answering,) = (x for x in pod.containers if "ports" in x)
            assert answering["ports"] == [{"name": "http", "containerPort": 8000}]
            assert answering["image"].startswith(f"memo/{name}:")
            env = {each["name"]: each for each in answering["env"]}
            address = {"fieldRef": {"fieldPath": "status.podIP"}}
            assert env["POD_IP"]["valueFrom"] == address
            hosts = env["INTERNAL_HOSTS"]["value"].split(",")
            assert hosts == [name, "$(POD_IP)", "[$(POD_IP)]"]
    ours = {p.name for p in pods(found) if p.serves and "memo/" in str(p.containers)}
    assert targets == ours - {"gateway"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_the_worker_counts_is_in_the_folder_of_what_answers(overlay: str) -> None:
    (worker,) = (pod for pod in pods(documents(overlay)) if pod.name == "users-worker")
    folders = set()
    for each in worker.containers:
        (folder,) = (x["value"] for x in each["env"] if x["name"] == FOLDER)
        mounts = {x["mountPath"]: x["name"] for x in each["volumeMounts"]}
        folders.add((each["image"], folder, mounts[folder]))
    assert len(worker.containers) == 2
    assert len(folders) == 1


def test_the_databases_of_production_are_targets() -> None:
    """MemoBackupOld needs to know when each was backed up."""
    rules = (ROOT / "deploy/observe/rules.yml").read_text()
    assert 'backup_timestamp{namespace="memo"}' in rules
    (config,) = JOBS["postgresql"]["kubernetes_sd_configs"]
    assert config["selectors"] == [{"role": "pod", "label": "cnpg.io/cluster"}]
    assert config["namespaces"] == {"names": ["memo"]}
    labels = [x.get("target_label") for x in JOBS["postgresql"]["relabel_configs"]]
    assert "namespace" in labels
