"""The labels of all metrics beside those that Prometheus and its operator add to each target."""

import re

from exporter.kinds.metric import IDENTITY
from exporter.kinds.registry import KINDS
from exporter.metrics.reference import metrics_document
from exporter.metrics.self_metrics import CELL

# https://prometheus-operator.dev/docs/developer/getting-started/: a ServiceMonitor adds all but the first two.
TARGET_LABELS = {"job", "instance", "namespace", "pod", "service", "container", "endpoint"}
ROW = re.compile(r"^\| `aws_\w+` \| (?P<labels>[^|]*) \|", re.MULTILINE)


def test_no_label_is_one_that_a_scrape_adds_so_that_no_honor_labels_is_needed() -> None:
    columns = [row["labels"] for row in ROW.finditer(metrics_document(KINDS))]
    labels = {*IDENTITY, *CELL, *re.findall(r"`([^`]+)`", " ".join(columns))}
    assert {"status", "reason", "code", "api", "tag_*"} <= labels
    assert not labels & TARGET_LABELS
