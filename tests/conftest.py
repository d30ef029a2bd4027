"""What all tests share in a process: botocore's description of AWS, megabytes of JSON that each client would parse."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest
from botocore.loaders import JSONFileLoader


@pytest.fixture(scope="session", autouse=True)
def botocore_reads_a_file_once() -> Iterator[None]:
    """Keep what botocore's loaders read: the files stay as they are, and clients of one session share it as well."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", staticmethod(cache(JSONFileLoader().load_file)))
        yield
