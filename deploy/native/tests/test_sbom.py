"""The list of what a deployment is made of, by the standard's own schema."""

import json
import re
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from deploy.native import sbom
from deploy.native.layout import Layout

ROOT = Path(__file__).parents[3]


def test_it_is_cyclonedx_and_the_same_each_time(tmp_path: Path) -> None:
    file = tmp_path / "sbom.json"
    sbom.run(Layout(ROOT), [str(file)])
    text = file.read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert json.loads(text) == sbom.document(ROOT)


def test_it_names_every_pin_with_its_hashes_and_every_image() -> None:
    text = (ROOT / "requirements" / "runtime.txt").read_text()
    pins = re.findall(r"^([a-z0-9-]+)(?:\[.*?\])?==([^ ]+)", text, re.M)
    assert len(pins) > 25
    components = sbom.document(ROOT)["components"]
    found = {(c["name"], c["version"]) for c in components if c["type"] == "library"}
    assert found == set(pins)
    files = [file for c in components for file in c.get("externalReferences", ())]
    assert len(files) == text.count("--hash=")
    images = {c["name"] for c in components if c["type"] == "container"}
    assert images == {"nginx", "postgres", "python", "redis"}
