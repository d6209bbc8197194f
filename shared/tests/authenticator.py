"""An authenticator in software: it makes what `navigator.credentials` would answer, and
what it never would."""

import hashlib
import json
import os
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, encode_cbor

UP, UV, BE, BS, AT, ED = 1, 4, 8, 16, 64, 128  # WebAuthn Level 3 section 6.1


@dataclass
class Authenticator:
    """One passkey, on a page of `origin`. Each attribute, and each argument, is what it
    says whether it is true or not."""

    origin: str
    rp_id: str
    flags: int = UP | UV
    count: int = 0
    user_handle: bytes = b""
    id: bytes = field(default_factory=lambda: os.urandom(32))
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    def create(self, options: dict[str, Any], **client: Any) -> dict[str, Any]:
        """RegistrationResponseJSON, for PublicKeyCredentialCreationOptionsJSON."""
        self.user_handle = base64url_to_bytes(options["user"]["id"])
        attested = bytes(16) + len(self.id).to_bytes(2, "big") + self.id
        data = self.data(self.flags | AT) + attested + self.public_key()
        attestation = {"fmt": "none", "attStmt": {}, "authData": data}
        return self.credential(
            clientDataJSON=self.client_data("create", options, **client),
            attestationObject=encode_cbor(attestation),
        )

    def get(self, options: dict[str, Any], **client: Any) -> dict[str, Any]:
        """AuthenticationResponseJSON, for PublicKeyCredentialRequestOptionsJSON."""
        client_data = self.client_data("get", options, **client)
        data = self.data(self.flags)
        signed = data + hashlib.sha256(client_data).digest()
        return self.credential(
            clientDataJSON=client_data,
            authenticatorData=data,
            signature=self.key.sign(signed, ec.ECDSA(hashes.SHA256())),
            userHandle=self.user_handle,
        )

    def credential(self, **response: bytes) -> dict[str, Any]:
        texts = {name: bytes_to_base64url(data) for name, data in response.items()}
        names = dict.fromkeys(("id", "rawId"), bytes_to_base64url(self.id))
        fixed = {"type": "public-key", "clientExtensionResults": {}}
        return {**names, **fixed, "response": texts}

    def client_data(self, kind: str, options: dict[str, Any], **other: Any) -> bytes:
        said = {"type": f"webauthn.{kind}", "challenge": options["challenge"]}
        return json.dumps({**said, "origin": self.origin, **other}).encode()

    def data(self, flags: int) -> bytes:
        rp = hashlib.sha256(self.rp_id.encode()).digest()
        return rp + bytes([flags]) + self.count.to_bytes(4, "big")

    def public_key(self) -> bytes:
        """COSE (RFC 9053 section 7.1.1)."""
        numbers = self.key.public_key().public_numbers()
        x, y = numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")
        return encode_cbor({1: 2, 3: -7, -1: 1, -2: x, -3: y})
