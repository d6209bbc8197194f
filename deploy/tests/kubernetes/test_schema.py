"""The manifests are what Kubernetes 1.37 takes: no unknown and no misspelt field."""

from collections.abc import Iterator

import pytest

from .manifests import OVERLAYS, Document, documents, of_kind

VERSION = "1.37"
# Of CloudNativePG there is no schema here. These are the fields that we use, as its API
# reference (1.30) and that of its plugin (0.16) write them.
FIELDS = {
    "Cluster": """
        instances imageCatalogRef.apiGroup imageCatalogRef.kind imageCatalogRef.name
        imageCatalogRef.major bootstrap.initdb.database bootstrap.initdb.owner
        bootstrap.initdb.secret.name bootstrap.initdb.encoding
        bootstrap.initdb.localeProvider bootstrap.initdb.builtinLocale
        bootstrap.initdb.dataChecksums
        bootstrap.initdb.postInitApplicationSQLRefs.configMapRefs.name
        bootstrap.initdb.postInitApplicationSQLRefs.configMapRefs.key
        managed.roles.name managed.roles.ensure managed.roles.login
        managed.roles.passwordSecret.name postgresql.synchronous.method
        postgresql.synchronous.number postgresql.parameters storage.size
        resources seccompProfile.type plugins.name
        plugins.isWALArchiver plugins.parameters
    """,
    "Pooler": """
        cluster.name instances type pgbouncer.poolMode pgbouncer.parameters
        template.spec.containers.name template.spec.containers.resources
    """,
    "ScheduledBackup": """
        schedule immediate backupOwnerReference cluster.name method
        pluginConfiguration.name
    """,
    "ObjectStore": """
        retentionPolicy configuration.destinationPath configuration.endpointURL
        configuration.s3Credentials.accessKeyId
        configuration.s3Credentials.secretAccessKey
        configuration.wal.compression configuration.data.compression
        instanceSidecarConfiguration.resources
    """,
}
FREE = {"parameters", "resources", "requests", "limits"}
FREE |= {"accessKeyId", "secretAccessKey"}


@pytest.mark.verify
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kubernetes_takes_every_document(overlay: str) -> None:
    missing = "NOT TESTED: the schemas. `./manage_all.sh verify` installs them."
    validator = pytest.importorskip("kubernetes_validate", reason=missing)
    known = [doc for doc in documents(overlay) if doc["kind"] not in FIELDS]
    for doc in known:
        validator.validate(doc, VERSION, strict=True)
    auth = of_kind(known, "Deployment")["auth"]
    (container,) = auth["spec"]["template"]["spec"]["containers"]
    container["livenesProbe"] = container.pop("livenessProbe")
    with pytest.raises(validator.ValidationError, match="livenesProbe"):
        validator.validate(auth, VERSION, strict=True)


def test_fields_of_cloudnativepg_are_known() -> None:
    found = documents("production")
    for kind, text in FIELDS.items():
        for doc in of_kind(found, kind).values():
            assert set(fields(doc["spec"])) <= {*text.split()}
    groups = {doc["apiVersion"] for doc in found if doc["kind"] in FIELDS}
    assert groups == {"postgresql.cnpg.io/v1", "barmancloud.cnpg.io/v1"}


def fields(value: Document, path: str = "") -> Iterator[str]:
    """Paths of all that is written, lists as their items."""
    for key, inner in value.items():
        items = inner if isinstance(inner, list) else [inner]
        for item in items:
            if isinstance(item, dict) and key not in FREE:
                yield from fields(item, f"{path}{key}.")
            else:
                yield f"{path}{key}"
