"""LIGAR's Adaptive Clip Selection for networks of other papers: they report how each clip was predicted.

What selects is the data module; the networks change in nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

import lightning as L

from lightning_modules.action_net import ActionNet
from lightning_modules.ligar.clip_selection import ClipSelectionFeedback
from lightning_modules.vipriors import Vipriors

# Their scores are logits: a clip's confidence is the paper's "probability", not a cosine.
CONFIDENCE = "probability"


class SelectingActionNet(ActionNet):
    """Train ACTION-Net on clips that are selected by its own predictions (LIGAR, Sec. V.ii).

    For the arguments see :class:`~lightning_modules.action_net.module.ActionNet`; the data module needs
    ``clip_selection``, without which this is ACTION-Net.
    """

    def configure_callbacks(self) -> Sequence[L.Callback]:
        """Report each clip's outcome to the data module; ACTION-Net itself asks for nothing."""
        return [ClipSelectionFeedback(confidence=CONFIDENCE)]


class SelectingSlowFast(Vipriors):
    """Train SlowFast on clips that are selected by its own predictions (LIGAR, Sec. V.ii).

    For the arguments see :class:`~lightning_modules.vipriors.module.Vipriors`; the data module needs
    ``clip_selection``, without which this is SlowFast.
    """

    def configure_callbacks(self) -> Sequence[L.Callback]:
        """Report each clip's outcome to the data module, beside what the report's network asks for."""
        return [*super().configure_callbacks(), ClipSelectionFeedback(confidence=CONFIDENCE)]
