"""Every pod is locked down, measured, probed and isolated (OPS-04)."""

import re
from typing import Any

import pytest
import yaml

from deploy.tests.stack import ROOT

from .manifests import OVERLAYS, Pod, documents, of_kind, pods
from .policy import container_faults, faults, pod_faults

GONE = object()
# What a change makes the policy say: of what, the path (from a container by its name,
# `pod`, or `spec`; items of lists by their names), and what is there then.
AUTH, USERS, GATEWAY = "Deployment auth", "Deployment users", "Deployment gateway"
REDIS, JOB, CRON = "StatefulSet redis", "Job users-migrate", "CronJob auth-clean-up"
SCALER, BUDGET = "HorizontalPodAutoscaler users", "PodDisruptionBudget gateway"
PRIVILEGES = "securityContext.allowPrivilegeEscalation"
READ_ONLY = "securityContext.readOnlyRootFilesystem"
CAPABILITIES = "securityContext.capabilities.add"
CHANGES: list[tuple[str, str, str, Any]] = [
    # Containers.
    ("auth has no livenessProbe", AUTH, "auth.livenessProbe", GONE),
    ("sentinel has no readinessProbe", REDIS, "sentinel.readinessProbe", {}),
    ("gateway has no startupProbe", GATEWAY, "gateway.startupProbe", {}),
    ("auth asks /", AUTH, "auth.readinessProbe.httpGet.path", "/"),
    ("users has no limits", USERS, "users.resources.limits", GONE),
    ("has no requests", CRON, "auth-clean-up.resources.requests.cpu", GONE),
    ("may write to its image", GATEWAY, f"configuration.{READ_ONLY}", GONE),
    ("redis may get privileges", REDIS, f"redis.{PRIVILEGES}", True),
    ("has capabilities", JOB, f"users-migrate.{CAPABILITIES}", ["NET_RAW"]),
    ("differs from its pod", AUTH, "auth.securityContext.runAsUser", 0),
    ("a:5000/auth:latest has no version", AUTH, "auth.image", "a:5000/auth:latest"),
    ("a:5000/users has no version", USERS, "users.image", "a:5000/users"),
    ("does not follow it", AUTH, "auth.volumeMounts.public-keys.subPath", "a.pem"),
    # Pods.
    ("may run as root", REDIS, "pod.securityContext.runAsNonRoot", GONE),
    ("has no fixed user", GATEWAY, "pod.securityContext.runAsUser", 0),
    ("has no seccomp profile", AUTH, "pod.securityContext.seccompProfile", GONE),
    ("has a token of the cluster", JOB, "pod.automountServiceAccountToken", GONE),
    ("has variables of services", CRON, "pod.enableServiceLinks", True),
    ("shares a namespace", USERS, "pod.hostNetwork", True),
    ("may fill the node, tmp", USERS, "pod.volumes.tmp.emptyDir", {}),
    ("has a folder of the node, tmp", USERS, "pod.volumes.tmp.hostPath", {}),
    # Upgrades.
    ("one is missing during an upgrade", USERS, "spec.strategy.rollingUpdate", GONE),
    ("no time to stop", AUTH, "pod.terminationGracePeriodSeconds", 60),
    ("no time to stop", GATEWAY, "gateway.lifecycle", GONE),
    ("all may be on one node", AUTH, "pod.topologySpreadConstraints", []),
    ("`apply` undoes the autoscaler", AUTH, "spec.replicas", 2),
    ("not two, or not scaled", SCALER, "spec.minReplicas", 1),
    ("a drain may stop all", BUDGET, "spec.maxUnavailable", 2),
    # The network.
    ("by default", "NetworkPolicy default-deny", "spec.policyTypes", ["Ingress"]),
    ("that do not hold", "NetworkPolicy users", "spec.policyTypes", ["Ingress"]),
]
REMOVED = {
    "NetworkPolicy default-deny": "network: not denied by default",
    "NetworkPolicy gateway": "gateway: no policy",
    "HorizontalPodAutoscaler users": "users: not two, or not scaled",
    "PodDisruptionBudget auth": "auth: a drain may stop all",
}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_pod_is_as_the_policy_wants_it(overlay: str) -> None:
    assert faults(documents(overlay)) == []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_so_is_the_pod_that_a_restore_makes(overlay: str) -> None:
    """It writes the list of erased users as the worker does."""
    (worker,) = (pod for pod in pods(documents(overlay)) if pod.name == "users-worker")
    text = (ROOT / "docs/operations/kubernetes.md").read_text()
    (manifest,) = re.findall(r"<< END\n(.*?)^END\n", text, re.S | re.M)
    doc = yaml.safe_load(manifest.replace("$image", worker.containers[0]["image"]))
    pod = Pod("Pod", "erasures", {}, doc["spec"], doc)
    assert [*pod_faults(pod), *container_faults(pod)] == []
    assert pod.spec["securityContext"] == worker.spec["securityContext"]
    (mount,), (volume,) = pod.containers[0]["volumeMounts"], pod.spec["volumes"]
    assert mount in worker.containers[0]["volumeMounts"]
    assert volume in worker.spec["volumes"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_serves_comes_after_the_migrations(overlay: str) -> None:
    """By the label that the first `apply` of an upgrade leaves out: our code, and no
    store, ConfigMap or policy that the migrations need."""
    late = {
        (doc["kind"], doc["metadata"]["name"])
        for doc in documents(overlay)
        if doc["metadata"].get("labels", {}).get("upgrade") == "after-migrations"
    }
    serving = {("Deployment", x) for x in ("auth", "users", "users-worker", "gateway")}
    assert late - {("CronJob", "backup")} == serving | {("CronJob", "auth-clean-up")}


@pytest.mark.parametrize(("fault", "place", "path", "value"), CHANGES)
def test_the_policy_sees_a_change(
    fault: str, place: str, path: str, value: Any
) -> None:
    found = documents("production")
    kind, name = place.split()
    doc = of_kind(found, kind)[name]
    starts = {"spec": doc["spec"]}
    for pod in pods([doc]):
        starts |= {"pod": pod.spec, **{each["name"]: each for each in pod.containers}}
    first, *steps, last = path.split(".")
    inner: Any = starts[first]
    for step in steps:
        named = isinstance(inner, list)
        inner = next(x for x in inner if x["name"] == step) if named else inner[step]
    if value is GONE:
        del inner[last]
    else:
        inner[last] = value

    (said,) = faults(found)
    assert said.endswith(fault)


@pytest.mark.parametrize("place", REMOVED)
def test_the_policy_sees_what_is_not_there(place: str) -> None:
    found = documents("production")
    kind, name = place.split()
    found.remove(of_kind(found, kind)[name])

    assert faults(found) == [REMOVED[place]]
