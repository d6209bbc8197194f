"""What lies in the key folders of a test."""

from shared.keys import key_store, signing_keys
from tokens import key_rotation


def store():
    return key_store.load(*key_rotation.folders())


def stages():
    found = store()
    return {kid: found.stage(kid) for kid in found.keys}


def published(folder):
    return set(signing_keys.load_public_keys(folder / "public"))


def signers(folder):
    """Keys that could sign, if they were active."""
    return {path.stem for path in (folder / "private").glob("*.pem")}


def active(folder):
    return signing_keys.load_signing_key(folder / "private").kid


def everything(folder):
    """The content of both folders, byte for byte."""
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
