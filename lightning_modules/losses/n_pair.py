"""Multi-class N-pair loss (Sohn, NeurIPS 2016): pull two clips of a class together, push all other classes away."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.losses.code_memory import CodeMemory


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
        memory: take the positives of all classes from so many codes of each that earlier batches gave, and every clip
            as an anchor: the mean of Eq. (5) over clips and sets of stored positives, among which a clip may meet its
            own earlier code. 0: from the batch alone, as published.

    Raises:
        ValueError: a negative penalty or memory, a temperature that is not positive, or a memory for a symmetric loss:
            all clips are its anchors anyway.
    """

    length_penalty: float = 2e-3
    symmetric: bool = False
    temperature: float | None = None
    memory: int = 0

    def __post_init__(self) -> None:
        if self.length_penalty < 0:
            raise ValueError(f"length_penalty={self.length_penalty}; accepted: 0 or more")
        if self.temperature is not None and self.temperature <= 0:
            raise ValueError(f"temperature={self.temperature}; accepted: above 0, or None")
        if self.memory < 0 or (self.memory and self.symmetric):
            raise ValueError(
                f"memory={self.memory}, symmetric={self.symmetric}; accepted: 0 or more codes of each class, more than "
                "0 only with symmetric=False"
            )

    def __call__(self, codes: Tensor, labels: Tensor, memory: CodeMemory | None = None) -> dict[str, Tensor]:
        """Return ``loss_n_pair``, the mean over the classes, and ``loss_code_length`` where it has a weight.

        Args:
            codes: ``(M, D)``; the first two of each class count, a class with a single one is left out. With a memory
                that is ready all count whose class it has met.
            labels: ``(M,)``.
            memory: the positives so far, which all codes then join; until it is ready the batch's own serve.

        Raises:
            ValueError: fewer than two classes have two clips; or the codes have grown beyond what can be compared.
        """
        codes = codes.float()
        terms = {}
        if self.length_penalty:
            terms["loss_code_length"] = self.length_penalty * codes.square().sum(1).mean()
        stored = memory.sets(codes.device) if memory is not None else None
        with torch.autocast(codes.device.type, enabled=False):  # half precision would lose digits of long codes
            loss = self._in_batch(codes, labels) if stored is None else self._with_stored(codes, labels, *stored)
        if not torch.isfinite(loss):
            longest = float(codes.detach().norm(dim=1).max())
            raise ValueError(
                f"the codes overflow: the longest has length {longest:.3g}, so that their products are not finite; "
                "raise length_penalty, set a temperature, or lower the learning rate"
            )
        if memory is not None:
            memory.add(codes, labels)
        return {"loss_n_pair": loss, **terms}

    def _in_batch(self, codes: Tensor, labels: Tensor) -> Tensor:
        """Compare the first clip of each class with the second ones."""
        anchors, positives = pairs_of(labels)
        if len(anchors) < 2:
            raise ValueError(
                f"the batch has two clips of {len(anchors)} class(es), labels {labels.tolist()}; the N-pair loss needs "
                "two classes or more: batches of P classes x 2 videos"
            )
        codes = self._scaled(codes)
        products = codes[anchors] @ codes[positives].t()  # (P, P)
        own = torch.arange(len(anchors), device=codes.device)
        loss = F.cross_entropy(products, own)
        return (loss + F.cross_entropy(products.t(), own)) / 2 if self.symmetric else loss

    def _with_stored(self, codes: Tensor, labels: Tensor, stored: Tensor, classes: Tensor) -> Tensor:
        """Compare every clip of a stored class with each set of stored codes ``(S', K', D)``."""
        place = torch.searchsorted(classes, labels).clamp(max=len(classes) - 1)
        known = classes[place] == labels
        if not known.any():
            return self._in_batch(codes, labels)
        products = torch.einsum("md,skd->mks", self._scaled(codes[known]), self._scaled(stored))  # (M, K', S')
        return F.cross_entropy(products, place[known, None].expand(-1, len(stored)))

    def _scaled(self, codes: Tensor) -> Tensor:
        return codes if self.temperature is None else F.normalize(codes, dim=-1) * self.temperature**-0.5


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
