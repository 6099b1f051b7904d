"""Nearest class mean: a repository of one centre per class, scored by squared distance (Mensink et al., TPAMI 2013).

MS3D's full repository and judgement (Sec. III.C, III.D): centres are means of codes, and a class joins without
training.
"""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor, nn
from torch.nn import functional as F

UNKNOWN = -1  # what a video is judged as that is too far from every centre; the paper's label 0


class NearestCentre(nn.Module):
    """Score codes by minus their squared distance to each class's centre.

    Over several views the mean of these scores ranks classes as the distance of the mean code does: both differ by the
    views' spread, which is the same for all classes. During training the centres follow the codes (``follow``); the
    real ones are set once, by ``fill``, from the finished network. Before the first code they are random, so that a
    network without any history still scores.

    Args:
        code_dim: D.
        num_classes: K.
        momentum: share of a centre that one step of ``follow`` keeps.
        unit: bring centres to length one, as codes of length one need it.
    """

    centres: Tensor
    counts: Tensor
    filled_with: Tensor
    threshold: Tensor

    def __init__(self, *, code_dim: int, num_classes: int, momentum: float = 0.9, unit: bool = False) -> None:
        super().__init__()
        self.momentum, self.unit = momentum, unit
        self.register_buffer("centres", torch.randn(num_classes, code_dim))
        self.register_buffer("counts", torch.zeros(num_classes, dtype=torch.int64))  # codes behind each centre
        self.register_buffer("filled_with", torch.zeros((), dtype=torch.int64))  # the network's fingerprint; 0: none
        self.register_buffer("threshold", torch.tensor(torch.inf))  # gamma, a distance

    def forward(self, codes: Tensor) -> Tensor:
        """Return ``(N, K)`` of codes ``(N, D)``: minus the squared distances; minus infinity for a class without codes.

        Where no class has any, all are scored.
        """
        # Not as a product, which would lose digits, all the more in half precision.
        scores = -(codes.float()[:, None] - self.centres).square().sum(2)  # (N, K)
        absent = (self.counts == 0) & (self.counts > 0).any()
        return scores.masked_fill(absent, -torch.inf)

    @torch.no_grad()
    def follow(self, codes: Tensor, labels: Tensor) -> None:
        """Move the centres of a training step's classes towards their codes; a class's first codes set its centre."""
        sums, counts = class_sums(codes, labels, len(self.centres))
        seen = counts > 0
        means = sums / counts.clamp(min=1)[:, None]
        kept = torch.where(self.counts > 0, self.momentum, 0.0)[:, None]
        self.centres[seen] = self._of_length(kept * self.centres + (1 - kept) * means)[seen].to(self.centres.dtype)
        self.counts += counts
        self.filled_with.zero_()

    @torch.no_grad()
    def fill(self, sums: Tensor, counts: Tensor, *, fingerprint: int, partial: bool = False) -> None:
        """Set every centre to the mean of its class's codes (Eq. (6)).

        Args:
            sums: ``(K, D)``, added up codes of each class.
            counts: ``(K,)``, their number.
            fingerprint: of the network that made them.
            partial: leave classes without codes out instead of refusing them.

        Raises:
            ValueError: a class without codes, or codes that are not finite.
        """
        empty = torch.nonzero(counts == 0).flatten().tolist()
        if empty and (not partial or len(empty) == len(counts)):
            raise ValueError(f"no code of class(es) {empty[:10]}: the repository needs a video of every class")
        centres = self._of_length(sums / counts.clamp(min=1)[:, None])
        if not torch.isfinite(centres).all():
            raise ValueError("codes overflow: the repository's centres are not finite")
        self.centres.copy_(centres)
        self.counts.copy_(counts)
        self.filled_with.fill_(fingerprint)

    def check(self, fingerprint: int) -> None:
        """Refuse to score with centres that are not this network's.

        Args:
            fingerprint: of the network whose codes are to be scored.

        Raises:
            ValueError: the repository was never filled, or with another network's codes.
        """
        if not int(self.filled_with):
            raise ValueError("the repository of class centres is empty: fill it from the training videos first")
        if int(self.filled_with) != fingerprint:
            raise ValueError(
                f"the repository was filled by another network (fingerprint {int(self.filled_with):x}) than the one "
                f"that is used with it ({fingerprint:x}): distances between their codes mean nothing"
            )

    def with_class(self, codes: Tensor) -> NearestCentre:
        """Return a repository with one more class, the last, whose centre is the mean of some codes.

        Args:
            codes: ``(n, D)``, of a few videos.

        Raises:
            ValueError: no code, or one that is not finite.
        """
        if not len(codes) or not torch.isfinite(codes).all():
            raise ValueError(f"{len(codes)} codes for the new class; it needs at least one, all of them finite")
        num_classes, code_dim = self.centres.shape
        grown = NearestCentre(code_dim=code_dim, num_classes=num_classes + 1, momentum=self.momentum, unit=self.unit)
        grown.centres.copy_(torch.cat([self.centres, self._of_length(codes.float().mean(0, keepdim=True))]))
        grown.counts.copy_(torch.cat([self.counts, self.counts.new_tensor([len(codes)])]))
        grown.filled_with.copy_(self.filled_with)
        grown.threshold.copy_(self.threshold)
        return grown

    def judge(self, codes: Tensor) -> Tensor:
        """Return the nearest centre's class of each code, ``UNKNOWN`` where that is not nearer than the threshold."""
        scores, classes = self(codes).max(1)
        distances = (-scores).clamp(min=0).sqrt()
        return torch.where(distances < self.threshold, classes, UNKNOWN)

    def _of_length(self, centres: Tensor) -> Tensor:
        return F.normalize(centres, dim=1) if self.unit else centres


def class_sums(codes: Tensor, labels: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """Return the sum ``(K, D)``, float32, and the number ``(K,)`` of each class's codes ``(N, D)``."""
    sums = torch.zeros(num_classes, codes.shape[1], device=codes.device)
    sums.index_add_(0, labels, codes.float())
    return sums, torch.bincount(labels, minlength=num_classes)


def weights_fingerprint(network: nn.Module) -> int:
    """Return a positive number that identifies a network's weights and statistics, on any device."""
    digest = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return int.from_bytes(digest.digest()[:7], "big") or 1
