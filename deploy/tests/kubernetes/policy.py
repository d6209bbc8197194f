"""What every pod of the manifests must have. Each function yields what is missing."""

import re
from collections.abc import Iterator

from .manifests import NAME, Document, Pod, matches, of_kind, pods

GRACEFUL = 25  # seconds: gunicorn's, and at most Nginx's
WAYS_OUT = {"hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"}
# Those that clients wait for.
SCALED = {"auth", "users", "gateway"}
TAG = re.compile(
    r"(?:[\w.-]+(?::\d+)?/)*[\w.-]+:(?!latest$)[\w.-]+(?:@sha256:[0-9a-f]{64})?"
)


def faults(found: list[Document]) -> list[str]:
    said = []
    for pod in pods(found):
        own = [*pod_faults(pod), *container_faults(pod), *probe_faults(pod, found)]
        said += [f"{pod.name}: {text}" for text in own]
    return [*said, *upgrade_faults(found), *network_faults(found)]


def pod_faults(pod: Pod) -> Iterator[str]:
    context = pod.spec.get("securityContext", {})
    if pod.spec.get("automountServiceAccountToken") is not False:
        yield "has a token of the cluster"
    if pod.spec.get("enableServiceLinks") is not False:
        yield "has variables of services"
    if context.get("runAsNonRoot") is not True:
        yield "may run as root"
    ids = ("runAsUser", "runAsGroup", "fsGroup")
    if not all(context.get(key, 0) > 0 for key in ids):
        yield "has no fixed user"
    if context.get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield "has no seccomp profile"
    if WAYS_OUT & pod.spec.keys():
        yield "shares a namespace"
    for volume in pod.spec.get("volumes", []):
        if "hostPath" in volume:
            yield f"has a folder of the node, {volume['name']}"
        if "emptyDir" in volume and not volume["emptyDir"].get("sizeLimit"):
            yield f"may fill the node, {volume['name']}"


def container_faults(pod: Pod) -> Iterator[str]:
    volumes = {volume["name"] for volume in pod.spec.get("volumes", [])}
    claims = pod.owner["spec"].get("volumeClaimTemplates", [])
    volumes |= {claim["metadata"]["name"] for claim in claims}
    for each in pod.containers:
        context = each.get("securityContext", {})
        if not TAG.fullmatch(each["image"]):
            yield f"{each['image']} has no version"
        for key in ("requests", "limits"):
            if {"cpu", "memory"} - each.get("resources", {}).get(key, {}).keys():
                yield f"{each['name']} has no {key}"
        if context.get("readOnlyRootFilesystem") is not True:
            yield f"{each['name']} may write to its image"
        if context.get("allowPrivilegeEscalation") is not False:
            yield f"{each['name']} may get privileges"
        if context.get("capabilities") != {"drop": ["ALL"]}:
            yield f"{each['name']} has capabilities"
        if context.keys() & {"privileged", "runAsUser", "runAsNonRoot"}:
            yield f"{each['name']} differs from its pod"
        for mount in each.get("volumeMounts", []):
            if mount["name"] not in volumes or "subPath" in mount:
                yield f"{each['name']} mounts {mount['name']}, and does not follow it"


def probe_faults(pod: Pod, found: list[Document]) -> Iterator[str]:
    """A probe of readiness is for what a Service leads to."""
    services = of_kind(found, "Service").values()
    served = any(
        matches({"matchLabels": s["spec"]["selector"]}, pod.labels) for s in services
    )
    needed = ["startupProbe", "livenessProbe", *(["readinessProbe"] if served else [])]
    for each in pod.spec["containers"] if pod.serves else []:
        yield from (f"{each['name']} has no {x}" for x in needed if not each.get(x))
        for probe in (each.get(x, {}) for x in needed if "httpGet" in each.get(x, {})):
            word = "ready" if probe is each.get("readinessProbe") else "live"
            if not probe["httpGet"]["path"].endswith(f"/health/{word}"):
                yield f"{each['name']} asks {probe['httpGet']['path']}"


def upgrade_faults(found: list[Document]) -> Iterator[str]:
    """Two of each at least, replaced one after the other, without a lost request."""
    budgets = of_kind(found, "PodDisruptionBudget")
    scalers = of_kind(found, "HorizontalPodAutoscaler")
    deployments = of_kind(found, "Deployment")
    for pod in (pod for pod in pods(found) if pod.name in SCALED):
        spec = deployments[pod.name]["spec"]
        if spec["strategy"].get("rollingUpdate", {}).get("maxUnavailable") != 0:
            yield f"{pod.name}: one is missing during an upgrade"
        (container,) = pod.spec["containers"]
        sleep = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {})
        waits = sleep.get("seconds", 0)
        if not 0 < waits <= pod.spec.get("terminationGracePeriodSeconds", 0) - GRACEFUL:
            yield f"{pod.name}: no time to stop"
        if not pod.spec.get("topologySpreadConstraints"):
            yield f"{pod.name}: all may be on one node"
        budget = budgets.get(pod.name, {}).get("spec", {"selector": {NAME: ""}})
        if budget.get("maxUnavailable") != 1 or not matches(
            budget["selector"], pod.labels
        ):
            yield f"{pod.name}: a drain may stop all"
        scaler = scalers.get(pod.name, {}).get("spec", {})
        (metric,) = scaler.get("metrics", [{}])
        by_cpu = metric.get("resource", {}).get("name") == "cpu"
        if scaler.get("minReplicas", 0) < 2 or not by_cpu:
            yield f"{pod.name}: not two, or not scaled"
        if "replicas" in spec:
            yield f"{pod.name}: `apply` undoes the autoscaler"


def network_faults(found: list[Document]) -> Iterator[str]:
    """Nothing is open, and each pod has a policy that says what is."""
    policies = {n: p["spec"] for n, p in of_kind(found, "NetworkPolicy").items()}
    closed = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    if policies.pop("default-deny", None) != closed:
        yield "network: not denied by default"
    for name, spec in policies.items():
        given = {word.capitalize() for word in ("ingress", "egress") if spec.get(word)}
        if not given <= {*spec["policyTypes"]}:
            yield f"{name}: rules that do not hold"
    policies.pop("dns", None)
    for pod in pods(found):
        if not any(matches(p["podSelector"], pod.labels) for p in policies.values()):
            yield f"{pod.name}: no policy"
