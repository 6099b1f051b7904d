"""Metric-learning head: a unit-length embedding, scored by its cosine with one centre per class."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ClassCentres(nn.Module):
    """Score embeddings by their cosine with learnt class centres.

    Centres are drawn from N(0, 1) and brought to unit length; they are normalised again at each use, so that
    only their direction matters.

    Args:
        embedding_dim: D.
        num_classes: K.
    """

    def __init__(self, *, embedding_dim: int, num_classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(F.normalize(torch.randn(embedding_dim, num_classes), dim=0))

    def unit(self) -> Tensor:
        """Return the centres at unit length, ``(K, D)``."""
        return F.normalize(self.weight, dim=0).t()

    def forward(self, embeddings: Tensor) -> Tensor:
        """Return the cosines, clamped to [-1, 1].

        Args:
            embeddings: ``(N, D)``, unit length.

        Returns:
            ``(N, K)``.
        """
        return torch.mm(embeddings, F.normalize(self.weight, dim=0)).clamp(-1.0, 1.0)


class CosineHead(nn.Module):
    """Embed pooled features on the unit sphere and score them against class centres (LIGAR, Sec. III.iii).

    Linear layer without bias (a 1x1x1 convolution after pooling), batch normalisation, no activation, length
    one; then the cosines with the class centres. There is no scale: it belongs to the loss.

    Args:
        in_features: channels of the pooled features.
        num_classes: K.
        embedding_dim: D (256 in the paper).
    """

    def __init__(self, *, in_features: int, num_classes: int, embedding_dim: int = 256) -> None:
        super().__init__()
        self.project = nn.Linear(in_features, embedding_dim, bias=False)
        self.norm = nn.BatchNorm1d(embedding_dim)
        self.centres = ClassCentres(embedding_dim=embedding_dim, num_classes=num_classes)
        nn.init.kaiming_normal_(self.project.weight, mode="fan_out", nonlinearity="relu")

    def embed(self, features: Tensor) -> Tensor:
        """Return unit-length embeddings ``(N, D)`` of pooled features ``(N, in_features)``."""
        return F.normalize(self.norm(self.project(features)), dim=1)

    def forward(self, features: Tensor) -> Tensor:
        """Return the cosines ``(N, K)``, in [-1, 1], of pooled features ``(N, in_features)``."""
        return self.centres(self.embed(features))
