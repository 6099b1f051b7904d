"""How a table is run at one size, and what its trainings start from (data only, no torch)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from experiments.harness.build import Build


@dataclass(frozen=True, kw_only=True)
class Pretrain:
    """Start from the checkpoint of another training, run once and shared by all cells that ask for it.

    Args:
        data: what to pre-train on.
        recipe: how (a ``Recipe``).
        module: constructor arguments in which the pre-trained network differs from the table's; a row's own changes do
            not reach it, so that all rows start from the same weights.
        shared_by_seeds: one pre-training for all seeds (as one published checkpoint is) or one per seed.
        init: name of the initialisation in the same profile that this pre-training itself starts from.
        with_row: the row's own changes of the network reach it after all: a pre-training for each such row.
        network: name of the network in the same profile that is pre-trained; None: the table's, or with ``with_row``
            the row's.
    """

    data: Build
    recipe: Any
    module: Mapping[str, Any] = field(default_factory=dict)
    shared_by_seeds: bool = True
    init: str | None = None
    with_row: bool = False
    network: str | None = None


@dataclass(frozen=True)
class CheckpointFile:
    """Start from a file that the user names with ``--init-checkpoint``; ``about`` says which file is meant."""

    about: str


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network of a class of its own, at one size, and the clips it takes.

    Args:
        module: the network.
        clips: constructor arguments of the data module in which its clips differ from the other rows', in its
            pre-training too.
    """

    module: Build
    clips: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Profile:
    """How a paper's table is run at one size.

    Args:
        module: constructor arguments of the network that differ from the table's.
        networks: further networks by name, for rows that name one in place of the table's; ``module`` does not reach
            them.
        data: constructor arguments of the data module that differ from the table's.
        recipe: a recipe in place of the table's; None keeps it.
        recipe_on: recipes by column group, before ``recipe``.
        inits: initialisation by name; a table or row refers to one with ``init="name"``.
        stand_ins: replace each real data set by its member of the embedded benchmark.
        tiny: shrink the members further, for the smoke profile.
        val_every: epochs between two looks at the validation split (for the curves only).
    """

    module: Mapping[str, Any] = field(default_factory=dict)
    networks: Mapping[str, Network] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    recipe: Any = None
    recipe_on: Mapping[str, Any] = field(default_factory=dict)
    inits: Mapping[str, Pretrain | CheckpointFile] = field(default_factory=dict)
    stand_ins: bool = False
    tiny: bool = False
    val_every: int = 1
