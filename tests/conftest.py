"""Fixtures that several test files share."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_child_signal() -> Iterator[None]:
    """Undo the handler of ended child processes that the first loader with workers sets for good.

    It would interrupt all later tests whenever a child ends, and the suite once crashed in one that waited for its own.
    """
    before = signal.getsignal(signal.SIGCHLD)
    yield
    if signal.getsignal(signal.SIGCHLD) is not before:
        signal.signal(signal.SIGCHLD, before)
        loaders = sys.modules["torch.utils.data._utils.signal_handling"]
        loaders._SIGCHLD_handler_set = False  # type: ignore[attr-defined]  # the next loader sets its own again


@pytest.fixture(scope="session")
def benchmark_cache(tmp_path_factory: pytest.TempPathFactory):
    """Keep the generated videos in a temporary folder, and torch on one thread."""
    import torch

    from datamodules.synthetic.files import CACHE_VARIABLE

    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        folder: Path = tmp_path_factory.mktemp("benchmark")
        patch.setenv(CACHE_VARIABLE, str(folder))
        yield folder
