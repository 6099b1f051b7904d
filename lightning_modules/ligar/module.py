"""LIGAR's LightningModule: cosine scores, metric-learning losses, a falling scale, clip selection (Sec. III to V)."""

from __future__ import annotations

from collections.abc import Sequence

import lightning as L
from torch import Tensor

from lightning_modules.base import ClipClassifier
from lightning_modules.layers.inverted_residual import BlockSpec
from lightning_modules.ligar.clip_selection import ClipSelectionFeedback
from lightning_modules.ligar.losses import CenterPush, LocalPush
from lightning_modules.ligar.network import LARGE, LigarNetwork, initialise_from_scratch
from lightning_modules.losses.am_softmax import AMSoftmax, PolynomialScale
from lightning_modules.recipe import Recipe


class Ligar(ClipClassifier):
    """Train LIGAR; its class scores are cosines, averaged over views as they are.

    Defaults are the paper's network and the released configuration's losses.

    Args:
        width: multiplier of the network's channels.
        blocks: block table of the local path.
        stem_stride: stride of the first convolution (time, height, width).
        stem_channels: channels after it, before ``width``.
        feature_channels: channels of the backbone's output, before ``width``.
        embedding_dim: D.
        class_loss: AM-Softmax with its confidence penalty.
        scale: the class loss's scale over time.
        scale_epochs: epochs over which the scale falls, counted from the first step of the training.
        local_push: pushes embeddings of other classes away; None leaves it out.
        center_push: pushes class centres apart; None leaves it out.
        authors_initialisation: where training starts from no checkpoint, initialise the backbone as the released code
            does then, which gives the global path its full influence at once. Otherwise it starts at zero influence, as
            in the released code when 2D weights are loaded.
        num_classes: K.
        recipe: how to train.
    """

    view_score = "logits"
    network: LigarNetwork

    def __init__(
        self,
        *,
        width: float = 1.0,
        blocks: Sequence[BlockSpec] = LARGE,
        stem_stride: tuple[int, int, int] = (1, 2, 2),
        stem_channels: int = 16,
        feature_channels: int = 960,
        embedding_dim: int = 256,
        class_loss: AMSoftmax = AMSoftmax(),  # noqa: B008 - frozen
        scale: PolynomialScale = PolynomialScale(),  # noqa: B008
        scale_epochs: int = 40,
        local_push: LocalPush | None = LocalPush(),  # noqa: B008
        center_push: CenterPush | None = CenterPush(),  # noqa: B008
        authors_initialisation: bool = False,
        num_classes: int,
        recipe: Recipe,
    ) -> None:
        super().__init__(num_classes=num_classes, recipe=recipe)
        self.network = LigarNetwork(
            num_classes=num_classes,
            width=width,
            blocks=blocks,
            stem_stride=stem_stride,
            stem_channels=stem_channels,
            feature_channels=feature_channels,
            embedding_dim=embedding_dim,
        )
        self.class_loss, self.scale, self.scale_epochs = class_loss, scale, scale_epochs
        self.local_push, self.center_push = local_push, center_push
        self.authors_initialisation = authors_initialisation

    def initialise_from_scratch(self) -> None:
        """Set the backbone's initial weights where there are no pre-trained ones."""
        if self.authors_initialisation:
            initialise_from_scratch(self.network)

    def configure_callbacks(self) -> list[L.Callback]:
        """Report each clip's outcome to the data module, which may select clips by it."""
        return [ClipSelectionFeedback(confidence="cosine")]

    def view_outputs(self, clips: Tensor) -> dict[str, Tensor]:
        """Return unit-length ``embeddings`` ``(M, D)`` and their cosines with the centres, ``logits`` ``(M, K)``."""
        embeddings = self.network.embed(clips)
        return {"embeddings": embeddings, "logits": self.network.head.centres(embeddings)}

    def loss_terms(self, outputs: dict[str, Tensor], labels: Tensor) -> dict[str, Tensor]:
        """Return AM-Softmax, Local-Push and Center-Push; their plain sum is the loss (the paper gives no weights)."""
        cosines = outputs["logits"]
        terms = {"loss_am_softmax": self.class_loss(cosines, labels, self.current_scale())}
        if self.local_push is not None:
            terms["loss_local_push"] = self.local_push(outputs["embeddings"], cosines, labels)
        if self.center_push is not None:
            terms["loss_center_push"] = self.center_push(self.network.head.centres.unit())
        return terms

    def current_scale(self) -> float:
        """Return the class loss's scale now: a function of the step, so that a resumed training goes on with it.

        The released code counts steps outside its checkpoints and starts again at 30 when resumed.
        """
        if self._trainer is None:
            return self.scale(0.0)
        return self.scale(self.trainer.global_step / (self.scale_epochs * self.trainer.num_training_batches))
