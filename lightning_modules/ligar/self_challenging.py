"""Representation self-challenging: train on features without those that helped most (Sec. IV.ii; Huang et al., 2020).

The paper names the method; the steps and numbers are those of the authors' code, which differs from the method's
own paper: the largest *signed* gradients are muted, and who is challenged is left to chance, not to the clip's loss.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from lightning_modules.heads.cosine import CosineHead


@dataclass(frozen=True, kw_only=True)
class SelfChallenging:
    """Mute, for a random half of the clips, the pooled features that their own class's cosine rises with most.

    A training step runs the head twice. The first pass, in training mode, moves the head's batch statistics and gives
    the gradient by which features are muted; the losses use the second pass alone, with these statistics frozen.
    Nothing is learnt through the choice of features: gradients reach the backbone through the second pass.

    Args:
        drop: share of a challenged clip's features that is muted; the others grow by 1 / (1 - drop).
        challenged_share: probability that a clip is challenged.

    Raises:
        ValueError: a share out of range.
    """

    drop: float = 0.33
    challenged_share: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.drop < 1:
            raise ValueError(f"drop={self.drop}; accepted: above 0 and below 1")
        if not 0 < self.challenged_share <= 1:
            raise ValueError(f"challenged_share={self.challenged_share}; accepted: above 0, up to 1")

    def __call__(self, head: CosineHead, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Run a head twice and return what the second pass gives.

        Draws one number per clip from the global generator of the features' device.

        Args:
            head: in training mode; its batch statistics move.
            features: ``(N, in_features)``, pooled; they may come from a frozen backbone.
            labels: ``(N,)`` class index within this head.

        Returns:
            Unit-length embeddings ``(N, D)`` and cosines ``(N, K)``.
        """
        gradient = own_cosine_gradient(head, features, labels)
        chosen = torch.rand(len(features), device=features.device) < self.challenged_share
        challenged = torch.where(chosen[:, None], self.mute(features, gradient), features)
        with frozen_statistics(head):
            embeddings = head.embed(challenged)
            return embeddings, head.centres(embeddings)

    def mute(self, features: Tensor, gradient: Tensor) -> Tensor:
        """Set to 0 the features whose gradient exceeds the clip's (1 - drop)-quantile; scale up the others.

        The quantile lies linearly between the two nearest of the clip's gradients.

        Args:
            features: ``(N, F)``.
            gradient: ``(N, F)``, signed.

        Returns:
            ``(N, F)``.
        """
        threshold = gradient.quantile(1 - self.drop, dim=1, keepdim=True, interpolation="linear")  # (N, 1)
        return features * (gradient <= threshold) / (1 - self.drop)


def own_cosine_gradient(head: CosineHead, features: Tensor, labels: Tensor) -> Tensor:
    """Return the gradient ``(N, F)`` of the summed cosines of all clips with their own class centres.

    The pass starts from a copy of the features, so that it leaves no trace but in the head's batch statistics: no
    gradient of parameters, none towards the backbone, and a frozen backbone makes no difference. It runs in the
    weights' own precision also where the step is in mixed precision: no loss scaling keeps its gradients, of the order
    of a thousandth, from vanishing in half precision. It comes in single precision at least, as the quantile needs it.
    A lone clip has no batch statistics; it uses the running ones.

    Args:
        head: moves its batch statistics if it is in training mode.
        features: ``(N, F)``.
        labels: ``(N,)`` class index within this head.
    """
    with torch.enable_grad(), torch.autocast(features.device.type, enabled=False):
        copy = features.detach().to(head.centres.weight.dtype).requires_grad_(True)
        if len(features) > 1:
            cosines = head(copy)
        else:
            with frozen_statistics(head):
                cosines = head(copy)
        own = cosines.gather(1, labels[:, None]).sum()
        (gradient,) = torch.autograd.grad(own, copy)
    return gradient.to(torch.promote_types(gradient.dtype, torch.float32))


@contextmanager
def frozen_statistics(head: nn.Module) -> Iterator[None]:
    """Let the batch normalisations of a head use their running statistics, and leave them alone, for a while."""
    training = [layer for layer in head.modules() if isinstance(layer, _BatchNorm) and layer.training]
    for layer in training:
        layer.eval()
    try:
        yield
    finally:
        for layer in training:
            layer.train()
