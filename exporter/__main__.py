"""``python -m exporter``: the same as the command ``aws-iot-bulk-exporter``."""

import sys

from exporter.cli.main import main

sys.exit(main())
