"""No attacker adds a label to the metrics. By its name this module comes last, so that
it looks at what all attacks have left (LOG-07)."""

import json
import os
import re
from itertools import product

import pytest

from deploy.tests.attack.conftest import URL
from deploy.tests.client import ApiClient
from deploy.tests.prometheus import scrape, target
from deploy.tests.stack import SERVICES
from nginx.tests.malicious_inputs import INTERNAL, MALICIOUS_PATHS

# Of a service, as its code has them: every template of a URL, Django's own included,
# and the labels of each metric.
CODE = """
import json
from django.urls import get_resolver
from shared.metrics import BOUNDS

def walk(found, text=""):
    for each in found.url_patterns:
        more = text + str(each.pattern).removeprefix("^")
        yield from walk(each, more) if hasattr(each, "url_patterns") else [more]

routes = [*walk(get_resolver())]  # loads all that counts
bounds = {
    name: {label: values and [*values] for label, values in labels.items()}
    for name, labels in BOUNDS.items()
}
print("found:", json.dumps([routes, bounds]))
"""


def read(system, service):
    """The routes, and the bounds of every metric."""
    printed = system.run(service, "shell", "-v", "0", "-c", CODE)
    routes, bounds = json.loads(re.search(r"^found: (.*)$", printed, re.M)[1])
    return {plain(route) for route in routes}, bounds


def plain(route):
    return route.removeprefix("^").rstrip("$")


def operations(system, service):
    """What the other service may be asked for."""
    [other] = set(SERVICES) - {service}
    routes, _ = read(system, other)
    named = (re.sub(r"<[^>]+>", "{id}", x).partition(f"/{other}/")[2] for x in routes)
    return {*named} - {""}


@pytest.mark.verify
@pytest.mark.skipif(URL in os.environ, reason="metrics are not for those outside")
@pytest.mark.parametrize("service", SERVICES)
def test_label_sets_are_no_more_than_the_documented_product(system, user, service):
    """Whatever was asked for before, and here, of the gateway and of the service."""
    direct = ApiClient(target(system, service)[0])
    for path in [*MALICIOUS_PATHS, *INTERNAL, "/canary", "/admin/canary/", "/%00"]:
        for client, method in product(
            (direct, ApiClient(system.gateway_url)), ("GET", "CANARY", "PUT")
        ):
            client.request(method, path, headers=user.bearer)
    routes, bounds = read(system, service)
    open_ended = {
        "route": {*routes, "none"},
        "operation": operations(system, service),
        "service": {service},
    }
    sets = set()
    for name, labels, _ in scrape(system, service):
        metric = name if name in bounds else re.sub(r"_(bucket|count|sum)$", "", name)
        assert labels.keys() - {"le"} == bounds[metric].keys(), name
        for label, values in bounds[metric].items():
            if label != "version":
                allowed = values or open_ended[label]
                assert plain(labels[label]) in allowed, (name, labels)
        sets.add((metric, *sorted((k, v) for k, v in labels.items() if k != "le")))
    builds = [each for each in sets if each[0] == "memo_build_info"]
    assert len(builds) == 1
    most = sum(product_of(each, open_ended) for each in bounds.values())
    print(f"{service}: {len(sets)} label sets of at most {most}")
    assert len(sets) <= most


def product_of(bounds, open_ended):
    """How many label sets a metric may have."""
    size = 1
    for label, values in bounds.items():
        size *= len(values or open_ended.get(label, "1"))
    return size
