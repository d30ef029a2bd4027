"""Certificates, TLS clients that trust them, and two users with their passwords, hashes and headers."""

import base64
import datetime as dt
import ssl
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PASSPHRASE = b"s3cret-passphrase"


class Authority:
    """A certificate authority and the certificates that it issued, as files in a folder."""

    def __init__(self, folder: Path, name: str, parent: "Authority | None" = None) -> None:
        self._authority: trustme.CA = parent._authority.create_child_ca() if parent else trustme.CA()
        self._folder = folder
        self.file = folder / f"{name}.pem"
        self._authority.cert_pem.write_to_path(self.file)

    def issue(
        self, name: str, *identities: str, user: str | None = None, group: str | None = None
    ) -> tuple[Path, Path]:
        """Return the files of a new certificate for these identities, and of its key.

        ``user`` and ``group`` are the common name and the organization, in which Kubernetes finds a client's user.
        """
        leaf = self._authority.issue_cert(*identities, common_name=user, organization_name=group)
        certificate, key = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        certificate.write_bytes(b"".join(pem.bytes() for pem in leaf.cert_chain_pems))
        leaf.private_key_pem.write_to_path(key)
        return certificate, key

    def client(self, pair: tuple[Path, Path] | None = None) -> ssl.SSLContext:
        """Return a client's TLS context that trusts the authority, with a client certificate if a pair is given."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.file)
        if pair:
            context.load_cert_chain(*pair)
        return context


def server_files(folder: Path) -> Authority:
    """Create the certificate files that tests/web/protection uses, and return their authority."""
    authority = Authority(folder, "ca")
    authority.issue("server", "localhost", "127.0.0.1", "::1")
    authority.issue("other", "localhost")
    encrypt(folder / "server.key", folder / "encrypted.key")
    (folder / "junk.pem").write_text("-----BEGIN CERTIFICATE-----\ns3cret\n-----END CERTIFICATE-----\n")
    (folder / "empty.pem").write_text("")
    (folder / "commented.pem").write_text(f"# Autorité\n{(folder / 'ca.pem').read_text()}", encoding="utf-8")
    return authority


def encrypt(key: Path, encrypted: Path) -> None:
    """Write a key to another file, encrypted with the passphrase."""
    loaded = serialization.load_pem_private_key(key.read_bytes(), None)
    protection = serialization.BestAvailableEncryption(PASSPHRASE)
    form = serialization.PrivateFormat.TraditionalOpenSSL
    encrypted.write_bytes(loaded.private_bytes(serialization.Encoding.PEM, form, protection))


def self_signed(folder: Path, name: str, *names: x509.GeneralName) -> tuple[Path, Path]:
    """Return the files of a self-signed certificate with these alternative names, and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    built = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    built = built.not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=1))
    built = built.add_extension(x509.SubjectAlternativeName(names), critical=False)
    certificate, private = folder / f"{name}.pem", folder / f"{name}.key"
    certificate.write_bytes(built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    form, encryption = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, encryption))
    return certificate, private


# The hash of ``wonderland``, at bcrypt's lowest cost.
ALICE = "$2b$04$w2oFhKlWuUyG2PZsd6eE.eTbtRZHYGa351xxDSyGYCu.I334LZ3/6"
# The hash of ``builder``.
BOB = "$2b$04$Mw/AEXG6aHvfAA7eeS5eGu3XMCWMtOUvdC0bCr6SZrci4FmHI144K"


def basic(user: str, password: str) -> str:
    """Return the value of an ``Authorization`` header."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


BASIC = {"alice": basic("alice", "wonderland"), "bob": basic("bob", "builder")}
