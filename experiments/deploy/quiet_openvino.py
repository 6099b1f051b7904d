"""Import and call OpenVINO without its usage reports, which are on by default."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def quiet_openvino() -> Iterator[Any]:
    """Yield the ``openvino`` package; what it does within the block reports nothing to anybody.

    Its conversion sends usage data unless it believes to run in continuous integration, where it stays silent.
    """
    before = os.environ.get("CI")
    os.environ["CI"] = "true"
    try:
        import openvino

        yield openvino
    finally:
        if before is None:
            del os.environ["CI"]
        else:
            os.environ["CI"] = before
