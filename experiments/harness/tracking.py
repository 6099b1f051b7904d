"""Log runs to Weights & Biases, or only to CSV files; nothing that goes wrong here may cost a cell.

The only importer of wandb, and only inside functions: a machine without it still runs everything.
"""

from __future__ import annotations

import contextlib
import csv
import netrc
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from experiments.harness.cell import Training, fingerprint

INIT_TIMEOUT_SEC = 20
FINISH_TIMEOUT_SEC = 60.0
PROJECT = "action-recognition-tables"
SERVERS = ("api.wandb.ai", "api.forge.coreweave.com")  # the public one under its old and its new name
Log = Callable[[Mapping[str, float], int], None]


@dataclass(frozen=True)
class Tracking:
    """Where curves go.

    Args:
        mode: ``online``, ``offline`` (files, to be uploaded with ``wandb sync``) or ``none`` (CSV only).
        folder: where wandb and CSV files are written.
        group: the table's id; all its runs share it.
        tags: of every run.
    """

    mode: Literal["online", "offline", "none"]
    folder: Path
    group: str = ""
    tags: tuple[str, ...] = ()

    @classmethod
    def none(cls) -> Tracking:
        """Return tracking that writes nothing but the CSV beside the process."""
        return cls("none", Path("results/runs"))

    @classmethod
    def detect(cls, folder: Path, *, wanted: bool) -> Tracking:
        """Choose the mode: none if unwanted, what ``WANDB_MODE`` says, online with a key, else offline."""
        if not wanted or os.environ.get("WANDB_MODE") == "disabled":
            return cls("none", folder)
        if os.environ.get("WANDB_MODE") == "offline" or not has_key():
            return cls("offline", folder)
        return cls("online", folder)

    def for_table(self, table_id: str, profile: str) -> Tracking:
        """Return the same tracking grouped and tagged for one table."""
        return replace(
            self, group=table_id.replace("/", "_"), tags=(f"paper:{table_id.split('/')[0]}", table_id, profile)
        )

    @contextlib.contextmanager
    def run(self, *, name: str, cell: Training, job_type: str) -> Iterator[Log]:
        """Open one run for one attempt at a cell; yield a function that logs values at an epoch."""
        if int(os.environ.get("LOCAL_RANK", "0")) > 0:  # of several processes the first one logs
            yield lambda values, epoch: None
            return
        csv_path = self.folder / "trainings" / cell.fingerprint / "curves.csv"
        run = None
        if self.mode != "none":
            config = {**cell.arguments, "fingerprint": cell.fingerprint, "row": row_of(name)}
            run = _guard(lambda: self._open(name=name or cell.fingerprint, job_type=job_type, config=config))

        def log(values: Mapping[str, float], epoch: int) -> None:
            _guard(lambda: _append_csv(csv_path, values, epoch))
            if run is not None:
                _guard(lambda: run.log({**values, "epoch": epoch}))

        try:
            yield log
        finally:
            if run is not None:
                _finish(run)

    def log_table(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[str]],
        summary: Mapping[str, Any],
        numbers: tuple[Sequence[str], Sequence[Sequence[Any]]] | None = None,
        prefix: str = "",
    ) -> None:
        """Log the rendered table as a run of its own, cells as text (wandb tables are strict about types).

        The run's id follows from the table, the profile, the columns (with a data set of one's own they are others) and
        the prefix, so that a second rendering takes the place of the first instead of standing beside it. W&B never
        gives the id of a deleted run again: such a run can be restored there, not made anew.

        Args:
            columns: heads.
            rows: cells.
            summary: of the run.
            numbers: heads and rows of the means alone, for charts: first the row's label, then numbers or None.
            prefix: what sets this apart from the table itself, as in its files' names (``changed-``); such a table
                neither takes the table's place nor shows in its charts.
        """
        if self.mode == "none":
            return
        table = prefix + self.group
        run_id = f"{table}-{fingerprint([self.tags, [*columns]])}"

        def write() -> None:
            import wandb

            run = self._open(name=table, job_type="table", config={}, id=run_id, resume="allow")
            run.log({"table": wandb.Table(columns=[*columns], data=[[str(cell) for cell in row] for row in rows])})
            if numbers is not None:
                means = wandb.Table(columns=[*map(field_name, numbers[0])], data=[[*line] for line in numbers[1]])
                run.log({values_key(table): means})
            run.summary.update(dict(summary))
            _finish(run)

        _guard(write)

    def _open(self, *, name: str, job_type: str, config: dict[str, Any], **identity: str) -> Any:
        import wandb

        self.folder.mkdir(parents=True, exist_ok=True)
        settings = wandb.Settings(init_timeout=INIT_TIMEOUT_SEC, console="off", silent=True)
        arguments: dict[str, Any] = dict(
            project=os.environ.get("WANDB_PROJECT", PROJECT), group=self.group, job_type=job_type, name=name,
            tags=[*self.tags], config=config, dir=str(self.folder), settings=settings, **identity,
        )  # fmt: skip
        if self.mode == "online":
            try:
                return wandb.init(mode="online", **arguments)
            except Exception as error:
                print(f"wandb: server not reached ({error}); this run is logged offline", file=sys.stderr)
        return wandb.init(mode="offline", **arguments)


def row_of(name: str) -> str:
    """Return the row and data set that a run belongs to: its name without the seed (``... · s3``)."""
    return name.rsplit(" · s", 1)[0]


def values_key(group: str) -> str:
    """Return the key under which a table's means are logged, by its runs' group (``ligar_table3``)."""
    return f"{group}_values"


def field_name(column: str) -> str:
    """Return the name of a column of a table's means, for charts: Vega takes dots and brackets for a path."""
    return column.translate(str.maketrans("", "", ".[]"))


def has_key() -> bool:
    """Say whether a key of a W&B server is in the environment or in ``.netrc``."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    hosts = {*SERVERS, urlsplit(os.environ.get("WANDB_BASE_URL", "")).netloc} - {""}
    with contextlib.suppress(OSError, netrc.NetrcParseError):
        return not hosts.isdisjoint(netrc.netrc(os.environ.get("NETRC", Path.home() / ".netrc")).hosts)
    return False


def _guard(action: Callable[[], Any]) -> Any:
    """Run a logging action; a failure is printed to the cell's log and goes no further."""
    try:
        return action()
    except Exception as error:
        print(f"tracking: {type(error).__name__}: {error} (the run goes on without it)", file=sys.stderr)
        return None


def _finish(run: Any) -> None:
    """Close a run, but do not wait for a server that does not answer."""
    thread = threading.Thread(target=lambda: _guard(run.finish), daemon=True)
    thread.start()
    thread.join(FINISH_TIMEOUT_SEC)
    if thread.is_alive():
        print("tracking: wandb did not finish in time; `wandb sync` can upload the run later", file=sys.stderr)


def _append_csv(path: Path, values: Mapping[str, float], epoch: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(["epoch", "key", "value"])
        writer.writerows([epoch, key, value] for key, value in values.items())
