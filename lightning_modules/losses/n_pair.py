"""Multi-class N-pair loss (Sohn, NeurIPS 2016): pull two clips of a class together, push all other classes away."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True, kw_only=True)
class NPair:
    """Compare each class's anchor with its own positive and with the positives of the other classes.

    Per class i of a batch, with anchor a_i and positive p_i: log(1 + sum over j != i of exp(a_i . p_j - a_i . p_i)),
    MS3D's Eq. (5), which is the cross-entropy of the products a . p with the class's own on the diagonal. The
    products are raw, as in the equation; nothing bounds them but the penalty on the codes' length.

    Args:
        length_penalty: weight of the mean squared length of the codes (Sohn's regulariser), as a term of its own.
        symmetric: compare the positives with the anchors too, and take the mean of both.
        temperature: bring codes to length one and divide their products by this; None leaves both as they are.

    Raises:
        ValueError: a negative penalty, or a temperature that is not positive.
    """

    length_penalty: float = 2e-3
    symmetric: bool = False
    temperature: float | None = None

    def __post_init__(self) -> None:
        if self.length_penalty < 0:
            raise ValueError(f"length_penalty={self.length_penalty}; accepted: 0 or more")
        if self.temperature is not None and self.temperature <= 0:
            raise ValueError(f"temperature={self.temperature}; accepted: above 0, or None")

    def __call__(self, codes: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return ``loss_n_pair``, the mean over the classes, and ``loss_code_length`` where it has a weight.

        Args:
            codes: ``(M, D)``; the first two of each class count, a class with a single one is left out.
            labels: ``(M,)``.

        Raises:
            ValueError: fewer than two classes have two clips; or the codes have grown beyond what can be compared.
        """
        anchors, positives = pairs_of(labels)
        if len(anchors) < 2:
            raise ValueError(
                f"the batch has two clips of {len(anchors)} class(es), labels {labels.tolist()}; the N-pair loss needs "
                "two classes or more: batches of P classes x 2 videos"
            )
        codes = codes.float()
        terms = {}
        if self.length_penalty:
            terms["loss_code_length"] = self.length_penalty * codes.square().sum(1).mean()
        if self.temperature is not None:
            codes = F.normalize(codes, dim=1) * self.temperature**-0.5
        products = codes[anchors] @ codes[positives].t()  # (P, P)
        own = torch.arange(len(anchors), device=codes.device)
        loss = F.cross_entropy(products, own)
        if self.symmetric:
            loss = (loss + F.cross_entropy(products.t(), own)) / 2
        if not torch.isfinite(loss):
            longest = float(codes.detach().norm(dim=1).max())
            raise ValueError(
                f"the codes overflow: the longest has length {longest:.3g}, so that their products are not finite; "
                "raise length_penalty, set a temperature, or lower the learning rate"
            )
        return {"loss_n_pair": loss, **terms}


def pairs_of(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the positions of each class's first and second clip, classes in rising order; those with one are left out.

    Returns:
        anchors ``(P,)``, positives ``(P,)``.
    """
    order = torch.argsort(labels, stable=True)
    ordered = labels[order]
    first = torch.ones_like(ordered, dtype=torch.bool)
    first[1:] = ordered[1:] != ordered[:-1]
    has_second = torch.zeros_like(first)
    has_second[:-1] = ~first[1:]
    starts = torch.nonzero(first & has_second).flatten()
    return order[starts], order[starts + 1]
