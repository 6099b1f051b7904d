"""Run a table of cells to intervals and verdicts; knows no paper."""

from experiments.harness.build import Changed
from experiments.harness.cli import main
from experiments.harness.derived import Derived
from experiments.harness.ensemble import EnsembleSearch
from experiments.harness.spec import (
    Build,
    CheckpointFile,
    Claim,
    Column,
    Figure,
    Network,
    Pretrain,
    Profile,
    Row,
    Table,
)

__all__ = [
    "Build",
    "Changed",
    "CheckpointFile",
    "Claim",
    "Column",
    "Derived",
    "EnsembleSearch",
    "Figure",
    "Network",
    "Pretrain",
    "Profile",
    "Row",
    "Table",
    "build_module",
    "main",
]


def build_module(table: Table, *, row: str, profile: str = "paper", num_classes: int | None = None):
    """Return the untrained LightningModule of a table's row; see :func:`experiments.harness.measure.build_module`."""
    from experiments.harness.measure import build_module as build

    return build(table, row=row, profile=profile, num_classes=num_classes)
