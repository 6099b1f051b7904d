"""Residual frames, the VIPriors report's second input, in front of ACTION-Net and of LIGAR.

Clips have one frame more than the network sees. The differences are those of a clip's neighbours, however far apart
these were sampled, and are scaled as in the report's own networks here.
"""

from __future__ import annotations

from torch import Tensor

from datamodules.batch import ClipBatch
from lightning_modules.action_net import ActionNet
from lightning_modules.layers.residual_frames import ResidualFrames
from lightning_modules.ligar import Ligar
from lightning_modules.vipriors.module import RESIDUAL_GAIN

_residual = ResidualFrames(gain=RESIDUAL_GAIN)  # has no weights


class ResidualActionNet(ActionNet):
    """Train ACTION-Net on residual frames.

    For the arguments see :class:`~lightning_modules.action_net.module.ActionNet`.
    """

    def view_outputs(self, clips: Tensor) -> dict[str, Tensor]:
        """Return ``logits`` ``(M, K)`` of clips ``(M, 3, T + 1, H, W)``, whose T differences the network sees."""
        return super().view_outputs(_residual(clips))


class ResidualLigar(Ligar):
    """Train LIGAR on residual frames; without self-challenging, which would look at the frames themselves.

    For the arguments see :class:`~lightning_modules.ligar.module.Ligar`.
    """

    def view_outputs(self, clips: Tensor) -> dict[str, Tensor]:
        """Return ``embeddings`` and ``logits`` of clips ``(M, 3, T + 1, H, W)``, whose T differences it sees."""
        return super().view_outputs(_residual(clips))

    def training_outputs(self, batch: ClipBatch) -> dict[str, Tensor]:
        """Return :meth:`view_outputs` of the batch's clips.

        Raises:
            ValueError: with ``self_challenging``.
        """
        if self.self_challenging is not None:
            raise ValueError("self_challenging reads the features of whole frames: not with residual frames")
        return super().training_outputs(batch)
