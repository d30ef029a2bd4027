"""Writes images that contain one static program, because no registry is needed for the tests."""

import hashlib
import io
import json
import platform
import tarfile
from pathlib import Path

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def write_program_image(file: Path, name: str, program: Path, *arguments: str) -> Path:
    """Write a docker archive with an image that runs a static program, and return its path."""
    layer = _packed({"program": (program.read_bytes(), 0o755)})
    digest = hashlib.sha256(layer).hexdigest()
    config = {
        "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": {"Entrypoint": ["/program", *arguments]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    files = {"layer.tar": layer, "config.json": _encoded(config), "manifest.json": _encoded(manifest)}
    file.write_bytes(_packed({path: (content, 0o644) for path, content in files.items()}))
    return file


def _encoded(document: object) -> bytes:
    return json.dumps(document).encode()


def _packed(files: dict[str, tuple[bytes, int]]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, (content, mode) in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), mode
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()
