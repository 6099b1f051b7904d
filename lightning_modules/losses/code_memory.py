"""Keep the latest codes of each class, to compare new ones with more than their batch (Wang et al., CVPR 2020)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

READY = 4  # codes of each class that it has met, before it serves


class CodeMemory:
    """Hold the last codes of each class, without their gradients.

    It is no part of a network: a training saves it to go on with, a trained network does without.

    Args:
        num_classes: K.
        size: S, codes kept of each class.

    Raises:
        ValueError: no room for a code.
    """

    def __init__(self, *, num_classes: int, size: int) -> None:
        if size < 1:
            raise ValueError(f"size={size}; accepted: 1 or more codes of each class")
        self.size = size
        self._codes: Tensor | None = None  # (K, S, D), as soon as D is known
        self._added = [0] * num_classes

    def add(self, codes: Tensor, labels: Tensor) -> None:
        """Keep codes ``(M, D)`` of classes ``(M,)``, in place of a class's oldest where there is no room."""
        if self._codes is None:
            self._codes = torch.zeros(len(self._added), self.size, codes.shape[1])
        self._codes = self._codes.to(codes.device)
        for code, label in zip(codes.detach(), labels.tolist(), strict=True):
            self._codes[label, self._added[label] % self.size] = code
            self._added[label] += 1

    def sets(self, device: torch.device | str) -> tuple[Tensor, Tensor] | None:
        """Return as many sets as the class with the fewest codes allows, each of one code per class met so far.

        Args:
            device: where they are wanted; the memory stays there.

        Returns:
            codes ``(S', K', D)``, each class's latest last, and the classes ``(K',)``, ascending; None while it is not
            ready: fewer than two classes met, or one of them with too few codes.
        """
        met = [label for label, added in enumerate(self._added) if added]
        fewest = min((self._added[label] for label in met), default=0)
        if self._codes is None or len(met) < 2 or fewest < min(READY, self.size):
            return None
        self._codes = self._codes.to(device)  # a checkpoint's is read onto the CPU
        back = range(min(fewest, self.size), 0, -1)
        slots = torch.tensor([[(self._added[label] - i) % self.size for label in met] for i in back], device=device)
        classes = torch.tensor(met, device=device)
        return self._codes[classes, slots], classes

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of what is held."""
        return {"codes": None if self._codes is None else self._codes.clone(), "added": list(self._added)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with what was held.

        Raises:
            ValueError: it is of another number of classes or codes.
        """
        codes, added = state["codes"], list(state["added"])
        if len(added) != len(self._added) or (codes is not None and codes.shape[1] != self.size):
            raise ValueError(
                f"the saved memory has {len(added)} classes and {None if codes is None else codes.shape[1]} codes of "
                f"each; this training keeps {self.size} of {len(self._added)} classes"
            )
        self._codes, self._added = None if codes is None else codes.clone(), added
