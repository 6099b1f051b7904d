"""Fixtures that several test files share."""

from __future__ import annotations

from pathlib import Path

import pytest


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
