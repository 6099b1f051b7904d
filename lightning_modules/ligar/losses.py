"""Losses that spread LIGAR's embeddings and class centres: Local-Push and Center-Push (Sec. IV.ii).

The paper names them and refers to Izutov, "ASL recognition with metric-learning based lightweight network",
2020; formulas and margins are those of the authors' code. The total loss is their plain sum with AM-Softmax.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lightning_modules.losses.am_softmax import mean_of_positives


@dataclass(frozen=True, kw_only=True)
class LocalPush:
    """Push each embedding from the most similar one of another class.

    Smart margin: a clip whose cosine with its own centre is c tolerates neighbours up to
    max(c, margin) - margin, a threshold without gradient. Its value is the largest excess over the threshold
    among the clips of other classes in the batch, or 0.

    Args:
        margin: by how much the own centre has to be nearer than the neighbour, in cosine.
    """

    margin: float = 0.1

    def __call__(self, embeddings: Tensor, cosines: Tensor, labels: Tensor) -> Tensor:
        """Return the mean over the batch, zeros included.

        Args:
            embeddings: ``(N, D)``, unit length.
            cosines: ``(N, K)``, with the class centres.
            labels: ``(N,)`` class index.

        Returns:
            Scalar in [0, 2]; 0 when all clips share one class.
        """
        own = cosines.detach().gather(1, labels[:, None])  # (N, 1)
        threshold = own.clamp(min=self.margin) - self.margin
        excess = (embeddings @ embeddings.t() - threshold).clamp(min=0)  # (N, N)
        other_class = labels[:, None] != labels[None, :]
        return (excess * other_class).amax(dim=1).mean()


@dataclass(frozen=True, kw_only=True)
class CenterPush:
    """Push class centres apart that are more similar than the margin.

    Args:
        margin: largest cosine of two centres that costs nothing.
    """

    margin: float = 0.1

    def __call__(self, centres: Tensor) -> Tensor:
        """Return the mean excess over the margin among the pairs that exceed it.

        Args:
            centres: ``(K, D)``, unit length.

        Returns:
            Scalar in [0, 1 - margin]; 0 when no pair exceeds the margin.
        """
        first, second = torch.triu_indices(len(centres), len(centres), offset=1, device=centres.device)
        similarity = (centres @ centres.t())[first, second]  # (K (K - 1) / 2,)
        return mean_of_positives(similarity - self.margin)
