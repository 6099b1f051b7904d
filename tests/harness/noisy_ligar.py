"""LIGAR with drop-out on its clips: training it draws from the global generator, which a resumed run must restore."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from lightning_modules.ligar import Ligar


class NoisyLigar(Ligar):
    """LIGAR that sees a different tenth of each clip blacked out."""

    def view_outputs(self, clips: Tensor) -> dict[str, Tensor]:
        return super().view_outputs(F.dropout(clips, 0.1, self.training))
