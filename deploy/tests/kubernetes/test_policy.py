"""Every pod is locked down, measured, probed and isolated (OPS-04)."""

from collections.abc import Callable
from typing import Any

import pytest

from deploy.tests.kubernetes.manifests import (
    OVERLAYS,
    Document,
    documents,
    of_kind,
    pods,
)
from deploy.tests.kubernetes.policy import faults

Change = Callable[[list[Document]], Any]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_pod_is_as_the_policy_wants_it(overlay: str) -> None:
    assert faults(documents(overlay)) == []


def container(found: list[Document], name: str) -> Document:
    return next(c for pod in pods(found) for c in pod.containers if c["name"] == name)


def spec(found: list[Document], name: str) -> Document:
    return next(pod.spec for pod in pods(found) if pod.name == name)


def without(kind: str, name: str) -> Change:
    def change(found: list[Document]) -> None:
        found.remove(of_kind(found, kind)[name])

    return change


# What is taken out or put in, and what the policy says to it.
CHANGES: dict[str, Change] = {
    "auth: auth has no livenessProbe": lambda x: container(x, "auth").pop("livenessProbe"),
    "users: users has no readinessProbe": lambda x: container(x, "users").pop("readinessProbe"),
    "gateway: gateway has no startupProbe": lambda x: container(x, "gateway").pop("startupProbe"),
    "users-worker: users-worker has no livenessProbe": lambda x: container(x, "users-worker").pop("livenessProbe"),
    "auth: auth asks /": lambda x: container(x, "auth")["readinessProbe"]["httpGet"].update(path="/"),
    "users: users has no limits": lambda x: container(x, "users")["resources"].pop("limits"),
    "auth-clean-up: auth-clean-up has no requests": lambda x: container(x, "auth-clean-up")["resources"]["requests"].pop("cpu"),
    "gateway: configuration may write to its image": lambda x: container(x, "configuration").pop("securityContext"),
    "redis: redis may get privileges": lambda x: container(x, "redis")["securityContext"].pop("allowPrivilegeEscalation"),
    "users-migrate: users-migrate has capabilities": lambda x: container(x, "users-migrate")["securityContext"]["capabilities"].update(add=["NET_RAW"]),
    "auth: auth differs from its pod": lambda x: container(x, "auth")["securityContext"].update(runAsUser=0),
    "auth: memo/auth:latest has no version": lambda x: container(x, "auth").update(image="memo/auth:latest"),
    "users: host.example:5000/users has no version": lambda x: container(x, "users").update(image="host.example:5000/users"),
    "redis: may run as root": lambda x: spec(x, "redis")["securityContext"].pop("runAsNonRoot"),
    "gateway: has no fixed user": lambda x: spec(x, "gateway")["securityContext"].update(runAsUser=0),
    "auth: has no seccomp profile": lambda x: spec(x, "auth")["securityContext"].pop("seccompProfile"),
    "auth-migrate: has a token of the cluster": lambda x: spec(x, "auth-migrate").pop("automountServiceAccountToken"),
    "users: shares a namespace": lambda x: spec(x, "users").update(hostNetwork=True),
    "users: may fill the node, tmp": lambda x: next(v for v in spec(x, "users")["volumes"] if v["name"] == "tmp").update(emptyDir={}),
    "auth: auth mounts public-keys, and does not follow it": lambda x: next(m for m in container(x, "auth")["volumeMounts"] if m["name"] == "public-keys").update(subPath="a.pem"),
    "users: one is missing during an upgrade": lambda x: of_kind(x, "Deployment")["users"]["spec"].update(strategy={}),
    "auth: no time to stop": lambda x: spec(x, "auth").update(terminationGracePeriodSeconds=60),
    "gateway: no time to stop": lambda x: container(x, "gateway").pop("lifecycle"),
    "auth: all may be on one node": lambda x: spec(x, "auth").pop("topologySpreadConstraints"),
    "gateway: a drain may stop all": without("PodDisruptionBudget", "gateway"),
    "users: not two, or not scaled": without("HorizontalPodAutoscaler", "users"),
    "auth: `apply` undoes the autoscaler": lambda x: of_kind(x, "Deployment")["auth"]["spec"].update(replicas=2),
    "network: not denied by default": without("NetworkPolicy", "default-deny"),
    "gateway: no policy": without("NetworkPolicy", "gateway"),
    "users: rules that do not hold": lambda x: of_kind(x, "NetworkPolicy")["users"]["spec"].update(policyTypes=["Ingress"]),
}


@pytest.mark.parametrize("fault", CHANGES)
def test_the_policy_sees_what_is_taken_out(fault: str) -> None:
    found = documents("production")
    CHANGES[fault](found)
    assert fault in faults(found)
