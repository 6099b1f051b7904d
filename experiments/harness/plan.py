"""Which jobs a set of evaluations needs, in what order: data, trainings, tests, each once (no torch)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from datamodules.datasets.joint import members_of
from datamodules.synthetic.members import Member
from experiments.harness.cell import Evaluation, Training
from experiments.harness.shared_tests import SharedTests, shared
from experiments.harness.store import Store

State = Literal["waiting", "running", "done", "failed", "blocked", "elsewhere"]


@dataclass(eq=False)
class Job:
    """One unit of work for one process.

    Args:
        key: unique name of what it makes: a cell's fingerprint or a member's name.
        label: what the display shows.
        table: id of the table that it is tracked under; the first, where several share it.
        work: the member to render, or the cell to run.
        needs: jobs that must be done first.
    """

    key: str
    label: str
    work: Member | Training | Evaluation | SharedTests
    needs: tuple[Job, ...] = ()
    state: State = "waiting"
    reason: str = ""
    done: float = 0.0
    note: str = ""
    seconds: float = 0.0
    retry_at: float = field(default=0.0, repr=False)
    table: str = ""

    @property
    def kind(self) -> str:
        """Return ``data``, ``train`` or ``test``."""
        return {Member: "data", Training: "train"}.get(type(self.work), "test")

    @property
    def makes(self) -> frozenset[str]:
        """Return the keys of all that the job makes: several tests', where they share a run."""
        several = self.work.evaluations if isinstance(self.work, SharedTests) else ()
        return frozenset({self.key, *(cell.fingerprint for cell in several)})


def plan(evaluations: Mapping[Evaluation, str], store: Store) -> list[Job]:
    """Return the jobs still to do for these evaluations, each once, dependencies first.

    Args:
        evaluations: the cells wanted, with the label to show for each.
        store: finished cells there are not planned.
    """
    jobs: dict[str, Job] = {}

    def wanted(cell: Training | Evaluation) -> bool:
        return not store.finished(cell)

    def member_jobs(source: object) -> tuple[Job, ...]:
        keys = {member.name + repr(member): member for member in members_of(source)}
        return tuple(jobs.setdefault(key, Job(key, member.name, member)) for key, member in keys.items())

    def training_job(cell: Training, label: str) -> tuple[Job, ...]:
        if not wanted(cell):
            return ()
        if cell.fingerprint not in jobs:
            needs = member_jobs(cell.data.arguments["source"])
            if isinstance(cell.init, Training):
                about = f"{cell.paper} pre-training on {cell.init.data.arguments['source'].name}"
                about += "" if cell.init.seed == 0 else f" s{cell.init.seed}"
                needs += training_job(cell.init, about)
            jobs[cell.fingerprint] = Job(cell.fingerprint, label, cell, needs)
        return (jobs[cell.fingerprint],)

    for evaluation, label in evaluations.items():
        if wanted(evaluation) and evaluation.fingerprint not in jobs:
            needs = member_jobs(evaluation.data.arguments["source"]) + training_job(evaluation.training, label)
            jobs[evaluation.fingerprint] = Job(evaluation.fingerprint, label, evaluation, needs)
    for tests in shared([job.work for job in jobs.values() if isinstance(job.work, Evaluation)]):
        single = [jobs.pop(cell.fingerprint) for cell in tests.evaluations]
        needs = tuple(dict.fromkeys(need for job in single for need in job.needs))
        jobs[tests.fingerprint] = Job(tests.fingerprint, f"{single[0].label} and {len(single) - 1} more", tests, needs)
    return sorted(jobs.values(), key=_urgency)


def _urgency(job: Job) -> tuple[int, int]:
    """Order jobs so that what others wait for runs first: the source of a pre-training, then the pre-training."""
    depth = 0
    if isinstance(job.work, Training):
        depth = len(job.work.lineage) - 1
    elif not isinstance(job.work, Member):
        depth = -1  # a test is short and completes a cell: run it as soon as its training is done
    if isinstance(job.work, Member):
        return (depth, 0 if job.work.kind == "source" else 2)
    return (depth, 1)


def block_dependents(jobs: Iterable[Job], failed: Job) -> None:
    """Mark everything that waits for a failed job as blocked by it; of tests that share a run the others go on."""
    jobs = list(jobs)
    for job in jobs:
        if job.state == "waiting" and failed in job.needs:
            if isinstance(job.work, SharedTests) and isinstance(failed.work, Training):
                job.work = job.work.without(failed.work)
                job.needs = tuple(need for need in job.needs if need is not failed)
                if job.work.evaluations:
                    continue
            job.state, job.reason = "blocked", f"blocked by {failed.label} ({failed.kind})"
            block_dependents(jobs, job)
