"""LIGAR's losses beside AM-Softmax: Local-Push, Center-Push (Sec. IV.ii) and the consistency of clips (Sec. IV.ii).

The paper names them and refers to Izutov, "ASL recognition with metric-learning based lightweight network",
2020; formulas, margins and weights are those of the authors' code. The total loss is the plain sum with AM-Softmax.
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
        return mean_of_positives(at_least_single(similarity) - self.margin)


@dataclass(frozen=True, kw_only=True)
class ClipConsistency:
    """Pull the predictions of a video's clips to their mean ("clip mixing", the loss that belongs to AugMix).

    With p_k = softmax(scale * cosines) of clip k and q the mean of the p_k of one video, taken without gradient, a clip
    costs the cross-entropy of q and p_k: the entropy of q plus KL(q || p_k). AugMix's own loss turns the divergence
    round, averages with gradient, and has three views.

    Args:
        weight: of the loss; applied here, so that the terms of a step stay a plain sum.
        scale: of the cosines; None takes the class loss's current one.
    """

    weight: float = 0.2
    scale: float | None = 10.0

    def __call__(self, cosines: Tensor, labels: Tensor, num_views: int, class_scale: float) -> Tensor:
        """Return the weighted mean over the clips of all groups whose clips share one label; 0 if there are none.

        A video's clips always share theirs. The rule is the released code's, whose groups are ``num_views`` neighbours
        in the batch, wherever they come from.

        Args:
            cosines: ``(N V, K)``, the V clips of a video one after another.
            labels: ``(N V,)`` class index.
            num_views: V.
            class_scale: the class loss's scale in this step.

        Returns:
            Scalar in [0, weight * (ln K + 2 scale)].

        Raises:
            ValueError: videos of a single clip, which has nothing to be compared with.
        """
        if num_views < 2:
            raise ValueError(
                f"consistency compares the clips of one video, and got {num_views} of each: "
                "train with clips_per_video=2 (or more)"
            )
        scale = class_scale if self.scale is None else self.scale
        log_probs = (scale * cosines).log_softmax(dim=1).unflatten(0, (-1, num_views))  # (N, V, K)
        target = log_probs.detach().exp().mean(dim=1, keepdim=True)  # (N, 1, K)
        values = -(target * log_probs).sum(dim=2).mean(dim=1)  # (N,)
        groups = labels.unflatten(0, (-1, num_views))  # (N, V)
        of_one_label = (groups == groups[:, :1]).all(dim=1).to(values.dtype)
        return self.weight * (values * of_one_label).sum() / of_one_label.sum().clamp(min=1)


def at_least_single(values: Tensor) -> Tensor:
    """Return half-precision values in single precision, others as they are: a half cannot count 700 classes' pairs."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
