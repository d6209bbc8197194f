"""Links of the OpenAPI description: which answer leads to which request, and what of
the one goes into the other (OpenAPI 3.0.3 section 4.7.20)."""

from collections.abc import Mapping
from typing import Any

# Operation id, to status, to the links of that answer by their names.
Links = Mapping[str, Mapping[str, Mapping[str, Any]]]


def link(
    target: str,
    description: str = "",
    body: dict[str, str] | None = None,
    **parameters: str,
) -> dict[str, Any]:
    """A Link Object. `target` is an operation id; one with a slash is a reference to an
    operation that another service describes (see `elsewhere`)."""
    found: dict[str, Any] = {
        "operationRef" if "/" in target else "operationId": target,
        "description": description,
        "parameters": parameters,
        "requestBody": body,
    }
    return {name: value for name, value in found.items() if value}


def elsewhere(service: str, path: str, method: str) -> str:
    """Where another service describes this operation, by way of the gateway."""
    escaped = path.replace("~", "~0").replace("/", "~1")  # RFC 6901 section 3
    return f"/api/v1/{service}/openapi.json#/paths/{escaped}/{method}"


def add_links(schema: dict[str, Any], links: Links) -> dict[str, Any]:
    """The description with these links in it. Raises KeyError for an operation or an
    answer that it does not have."""
    operations = {
        operation["operationId"]: operation
        for path in schema["paths"].values()
        for operation in path.values()
    }
    for name, answers in links.items():
        for status, found in answers.items():
            operations[name]["responses"][status]["links"] = dict(found)
    return schema
