"""Every pod is locked down, measured, probed and isolated (OPS-04)."""

from typing import Any

import pytest

from deploy.tests.kubernetes.manifests import OVERLAYS, documents, of_kind
from deploy.tests.kubernetes.policy import faults

GONE = object()
# What a change makes the policy say: where, the path below `spec` (items of lists by
# their names; `pod` is the spec of the template), and what is there then.
AUTH, USERS, GATEWAY = "Deployment auth", "Deployment users", "Deployment gateway"
WORKER, REDIS = "Deployment users-worker", "StatefulSet redis"
JOB, CRON = "Job users-migrate", "CronJob auth-clean-up"
CHANGES: list[tuple[str, str, str, Any]] = [
    # Containers.
    ("auth has no livenessProbe", AUTH, "pod.containers.auth.livenessProbe", GONE),
    ("users has no readinessProbe", USERS, "pod.containers.users.readinessProbe", {}),
    ("gateway has no startupProbe", GATEWAY, "pod.containers.gateway.startupProbe", {}),
    (
        "users-worker has no livenessProbe",
        WORKER,
        "pod.containers.users-worker.livenessProbe",
        GONE,
    ),
    (
        "sentinel has no readinessProbe",
        REDIS,
        "pod.containers.sentinel.readinessProbe",
        GONE,
    ),
    ("auth asks /", AUTH, "pod.containers.auth.readinessProbe.httpGet.path", "/"),
    ("users has no limits", USERS, "pod.containers.users.resources.limits", GONE),
    (
        "auth-clean-up has no requests",
        CRON,
        "pod.containers.auth-clean-up.resources.requests.cpu",
        GONE,
    ),
    (
        "configuration may write to its image",
        GATEWAY,
        "pod.initContainers.configuration.securityContext.readOnlyRootFilesystem",
        GONE,
    ),
    (
        "redis may get privileges",
        REDIS,
        "pod.containers.redis.securityContext.allowPrivilegeEscalation",
        True,
    ),
    (
        "users-migrate has capabilities",
        JOB,
        "pod.containers.users-migrate.securityContext.capabilities.add",
        ["NET_RAW"],
    ),
    (
        "auth differs from its pod",
        AUTH,
        "pod.containers.auth.securityContext.runAsUser",
        0,
    ),
    (
        "a.example:5000/auth:latest has no version",
        AUTH,
        "pod.containers.auth.image",
        "a.example:5000/auth:latest",
    ),
    (
        "a.example:5000/users has no version",
        USERS,
        "pod.containers.users.image",
        "a.example:5000/users",
    ),
    (
        "auth mounts public-keys, and does not follow it",
        AUTH,
        "pod.containers.auth.volumeMounts.public-keys.subPath",
        "a.pem",
    ),
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
    ("one is missing during an upgrade", USERS, "strategy.rollingUpdate", GONE),
    ("no time to stop", AUTH, "pod.terminationGracePeriodSeconds", 60),
    ("no time to stop", GATEWAY, "pod.containers.gateway.lifecycle", GONE),
    ("all may be on one node", AUTH, "pod.topologySpreadConstraints", []),
    ("`apply` undoes the autoscaler", AUTH, "replicas", 2),
    (
        "not two, or not scaled",
        "HorizontalPodAutoscaler users",
        "minReplicas",
        1,
    ),
    (
        "a drain may stop all",
        "PodDisruptionBudget gateway",
        "maxUnavailable",
        2,
    ),
    # The network.
    ("not denied by default", "NetworkPolicy default-deny", "policyTypes", ["Ingress"]),
    ("rules that do not hold", "NetworkPolicy users", "policyTypes", ["Ingress"]),
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
    inner: Any = of_kind(found, kind)[name]["spec"]
    if path.startswith("pod."):
        inner = inner.get("jobTemplate", {"spec": inner})["spec"]["template"]["spec"]
    *steps, last = path.removeprefix("pod.").split(".")
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
