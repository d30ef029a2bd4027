"""Writes images that contain one program, so that the tests need no registry."""

import hashlib
import io
import json
import platform
import re
import subprocess
import tarfile
from pathlib import Path

from tests.support.repository import program

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def write_program_image(file: Path, name: str, path: Path, *arguments: str) -> Path:
    """Write a docker archive with an image that runs a program of this machine, and return its path."""
    entry = f"bin/{path.name}"
    programs = {entry: path, **{library.lstrip("/"): Path(library) for library in _libraries(path)}}
    layer = _packed({name: (path.read_bytes(), 0o755) for name, path in programs.items()})
    digest = hashlib.sha256(layer).hexdigest()
    config = {
        "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": {"Entrypoint": [f"/{entry}", *arguments]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    files = {"layer.tar": layer, "config.json": _encoded(config), "manifest.json": _encoded(manifest)}
    file.write_bytes(_packed({path: (content, 0o644) for path, content in files.items()}))
    return file


def _libraries(file: Path) -> list[str]:
    """Return the paths of the libraries that a program loads: none if it is static."""
    listed = subprocess.run([program("ldd"), str(file)], capture_output=True, text=True, check=False)
    return re.findall(r"/\S+(?= \(0x)", listed.stdout)


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
