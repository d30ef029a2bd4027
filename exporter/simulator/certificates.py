"""A certificate for the simulated AWS, and the authority that signed it. Both are made anew in every run."""

from __future__ import annotations

from dataclasses import dataclass

from exporter.core.errors import StartError

LOCAL = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Certificate:
    """The certificate of a server, its key, and the certificate of its authority, in PEM."""

    chain: str
    key: str
    authority: str


def new_certificate(host: str) -> Certificate:
    """Return a certificate for this machine and a host, which can be empty. Raises StartError without trustme."""
    try:
        # Only this flag needs the package, so it is not installed by default.
        import trustme
    except ImportError:
        message = "--tls needs the package trustme; in the folder of this repository, run: pip install '.[simulator]'"
        raise StartError(message) from None
    authority = trustme.CA()
    leaf = authority.issue_cert(*dict.fromkeys((*LOCAL, *((host,) if host else ()))))
    chain = b"".join(pem.bytes() for pem in leaf.cert_chain_pems)
    return Certificate(chain.decode(), leaf.private_key_pem.bytes().decode(), authority.cert_pem.bytes().decode())
