"""Extracts tar files."""

import subprocess
from pathlib import Path

from tests.support.repository import program


def extract(archive: Path, folder: Path) -> None:
    """Extract a tar file into a folder. Create the folder if it does not exist.

    Python 3.11.0 to 3.11.3 has no filter against unsafe members, and Python 3.12 warns of its absence.
    """
    folder.mkdir(exist_ok=True)
    subprocess.run([program("tar"), "--extract", f"--file={archive}", f"--directory={folder}"], check=True, timeout=60)
