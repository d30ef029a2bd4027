"""The part of ``awscrt.crypto.EC`` that botocore's login uses, by the package cryptography.

The tests must not install awscrt: with it, botocore uses other code for all calls.
"""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils


class EC:
    """A private key on the curve P-256."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key

    @classmethod
    def new_key_from_der_data(cls, content: bytes) -> EC:
        """Return the key of a DER document. Raises ValueError."""
        key = serialization.load_der_private_key(content, password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return cls(key)

    def get_public_coords(self) -> tuple[bytes, bytes]:
        """Return the coordinates of the public point."""
        numbers = self._key.public_key().public_numbers()
        return numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")

    def sign(self, digest: bytes) -> bytes:
        """Return the DER signature of a SHA-256 digest."""
        return self._key.sign(digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))

    @staticmethod
    def decode_der_signature_to_padded_pair(signature: bytes, pad_to: int) -> bytes:
        """Return the two numbers of a signature, each with ``pad_to`` bytes."""
        return b"".join(number.to_bytes(pad_to, "big") for number in utils.decode_dss_signature(signature))


def new_key_text() -> str:
    """Return a new private key as PEM, as ``aws login`` stores it."""
    key = ec.generate_private_key(ec.SECP256R1())
    format = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, format, serialization.NoEncryption()).decode()
