"""Say how the pre-trainings of a table's cells ended: a start that stopped early explains more than a row's name."""

from __future__ import annotations

from typing import Any

from experiments.harness.cell import Training
from experiments.harness.spec import row_init
from experiments.harness.table_cells import TableCells

CURVE = "val/top1"


def starts_of(cells: TableCells) -> list[dict[str, Any]]:
    """Return each finished pre-training once: its name, seed, epochs and last held-out top-1 in percent.

    Pre-trainings that were not validated are left out.
    """
    found: dict[str, dict[str, Any]] = {}
    for row in (row for row in cells.rows if row.ensemble is None):
        for column in (column for column in cells.columns if cells.runs(row, column)):
            for seed in cells.options.seeds:
                for _, cell in cells.evaluations(row, column, seed):
                    init = cell.training.init
                    if not isinstance(init, Training) or init.fingerprint in found:
                        continue
                    record = cells.store.folder(init).record()
                    if record is not None and (curve := record["curves"].get(CURVE)):
                        epoch, top1 = curve[-1]
                        found[init.fingerprint] = {
                            "name": row_init(cells.table, row, column),
                            "seed": init.seed,
                            "epochs": int(epoch) + 1,
                            "top1": top1,
                        }
    return list(found.values())
