"""A small name server for pods. It resolves Services, and the pods of headless Services, to IPv4 addresses."""

import socketserver
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from threading import Thread
from typing import Any

from tests.cluster.control_plane import ControlPlane

PORT = 53
SUFFIX = [b"svc", b"cluster", b"local"]
# The fields of messages: https://www.rfc-editor.org/rfc/rfc1035#section-4
HEADER = struct.Struct("!6H")
SUCCEEDED, UNKNOWN_NAME = 0x8580, 0x8583
ADDRESS_TYPE, INTERNET = 1, 1
# A reference to the name in the question, which follows the header.
QUESTION_NAME = 0xC000 + HEADER.size
ANSWER = struct.Struct("!3HIH4s")


class _Server(socketserver.ThreadingUDPServer):
    """A server whose requests are resolved by a Kubernetes API."""

    def __init__(self, host: str, plane: ControlPlane) -> None:
        super().__init__((host, PORT), _Handler)
        self.plane = plane


class _Handler(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        message, answers_to = self.request
        answers_to.sendto(response(message, self.server.plane), self.client_address)


@contextmanager
def serve_names(plane: ControlPlane, host: str) -> Iterator[None]:
    """Resolve the names of a cluster on an address while the block runs."""
    with _Server(host, plane) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def response(message: bytes, plane: ControlPlane) -> bytes:
    """Return the response to a message with one question."""
    labels, kind, question = _question(message)
    found = addresses(labels, plane)
    answers = [IPv4Address(address).packed for address in found or () if kind == ADDRESS_TYPE]
    (id,) = struct.unpack_from("!H", message)
    header = HEADER.pack(id, UNKNOWN_NAME if found is None else SUCCEEDED, 1, len(answers), 0, 0)
    records = [ANSWER.pack(QUESTION_NAME, ADDRESS_TYPE, INTERNET, 0, len(address), address) for address in answers]
    return b"".join([header, question, *records])


def _question(message: bytes) -> tuple[list[bytes], int, bytes]:
    """Return the labels and the type of the question of a message, and its bytes."""
    labels, end = [], HEADER.size
    while length := message[end]:
        labels.append(message[end + 1 : end + 1 + length].lower())
        end += 1 + length
    end += 1
    (kind,) = struct.unpack_from("!H", message, end)
    return labels, kind, message[HEADER.size : end + 4]


def addresses(labels: list[bytes], plane: ControlPlane) -> list[str] | None:
    """Return the addresses of SERVICE.NAMESPACE.svc.cluster.local, or of a pod before it. None: there is no such name.

    The search path of pods makes complete names of short ones.
    """
    if labels[-len(SUFFIX) :] != SUFFIX or len(labels) < len(SUFFIX) + 2:
        return None
    *pod, service, namespace = (label.decode() for label in labels[: -len(SUFFIX)])
    found = plane.request("GET", f"/api/v1/namespaces/{namespace}/services/{service}")
    if not found.is_success:
        return None
    address = found.json()["spec"]["clusterIP"]
    if address != "None" and not pod:
        return [address]
    path = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
    slices = plane.read(f"{path}?labelSelector=kubernetes.io/service-name={service}")["items"]
    endpoints = [endpoint for entry in slices for endpoint in entry["endpoints"] or ()]
    return [address for endpoint in endpoints if _is_wanted(endpoint, pod) for address in endpoint["addresses"]] or None


def _is_wanted(endpoint: dict[str, Any], pod: list[str]) -> bool:
    """Return whether an endpoint is ready, and is the pod, if there is one."""
    return endpoint["conditions"]["ready"] and pod in ([], [endpoint.get("hostname")])
