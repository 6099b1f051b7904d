"""Compute a loss that compares clips with each other as one process would, over the batches of all processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Terms = dict[str, Tensor]


@dataclass(frozen=True)
class Gathered:
    """Hold what all processes' batches gave, as many clips in each.

    Args:
        codes: ``(W, M, D)``, without gradients.
        labels: ``(W, M)``.
        counted: ``(W, M)``, false for clips that no loss counts.
        rank: this process.
    """

    codes: Tensor
    labels: Tensor
    counted: Tensor
    rank: int


def gathered(codes: Tensor, labels: Tensor, counted: Tensor) -> Gathered | None:
    """Return what all processes give, which all of them must call; None where there is only one.

    Args:
        codes: ``(M, D)``.
        labels: ``(M,)``.
        counted: ``(M,)``, booleans.
    """
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return None
    world_size = torch.distributed.get_world_size()
    if world_size == 1:
        return None

    def all_of(own: Tensor) -> Tensor:
        parts = [torch.empty_like(own) for _ in range(world_size)]
        torch.distributed.all_gather(parts, own.contiguous())
        return torch.stack(parts)

    every = all_of(codes.detach()), all_of(labels), all_of(counted.to(torch.uint8)).bool()
    return Gathered(*every, rank=torch.distributed.get_rank())


def over_processes(loss: Callable[[Tensor, Tensor], Terms], own: Tensor, others: Gathered) -> Terms:
    """Return the terms of a loss over all processes' codes, whose gradient reaches this process's own.

    Each process computes the same terms and gets the part of their gradient that is its own. Data parallelism takes
    the mean of what the processes get, where the sum is wanted: so the gradient, not the value, is W times the terms'.

    Args:
        loss: of codes and labels.
        own: ``(M', D)``, this process's counted codes, with their gradient.
        others: of all processes, this one included.
    """
    world_size = len(others.codes)
    codes = [others.codes[rank][others.counted[rank]] for rank in range(world_size)]
    codes[others.rank] = own
    labels = torch.cat([others.labels[rank][others.counted[rank]] for rank in range(world_size)])
    terms = loss(torch.cat(codes), labels)
    return {name: term + (world_size - 1) * (term - term.detach()) for name, term in terms.items()}
