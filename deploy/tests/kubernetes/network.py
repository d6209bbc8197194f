"""Who reaches whom: what the NetworkPolicies of the manifests let through."""

from collections.abc import Iterator

from .manifests import Document, matches, of_kind, pods

Labels = dict[str, str]
# By the labels of their pods. A service of yours has the one that its policy names.
OTHERS = {"another-service": {"app.kubernetes.io/component": "another-service"}}
# What is not a pod of ours, by the peer of a rule.
DNS = {
    "namespaceSelector": {
        "matchLabels": {"kubernetes.io/metadata.name": "kube-system"}
    },
    "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
}
OPERATOR = {
    "namespaceSelector": {
        "matchLabels": {"kubernetes.io/metadata.name": "cnpg-system"}
    },
    "podSelector": {"matchLabels": {"app.kubernetes.io/name": "cloudnative-pg"}},
}
PROMETHEUS = {
    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}},
    "podSelector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}},
}
NAMED = {"dns": DNS, "operator": OPERATOR, "prometheus": PROMETHEUS}
OUTSIDE = {"ipBlock": {"cidr": "0.0.0.0/0"}}
OUTSIDE_6 = {"ipBlock": {"cidr": "::/0"}}


def places(found: list[Document]) -> dict[str, Labels]:
    """Labels of every pod by the name of what runs it, the operator's too."""
    own = {pod.name: pod.labels for pod in pods(found)}
    clusters = {n: {"cnpg.io/cluster": n} for n in of_kind(found, "Cluster")}
    poolers = {n: {"cnpg.io/poolerName": n} for n in of_kind(found, "Pooler")}
    return own | clusters | poolers | OTHERS


def arrows(found: list[Document]) -> set[str]:
    """`from -> to:port`. Between two pods it needs both ends."""
    known = places(found)
    policies = [doc["spec"] for doc in of_kind(found, "NetworkPolicy").values()]
    leave, enter = (set(ends(policies, known, word)) for word in ("egress", "ingress"))
    inside = {(a, b, port) for a, b, port in leave if {a, b} <= known.keys()}
    entered = {(b, a, port) for a, b, port in enter}
    through = inside & entered | leave - inside
    through |= {x for x in entered if x[0] not in known}
    return {f"{a} -> {b}:{port}" for a, b, port in through}


def ends(
    policies: list[Document], known: dict[str, Labels], word: str
) -> Iterator[tuple[str, str, int]]:
    """A pod, whom a rule lets it reach or be reached by, and the port."""
    peers = "to" if word == "egress" else "from"
    for spec in policies:
        subjects = [
            n for n, labels in known.items() if matches(spec["podSelector"], labels)
        ]
        for rule in spec.get(word, []):
            others = {n for p in rule.get(peers, [OUTSIDE]) for n in named(p, known)}
            ports = [port["port"] for port in rule["ports"]]
            yield from ((s, o, p) for s in subjects for o in others for p in ports)


def named(peer: Document, known: dict[str, Labels]) -> list[str]:
    """Whom a peer of a rule means."""
    for name, other in NAMED.items():
        if peer == other:
            return [name]
    if peer in (OUTSIDE, OUTSIDE_6):
        return ["outside"]
    assert peer.keys() == {"podSelector"}, peer
    return [n for n, labels in known.items() if matches(peer["podSelector"], labels)]
