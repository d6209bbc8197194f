"""`./manage_all.sh sbom`: what a deployment is made of, as CycloneDX 1.6 (ECMA-424).

Of pins and image names alone, so that it is the same on every machine.
"""

import json
import re
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .files import read_text
from .layout import Layout
from .problems import USAGE, Problem

PIN = re.compile(
    r"^(?P<name>[A-Za-z0-9._-]+)(?:\[[^]]*\])?==(?P<version>[^ ;\\]+)"
    r"(?P<rest>(?:.*\\\n)*.*)$",
    re.MULTILINE,
)
IMAGE = re.compile(r"_IMAGE(?::-|=)(?P<name>[a-z]+):(?P<version>[\w.-]+)")


def run(layout: Layout, arguments: Sequence[str]) -> None:
    """Print it, or write it to the file that is named."""
    if len(arguments) > 1:
        raise Problem("Usage: sbom [FILE]", code=USAGE)
    text = json.dumps(document(layout.root), indent=2)
    if arguments:
        Path(arguments[0]).write_text(f"{text}\n", encoding="utf-8")
    else:
        print(text)


def document(root: Path) -> dict[str, Any]:
    pins = read_text(root / "requirements" / "runtime.txt")
    images = "".join(read_text(root / name) for name in ("compose.yaml", "Dockerfile"))
    components = [*packages(pins), *containers(images)]
    # Of what is in it, so that the same parts make the same document.
    content = json.dumps(components, sort_keys=True)
    product = re.search(r'^version = "(.+)"', read_text(root / "pyproject.toml"), re.M)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, content)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": "memo",
                "name": "memo",
                "version": product[1] if product else "",
            }
        },
        "components": components,
    }


def packages(pins: str) -> Iterator[dict[str, Any]]:
    """Each pinned release; its files by their hashes, of which a machine takes one."""
    for pin in PIN.finditer(pins):
        name = re.sub(r"[-_.]+", "-", pin["name"]).lower()
        purl = f"pkg:pypi/{name}@{pin['version']}"
        hashes = re.findall(r"--hash=sha256:([0-9a-f]{64})", pin["rest"])
        files = [
            {"type": "distribution", "url": purl, "hashes": [_sha256(text)]}
            for text in hashes
        ]
        yield {
            "type": "library",
            "bom-ref": purl,
            "name": name,
            "version": pin["version"],
            "purl": purl,
            "externalReferences": files,
        }


def containers(text: str) -> Iterator[dict[str, Any]]:
    """The images that are taken where an operator names no others."""
    for name, version in sorted(set(IMAGE.findall(text))):
        reference = f"pkg:docker/{name}@{version}"
        yield {
            "type": "container",
            "bom-ref": reference,
            "name": name,
            "version": version,
            "purl": reference,
        }


def _sha256(content: str) -> dict[str, str]:
    return {"alg": "SHA-256", "content": content}
