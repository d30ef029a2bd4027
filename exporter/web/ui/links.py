"""The links at the top of each page. They are relative, so that they work behind a proxy with a path prefix."""

from urllib.parse import quote

from exporter.web.api.openapi import CELLS, DOCUMENT, OPERATIONS


def page_links(root: str, metrics_path: str) -> dict[str, str]:
    """Return the addresses by name. ``root`` is the relative address of the root with a slash: ``./`` or ``../``."""
    paths = {
        "metrics": quote(metrics_path),
        "operations": OPERATIONS,
        "cells": CELLS,
        "openapi": DOCUMENT,
        "config": "/config",
        "healthy": "/-/healthy",
        "runbooks": "/runbooks/",
    }
    return {name: root + path.removeprefix("/") for name, path in paths.items()}
