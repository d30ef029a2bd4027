"""``simulate`` serves the simulated AWS alone, for fire drills and for tests of a configuration."""

import asyncio
import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from exporter.aws.models import Models
from exporter.cli import flags
from exporter.cli.parser import CommandParser
from exporter.config.strict_yaml import problems_in, read_text
from exporter.core.errors import ConfigError, StartError
from exporter.core.file_faults import write_fault
from exporter.core.log import log_library_warnings, new_log
from exporter.kinds.registry import KINDS
from exporter.simulator.app import application
from exporter.simulator.certificates import Certificate, new_certificate
from exporter.simulator.scenario import Scenario, parse_scenario, scenario_text
from exporter.web.limits import Limits
from exporter.web.listener.server import Address, ServedApp, listen, parse_address, serve
from exporter.web.protection.tls import Tls, TlsServer, new_tls, read_pem

# The simulator accepts any credentials.
CREDENTIAL = "simulated"


def add_arguments(parser: CommandParser) -> None:
    """Add the flags of ``simulate``."""
    help = "Address of the simulated AWS."
    parser.add_value("--listen-address", parse_address, "HOST:PORT", help, "127.0.0.1:10099")
    parser.add_value("--scenario", flags.file_path, "FILE", "Scenario file; the scenario of the demo if omitted.")
    parser.add_argument("--tls", action="store_true", help="Serve HTTPS with a new certificate.")
    help = "File for the certificate of the authority, with --tls; a temporary file if omitted."
    parser.add_value("--tls-ca-file", flags.file_path, "FILE", help)


def run(listen_address: Address, scenario: Path | None, tls: bool, tls_ca_file: Path | None) -> int:
    """Serve the simulated AWS until SIGINT or SIGTERM and return 0. Raises ConfigError or StartError."""
    if tls_ca_file and not tls:
        raise ConfigError(["--tls-ca-file: requires --tls"])
    log_library_warnings(new_log())
    app = application(read_scenario(scenario), KINDS, Models())
    listener = listen(listen_address)
    if not tls:
        return _serve(ServedApp(app, listener), None)
    certificate = new_certificate(listen_address.host)
    current = _tls(certificate)
    with _authority_file(certificate, tls_ca_file) as file:
        return _serve(ServedApp(app, listener, lambda: current), file)


def _serve(simulator: ServedApp, ca_file: Path | None) -> int:
    print(f"AWS is simulated on {simulator.url}. To use it:\n")
    for name, value in environment(simulator.url, ca_file).items():
        print(f"  export {name}={shlex.quote(value)}")
    print("\nCtrl+C ends it.", flush=True)
    # All connections may be those of one exporter.
    limits = Limits(connections_per_address=Limits().connections)
    asyncio.run(serve([simulator], lambda: None, limits))
    return 0


def _tls(certificate: Certificate) -> Tls:
    section = {"cert": certificate.chain, "key": certificate.key}
    return new_tls(TlsServer.model_validate(section), read_pem(section, Path(), read_text))


@contextmanager
def _authority_file(certificate: Certificate, file: Path | None) -> Iterator[Path]:
    """Write the certificate of the authority, and yield the absolute path. Raises StartError."""
    with TemporaryDirectory(prefix="aws-iot-bulk-exporter-") as folder:
        path = (file or Path(folder, "ca.pem")).absolute()
        try:
            path.write_text(certificate.authority, encoding="ascii")
        except OSError as error:
            raise StartError(f"--tls-ca-file: cannot write {path}: {write_fault(error)}") from None
        yield path


def read_scenario(file: Path | None) -> Scenario:
    """Return the scenario of a file, or the shipped one. Raises ConfigError."""
    with problems_in(file):
        return parse_scenario(scenario_text() if file is None else read_text(file), KINDS)


def isolated_environment(environ: Mapping[str, str], url: str) -> dict[str, str]:
    """Return an environment with the simulator as AWS, without this machine's AWS configuration and proxies."""
    kept = {
        name: value
        for name, value in environ.items()
        if not name.startswith("AWS_") and not name.lower().endswith("_proxy")
    }
    return {
        **kept,
        **environment(url),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def environment(url: str, ca_file: Path | None = None) -> dict[str, str]:
    """Return the environment variables that make an AWS SDK use the simulator and trust its authority, if any."""
    trust = {"AWS_CA_BUNDLE": str(ca_file)} if ca_file else {}
    return {
        "AWS_ENDPOINT_URL": url,
        **trust,
        "AWS_ACCESS_KEY_ID": CREDENTIAL,
        "AWS_SECRET_ACCESS_KEY": CREDENTIAL,
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }
