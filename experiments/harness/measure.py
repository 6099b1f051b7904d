"""Count a network's parameters and operations on the meta device: no weights, no data, a second per row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from experiments.harness.build import with_fields
from experiments.harness.cell import Options, fingerprint, plain
from experiments.harness.ensemble import members_of_ensemble
from experiments.harness.measurements import latency_ms, videos_per_sec
from experiments.harness.ptflops_rule import ptflops
from experiments.harness.resolve import data_build, module_build, protocol_build
from experiments.harness.spec import AS_RUN_METRICS, MEASURED_METRICS, Build, Column, Row, Table
from lightning_modules.layers.folding import folded_parameters

GIGA = 1e9


def build_module(table: Table, *, row: str, profile: str = "paper", num_classes: int | None = None) -> Any:
    """Return the untrained LightningModule of a row; its forward takes clips ``(N, V, C, T, H, W)``.

    Args:
        table: the table.
        row: label of the row.
        profile: ``smoke``, ``proxy`` or ``paper``.
        num_classes: K; by default what the row states for its costs.

    Raises:
        ValueError: an unknown row or profile, or no number of classes.
    """
    spec = table.row(row)
    if spec.ensemble is not None:
        raise ValueError(f"{table.id}, row {row!r} is an ensemble of {len(members_of_ensemble(spec.ensemble))} rows; "
                         "build one of them")  # fmt: skip
    if profile not in table.profiles:
        raise ValueError(f"{table.id}: unknown profile {profile!r}; accepted: {', '.join(table.profiles)}")
    classes = num_classes if num_classes is not None else spec.classes
    if classes is None:
        raise ValueError(f"{table.id}, row {row!r}: num_classes is needed; the row states none")
    build = module_build(table, spec, profile)
    recipe = table.profiles[profile].recipe or table.recipe
    return build.cls(**build.resolved(), num_classes=classes, recipe=with_fields(recipe, spec.recipe))


def clip_shape(data: Build) -> tuple[int, ...]:
    """Return the shape ``(1, 1, 3, T, H, W)`` of one clip that a data module serves."""
    arguments = data.resolved()
    return (1, 1, 3, arguments["num_frames"], arguments["size"], arguments["size"])


def row_costs(table: Table, row: Row, num_classes: int | None = None) -> dict[str, float]:
    """Return what the full-size network of a row costs for one clip of the paper's size.

    Returns:
        ``params_m`` and ``folded_params_m`` (millions; the latter with batch normalisation folded into
        convolutions, as in an exported network), ``gmacs`` (convolutions, linear layers and matrix products, torch's
        counter), ``gmacs_fvcore`` (the same plus two operations per batch-normalised element, fvcore's rule),
        ``gflops_fvcore``, twice the last; ``gmacs_ptflops`` (ptflops' rule); ``num_frames`` of a clip and
        ``num_views`` of a test video. An ensemble runs a clip of each member; its parameters are those of the
        different networks among them.
    """
    if row.ensemble is not None:
        return _ensemble_costs(table, row, num_classes)
    data = protocol_build(table, row, first_column(table, row), "paper")
    if num_classes is None:
        num_classes = row.classes or getattr(data.arguments["source"], "num_classes", None)
    shape = clip_shape(data)
    key = fingerprint([plain(module_build(table, row, "paper")), num_classes, shape])
    if key not in _COUNTED:  # rows that differ in training alone share a network
        with torch.device("meta"):
            module = build_module(table, row=row.label, profile="paper", num_classes=num_classes).eval()
        _COUNTED[key] = _network_costs(module, shape)
    views = data.resolved()["views"] * data.resolved().get("crops", 1)
    return {**_COUNTED[key], "num_frames": shape[3], "num_views": views}


def first_column(table: Table, row: Row) -> Column:
    """Return the first column with data that a row is run on: what its costs are counted for."""
    columns = [column for column in table.columns if column.data is not None]
    return next((column for column in columns if row.on is None or column.group in row.on), columns[0])


@dataclass(frozen=True)
class NetworkAsRun:
    """A row's network at the size of a profile, for its first data set.

    Args:
        build: the module.
        num_classes: K.
        clip: shape ``(1, 1, 3, T, H, W)`` of one clip.
    """

    build: Build
    num_classes: int
    clip: tuple[int, ...]

    @property
    def key(self) -> str:
        """Return the hash that names this network: what costs and latencies belong to."""
        return fingerprint([plain(self.build), self.num_classes, self.clip])


def network_as_run(table: Table, row: Row, profile: str) -> NetworkAsRun:
    """Return a row's network, classes and clip as a profile runs them.

    Raises:
        ValueError: an ensemble; or a data set whose number of classes neither it nor the row states.
    """
    if row.ensemble is not None:
        raise ValueError(f"{table.id}, row {row.label!r} is an ensemble: it runs no network of its own")
    column = first_column(table, row)
    if table.profiles[profile].stand_ins:
        data = data_build(table, row, column, Options(profile=profile))
        num_classes = len(data.arguments["source"].class_names(None))
    else:
        data = protocol_build(table, row, column, profile)
        stated = row.classes or getattr(data.arguments["source"], "num_classes", None)
        if stated is None:
            raise ValueError(f"{table.id}, row {row.label!r}: the number of classes is needed; the row states none")
        num_classes = stated
    return NetworkAsRun(module_build(table, row, profile), num_classes, clip_shape(data))


def build_as_run(table: Table, row: Row, profile: str) -> Any:
    """Return the untrained module that :func:`network_as_run` describes."""
    return build_module(
        table, row=row.label, profile=profile, num_classes=network_as_run(table, row, profile).num_classes
    )


def costs_as_run(table: Table, row: Row, profile: str) -> dict[str, float]:
    """Return what :func:`row_costs` counts of one network, of the row's network as a profile runs it."""
    network = network_as_run(table, row, profile)
    if network.key not in _COUNTED:
        with torch.device("meta"):
            module = build_as_run(table, row, profile).eval()
        _COUNTED[network.key] = _network_costs(module, network.clip)
    return _COUNTED[network.key]


def _ensemble_costs(table: Table, row: Row, num_classes: int | None) -> dict[str, float]:
    members = [table.row(label) for label in members_of_ensemble(row.ensemble or ())]
    networks = {fingerprint([plain(module_build(table, member, "paper")), member.init]): member for member in members}
    every = [row_costs(table, member, num_classes) for member in members]
    single = [row_costs(table, member, num_classes) for member in networks.values()]
    return {name: sum(costs[name] for costs in (single if name.endswith("params_m") else every)) for name in every[0]}


_COUNTED: dict[str, dict[str, float]] = {}


def _network_costs(module: Any, shape: tuple[int, ...]) -> dict[str, float]:
    """Count a module built on the meta device."""
    clip = torch.empty(shape, device="meta")
    counter, normalised = FlopCounterMode(display=False), _NormalisedElements(module)
    with torch.no_grad(), counter, normalised:
        module(clip)
    macs = counter.get_total_flops() / 2
    fvcore = macs + 2 * normalised.elements
    return {
        "params_m": sum(p.numel() for p in module.parameters()) / 1e6,
        "folded_params_m": folded_parameters(module) / 1e6,
        "gmacs": macs / GIGA,
        "gmacs_fvcore": fvcore / GIGA,
        "gflops_fvcore": 2 * fvcore / GIGA,
        "gmacs_ptflops": ptflops(module, clip) / GIGA,
    }


def known_cost(table: Table, row: Row, column: Column, profile: str) -> float | None:
    """Return a row's value in a column of costs; None for what was not measured, or of another network."""
    if column.metric == "latency_ms":
        return latency_ms(table, row, profile, network_as_run(table, row, profile).key)
    if column.metric == "videos_per_sec":
        return videos_per_sec(table, row, network_as_run(table, row, "paper").key)
    return cost_value(table, row, column, profile)


def cost_value(table: Table, row: Row, column: Column, profile: str = "paper") -> float:
    """Return a row's value in a column of costs, or in one that follows from costs alone.

    Args:
        table: the table.
        row: the row.
        column: the column.
        profile: whose networks the columns "as run" are of; the others are always of the full-size network.

    Raises:
        ValueError: the column needs trainings or a measurement, or has no value in this row.
    """
    if column.derived is not None:
        found = column.derived.value(
            row.label, lambda label, key: cost_value(table, table.row(label), table.column(key), profile)
        )
        if found is None:
            raise ValueError(f"{table.id}, row {row.label!r}: has no value in {column.key!r}")
        return found
    if not column.is_cost or column.metric in MEASURED_METRICS:
        raise ValueError(f"{table.id}, column {column.key!r}: no cost that could be counted")
    if column.metric in AS_RUN_METRICS:
        run = costs_as_run(table, row, profile)
        return 1e3 * (run["gmacs"] if column.metric == "run_mmacs" else run["params_m"])
    costs = row_costs(table, row)
    if column.metric in ("params_m", "folded_params_m", "num_frames", "num_views"):
        return costs[column.metric]
    macs = costs["gmacs" if column.rule == "torch" else f"gmacs_{column.rule}"]
    return 2 * macs if column.metric == "gflops" else macs


class _NormalisedElements:
    """Count the elements that pass through batch normalisations during a forward pass."""

    def __init__(self, module: nn.Module) -> None:
        self.elements = 0
        self.layers = [layer for layer in module.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
        self.hooks: list[Any] = []

    def __enter__(self) -> _NormalisedElements:
        self.hooks = [layer.register_forward_hook(self._count) for layer in self.layers]
        return self

    def _count(self, layer: nn.Module, inputs: Any, output: torch.Tensor) -> None:
        self.elements += output.numel()

    def __exit__(self, *error: object) -> None:
        for hook in self.hooks:
            hook.remove()
