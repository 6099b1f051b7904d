"""AM-Softmax with a confidence penalty and a schedule of its scale (Wang et al., 2018; LIGAR, Sec. IV.ii)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class AMSoftmax:
    """Cross-entropy of scaled cosines, the own class's lowered by a margin, less a share of the entropy.

    Per clip i with cosines c_ij and label y_i: cross-entropy of s (c_ij - margin [j = y_i]), minus
    ``confidence_penalty`` times the entropy (in nats) of softmax(s c_i) without the margin. Clips whose value
    is not positive are then left out ("positives" filter). The paper gives none of the numbers: they are the
    authors' configuration.

    Args:
        margin: m, in cosine.
        confidence_penalty: weight of the entropy; 0 leaves plain AM-Softmax, where nothing is ever left out
            but clips of exactly zero loss.
    """

    margin: float = 0.35
    confidence_penalty: float = 0.085

    def __call__(self, cosines: Tensor, labels: Tensor, scale: float) -> Tensor:
        """Return the mean over the clips whose value is positive, 0 if there are none.

        Args:
            cosines: ``(N, K)``, in [-1, 1].
            labels: ``(N,)`` class index.
            scale: s.

        Returns:
            Scalar, at least 0.
        """
        return mean_of_positives(self.per_clip(cosines, labels, scale))

    def per_clip(self, cosines: Tensor, labels: Tensor, scale: float) -> Tensor:
        """Return each clip's value before the filter, ``(N,)``; it may be negative."""
        logits = scale * cosines  # (N, K)
        own = F.one_hot(labels, cosines.shape[1]).to(cosines.dtype)  # (N, K)
        values = F.cross_entropy(logits - (scale * self.margin) * own, labels, reduction="none")  # (N,)
        if self.confidence_penalty:
            log_probs = logits.log_softmax(dim=1)
            values = values + self.confidence_penalty * (log_probs.exp() * log_probs).sum(dim=1)
        return values


@dataclass(frozen=True, kw_only=True)
class PolynomialScale:
    """Let the scale fall along a power of the progress, with zero slope at the end.

    With u the progress, F = (end - start) / (1 - power): s(u) = F u^power - F power u + start, then ``end``.
    The authors' values fall from 30 to 5 over the first 40 epochs; the paper does not mention the schedule.

    Args:
        start: scale at progress 0.
        end: scale at progress 1 and after it.
        power: exponent, not 1.
    """

    start: float = 30.0
    end: float = 5.0
    power: float = 1.2

    def __post_init__(self) -> None:
        if self.power == 1 or self.power <= 0:
            raise ValueError(f"power must be positive and not 1, got {self.power}")

    def __call__(self, progress: float) -> float:
        """Return the scale.

        Args:
            progress: loss evaluations so far over those of the whole descent; above 1 is the end.

        Raises:
            ValueError: if ``progress`` is negative.
        """
        if progress < 0:
            raise ValueError(f"progress must be at least 0, got {progress}")
        if progress >= 1:
            return self.end
        factor = (self.end - self.start) / (1 - self.power)
        return factor * progress**self.power - factor * self.power * progress + self.start


def mean_of_positives(values: Tensor) -> Tensor:
    """Return the mean of the positive entries; 0, with a zero gradient, if there are none.

    A NaN among the values makes the result NaN.
    """
    positive = (values > 0).to(values.dtype)
    return (values * positive).sum() / torch.clamp(positive.sum(), min=1)
