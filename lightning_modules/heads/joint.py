"""Several cosine heads on one backbone: a decision space of its own for each data set (LIGAR, Sec. IV.i)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor, nn

from lightning_modules.heads.cosine import CosineHead


class JointCosineHead(nn.Module):
    """Embed and score pooled features once for each of S data sets.

    The heads share nothing: class k of set s is column ``offsets[s] + k`` of the scores. Every head sees all features
    that it is given, so that in training its batch normalisation is measured on the whole batch (the released code's
    way), whichever set a clip belongs to.

    Args:
        in_features: channels of the pooled features.
        head_sizes: number of classes of each set.
        embedding_dim: D, for every head.

    Raises:
        ValueError: no set, or one without classes.
    """

    def __init__(self, *, in_features: int, head_sizes: Sequence[int], embedding_dim: int = 256) -> None:
        super().__init__()
        if not head_sizes or min(head_sizes) < 1:
            raise ValueError(
                f"head_sizes={tuple(head_sizes)}; accepted: one number of classes, 1 or more, for each set"
            )
        self.head_sizes = tuple(head_sizes)
        self.heads = nn.ModuleList(
            CosineHead(in_features=in_features, num_classes=size, embedding_dim=embedding_dim) for size in head_sizes
        )

    @property
    def offsets(self) -> tuple[int, ...]:
        """Return the column of each set's first class, and after the last set the number of all classes."""
        return tuple(accumulate(self.head_sizes, initial=0))

    def embed(self, features: Tensor) -> Tensor:
        """Return unit-length embeddings ``(N, S, D)``, one per head, of pooled features ``(N, in_features)``."""
        return torch.stack([head.embed(features) for head in self.heads], dim=1)  # type: ignore[operator]

    def centres(self, embeddings: Tensor) -> Tensor:
        """Return each head's cosines with its class centres, side by side.

        Args:
            embeddings: ``(N, S, D)``, unit length.

        Returns:
            ``(N, K)``, in [-1, 1]; K counts the classes of all sets.
        """
        cosines = [head.centres(own) for head, own in zip(self.heads, embeddings.unbind(1), strict=True)]  # type: ignore[operator]
        return torch.cat(cosines, dim=1)

    def forward(self, features: Tensor) -> Tensor:
        """Return the cosines ``(N, K)``, in [-1, 1], of pooled features ``(N, in_features)``."""
        return self.centres(self.embed(features))
