"""How a network is trained, as frozen values: stages of learning rates, optimiser and gradient clipping."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Literal, Protocol

import torch
from torch import Tensor


class Schedule(Protocol):
    """Give the learning rate at a progress from 0 (first step of the stage) to 1 (its end)."""

    def __call__(self, progress: float) -> float:
        """Return the learning rate."""
        ...


@dataclass(frozen=True)
class Constant:
    """Keep the learning rate ``lr``."""

    lr: float

    def __call__(self, progress: float) -> float:
        """Return the learning rate."""
        return self.lr


@dataclass(frozen=True)
class CosineWarmup:
    """Raise the learning rate from ``start`` to ``end`` along half a cosine (LIGAR, Sec. V.iii)."""

    start: float
    end: float

    def __call__(self, progress: float) -> float:
        """Return end + (start - end) (1 + cos(pi progress)) / 2."""
        return _half_cosine(self.start, self.end, progress)


@dataclass(frozen=True)
class CosineAnnealing:
    """Lower the learning rate from ``start`` to ``end`` along half a cosine of progress^alpha (LIGAR, Eq. 3).

    ``alpha`` above 1 keeps the rate high for longer; 1 is the plain cosine, 1.5 the paper's value.
    """

    start: float
    end: float
    alpha: float = 1.5

    def __call__(self, progress: float) -> float:
        """Return end + (start - end) (1 + cos(pi progress^alpha)) / 2."""
        return _half_cosine(self.start, self.end, progress**self.alpha)


def _half_cosine(start: float, end: float, progress: float) -> float:
    return end + 0.5 * (start - end) * (1.0 + math.cos(math.pi * progress))


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Describe a run of epochs under one schedule.

    Args:
        epochs: length.
        lr: learning rate against progress through this stage, set before each step.
        trainable: "head" freezes the backbone and leaves its batch normalisations in inference mode.
    """

    epochs: int
    lr: Schedule
    trainable: Literal["all", "head"] = "all"

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ValueError(f"epochs must be at least 1, got {self.epochs}")
        if self.trainable not in ("all", "head"):
            raise ValueError(f"trainable must be 'all' or 'head', got {self.trainable!r}")


@dataclass(frozen=True, kw_only=True)
class SGD:
    """Stochastic gradient descent; weight decay applies to every parameter given."""

    momentum: float = 0.9
    weight_decay: float = 1e-4
    nesterov: bool = False

    def build(self, params: Iterable[Any], lr: float) -> torch.optim.SGD:
        """Return the optimiser of ``params`` (tensors or parameter groups)."""
        optimizer = torch.optim.SGD(
            params,
            lr=lr,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            nesterov=self.nesterov,
            fused=True,  # same update; with hundreds of small tensors on a CPU several times faster
        )
        if self.momentum:  # the fused step cannot start a part of the parameters later, as a head-only stage makes it
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        return optimizer


@dataclass(frozen=True, kw_only=True)
class AdamW:
    """Adam with decoupled weight decay on every parameter given."""

    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 1e-2

    def build(self, params: Iterable[Any], lr: float) -> torch.optim.AdamW:
        """Return the optimiser of ``params`` (tensors or parameter groups)."""
        return torch.optim.AdamW(params, lr=lr, betas=self.betas, weight_decay=self.weight_decay, fused=True)


@dataclass(frozen=True, kw_only=True)
class NormClipping:
    """Scale all gradients down together to a largest global L2 norm."""

    max_norm: float

    def apply(self, parameters: Iterable[Tensor]) -> None:
        """Clip the gradients of ``parameters`` in place."""
        torch.nn.utils.clip_grad_norm_(parameters, self.max_norm)


@dataclass(frozen=True, kw_only=True)
class AdaptiveClipping:
    """Limit the gradient of each unit to a share of the unit's weight norm (AGC; Brock et al., 2021).

    A unit is one index of the first axis of a tensor with two or more axes, and each single element of
    other tensors. No tensor is exempt, the classifier included (the authors' code; NFNets exempt it).

    Args:
        factor: largest ratio of gradient norm to weight norm.
        eps: weight norm that smaller ones count as, so that zero weights can leave zero.
    """

    factor: float = 0.2
    eps: float = 1e-3

    @torch.no_grad()
    def apply(self, parameters: Iterable[Tensor]) -> None:
        """Clip the gradients of ``parameters`` in place; those without a gradient are skipped.

        All tensors are on one device and of one type.
        """
        with_grad = [parameter for parameter in parameters if parameter.grad is not None]
        self._clip_elements([p for p in with_grad if p.ndim < 2])
        self._clip_rows([p for p in with_grad if p.ndim >= 2])

    def _clip_elements(self, parameters: list[Tensor]) -> None:
        if not parameters:
            return
        grads = [p.grad.view(-1) for p in parameters]  # type: ignore[union-attr]
        limits = torch.cat([p.view(-1) for p in parameters]).abs_().clamp_(min=self.eps).mul_(self.factor)
        flat = torch.cat(grads)
        clipped = flat.clamp(-limits, limits)  # scaling one number down to a limit is clamping it
        torch._foreach_copy_(grads, clipped.split([grad.numel() for grad in grads]))

    def _clip_rows(self, parameters: list[Tensor]) -> None:
        if not parameters:
            return
        grads: list[Tensor] = [p.grad for p in parameters]  # type: ignore[misc]
        limits = _row_norms(parameters).clamp_(min=self.eps).mul_(self.factor)
        norms = _row_norms(grads)
        scales = torch.where(norms > limits, limits / norms.clamp(min=1e-6), 1.0)
        rows = scales.split([len(grad) for grad in grads])
        torch._foreach_mul_(
            grads, [row.view(-1, *[1] * (grad.ndim - 1)) for row, grad in zip(rows, grads, strict=True)]
        )


def _row_norms(tensors: list[Tensor]) -> Tensor:
    """Return the L2 norm of every row (index of the first axis) of every tensor, one after another."""
    return torch.cat([torch.linalg.vector_norm(t, dim=tuple(range(1, t.ndim))) for t in tensors])


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Say everything about a training but the network and the data.

    Args:
        stages: one after another.
        optimizer: with its own settings; the learning rate comes from the stages.
        batch_size: videos per optimiser step over all processes.
        clipping: of gradients, before each step.
    """

    stages: tuple[Stage, ...]
    optimizer: SGD | AdamW
    batch_size: int
    clipping: AdaptiveClipping | NormClipping | None = None

    def __post_init__(self) -> None:
        if not self.stages:
            raise ValueError("stages must hold at least one stage, got none")
        if self.batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {self.batch_size}")

    @property
    def epochs(self) -> int:
        """Return the epochs of all stages together."""
        return sum(stage.epochs for stage in self.stages)

    def stage_at(self, epoch: int) -> Stage:
        """Return the stage that ``epoch`` (from 0) belongs to.

        Raises:
            ValueError: if the recipe has no such epoch.
        """
        return self._locate(epoch)[0]

    def lr_at(self, epoch: int, fraction: float = 0.0) -> float:
        """Return the learning rate of a step.

        Args:
            epoch: from 0.
            fraction: steps of this epoch already done over its number of steps, in [0, 1).

        Raises:
            ValueError: if the recipe has no such epoch or the fraction is outside [0, 1).
        """
        if not 0.0 <= fraction < 1.0:
            raise ValueError(f"fraction must be in [0, 1), got {fraction}")
        stage, first_epoch = self._locate(epoch)
        return stage.lr((epoch - first_epoch + fraction) / stage.epochs)

    def _locate(self, epoch: int) -> tuple[Stage, int]:
        ends = accumulate(stage.epochs for stage in self.stages)
        if epoch >= 0:
            for stage, end in zip(self.stages, ends, strict=True):
                if epoch < end:
                    return stage, end - stage.epochs
        raise ValueError(f"epoch must be in [0, {self.epochs}), got {epoch}")
