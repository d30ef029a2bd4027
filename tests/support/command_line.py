"""Runs commands of the exporter to their end."""

import subprocess
import sys

from exporter.cli.main import PROGRAM
from tests.support.exporter_server import aws_environment
from tests.support.repository import ROOT


def run_exporter(*arguments: str, region: str = "eu-west-1") -> subprocess.CompletedProcess[str]:
    """Run a command of the exporter without an AWS configuration."""
    with aws_environment("http://127.0.0.1:9", AWS_DEFAULT_REGION=region, AWS_REGION=region):
        return subprocess.run(
            [sys.executable, "-m", "exporter", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            cwd=ROOT,
        )


def usage_errors(*arguments: str, region: str = "eu-west-1") -> list[str]:
    """Return the error lines of a command that exits with status 2, without the program's name."""
    done = run_exporter(*arguments, region=region)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    lines = done.stderr.splitlines()
    assert [line for line in lines if not line.startswith(f"{PROGRAM}: ")] == []
    return [line.removeprefix(f"{PROGRAM}: ") for line in lines]
