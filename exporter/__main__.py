"""``python -m exporter`` runs the command ``aws-iot-bulk-exporter``."""

import sys

from exporter.cli.main import main

sys.exit(main())
