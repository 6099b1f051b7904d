"""LIGAR's LightningModule: cosine scores, metric-learning losses, a falling scale, clip selection (Sec. III to V)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import lightning as L
import torch
from torch import Tensor

from datamodules.batch import ClipBatch
from lightning_modules.base import ClipClassifier
from lightning_modules.checkpoints import LoadReport
from lightning_modules.heads.cosine import CosineHead
from lightning_modules.heads.joint import JointCosineHead
from lightning_modules.layers.inverted_residual import BlockSpec
from lightning_modules.ligar.clip_selection import ClipSelectionFeedback
from lightning_modules.ligar.losses import CenterPush, ClipConsistency, LocalPush, at_least_single
from lightning_modules.ligar.network import LARGE, GlobalPooling, LigarNetwork, initialise_from_scratch
from lightning_modules.ligar.self_challenging import SelfChallenging
from lightning_modules.ligar.weights import convert
from lightning_modules.losses.am_softmax import AMSoftmax, PolynomialScale
from lightning_modules.recipe import Recipe


class Ligar(ClipClassifier):
    """Train LIGAR; its class scores are cosines, averaged over views as they are.

    Defaults are the paper's network and the released configuration's losses.

    Joint training (Sec. IV.i; ``head_sizes``) gives each of several concatenated data sets a head of its own. Labels
    count through all sets, ``batch.source_index`` says a video's set. A head's losses are those of its own clips and
    classes, and its loss is a mean over them, whatever their share in the batch; the heads' losses are summed. Heads
    without a clip in the batch cost nothing. All heads see the features of the whole batch, and all of them move their
    batch statistics; with ``self_challenging`` only a head's own clips do.

    Args:
        width: multiplier of the network's channels.
        blocks: block table of the local path.
        stem_stride: stride of the first convolution (time, height, width).
        stem_channels: channels after it, before ``width``.
        feature_channels: channels of the backbone's output, before ``width``.
        embedding_dim: D.
        global_path: how the global path pools the local one: by attention (the paper's) or by the mean; None leaves
            the global path out.
        head_sizes: classes of each set in joint training, in the order of ``source_index``; None: one head.
        class_loss: AM-Softmax with its confidence penalty.
        scale: the class loss's scale over time.
        scale_epochs: epochs over which the scale falls, counted from the first step of the training.
        local_push: pushes embeddings of other classes away; None leaves it out.
        center_push: pushes class centres apart; None leaves it out.
        consistency: pulls the predictions of a video's clips to each other (needs clips_per_video=2); None leaves it
            out.
        self_challenging: mutes the features that helped most; None leaves it out.
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
        global_path: GlobalPooling | None = "attention",
        head_sizes: tuple[int, ...] | None = None,
        class_loss: AMSoftmax = AMSoftmax(),  # noqa: B008 - frozen
        scale: PolynomialScale = PolynomialScale(),  # noqa: B008
        scale_epochs: int = 40,
        local_push: LocalPush | None = LocalPush(),  # noqa: B008
        center_push: CenterPush | None = CenterPush(),  # noqa: B008
        consistency: ClipConsistency | None = None,
        self_challenging: SelfChallenging | None = None,
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
            global_path=global_path,
            head_sizes=head_sizes,
        )
        self.head_sizes = head_sizes
        self.class_loss, self.scale, self.scale_epochs = class_loss, scale, scale_epochs
        self.local_push, self.center_push = local_push, center_push
        self.consistency, self.self_challenging = consistency, self_challenging
        self.authors_initialisation = authors_initialisation

    def initialise_from_scratch(self) -> None:
        """Set the backbone's initial weights where there are no pre-trained ones."""
        if self.authors_initialisation:
            initialise_from_scratch(self.network)

    def load_initial(self, state_dict: Mapping[str, Any]) -> LoadReport:
        """Start from a backbone in one of the layouts that :func:`~lightning_modules.ligar.weights.convert` knows."""
        return super().load_initial(convert(state_dict, self.network))

    def load_released(self, state_dict: Mapping[str, Any]) -> LoadReport:
        """Take a trained network as it is, from the authors' checkpoint or one of this project's."""
        return super().load_released(convert(state_dict, self.network))

    def configure_callbacks(self) -> list[L.Callback]:
        """Report each clip's outcome to the data module, which may select clips by it."""
        return [ClipSelectionFeedback(confidence="cosine")]

    # -- outputs ----------------------------------------------------------------------------------------

    def view_outputs(self, clips: Tensor) -> dict[str, Tensor]:
        """Return unit-length ``embeddings`` ``(M, D)`` and their cosines with the centres, ``logits`` ``(M, K)``.

        In joint training ``embeddings`` are ``(M, S, D)``, one of each head.
        """
        embeddings = self.network.embed(clips)
        return {"embeddings": embeddings, "logits": self.network.head.centres(embeddings)}

    def training_outputs(self, batch: ClipBatch) -> dict[str, Tensor]:
        """Return :meth:`view_outputs` of the batch's clips, with self-challenging those of its second pass.

        With several heads self-challenging runs each on its own clips alone: there are no own classes to mute features
        by for the others. Their embeddings are then 0 and their cosines -1.
        """
        if self.self_challenging is None:
            return super().training_outputs(batch)
        num_views = batch.clips.shape[1]
        features = self.network.features(batch.clips.flatten(0, 1))  # (M, F)
        labels = batch.labels.repeat_interleave(num_views)
        if self.head_sizes is None:
            embeddings, cosines = self.self_challenging(self._only_head, features, labels)
            return {"embeddings": embeddings, "logits": cosines}
        outputs: dict[str, Tensor] = {}
        for index, head, own, classes in self._heads_with_clips(batch):
            embeddings, cosines = self.self_challenging(head, features[own], labels[own] - classes.start)
            if not outputs:
                outputs["embeddings"] = embeddings.new_zeros(len(own), len(self.head_sizes), embeddings.shape[1])
                outputs["logits"] = cosines.new_full((len(own), self.num_classes), -1.0)
            outputs["embeddings"][own, index] = embeddings
            outputs["logits"][own, classes] = cosines
        return outputs

    def own_scores(self, scores: Tensor, batch: ClipBatch) -> Tensor:
        """Return the cosines ``(N, ..., K)``, in joint training -1 for the classes of other sets than a video's own."""
        if self.head_sizes is None:
            return scores
        sizes = torch.tensor(self.head_sizes, device=scores.device)
        set_of_class = torch.arange(len(sizes), device=scores.device).repeat_interleave(sizes)  # (K,)
        foreign = batch.source_index[:, None] != set_of_class  # (N, K)
        return scores.masked_fill(foreign.view(len(scores), *[1] * (scores.ndim - 2), -1), -1.0)

    # -- losses -----------------------------------------------------------------------------------------

    def loss_terms(self, outputs: dict[str, Tensor], labels: Tensor, batch: ClipBatch) -> dict[str, Tensor]:
        """Return the losses that are switched on; their plain sum is the loss (the paper gives no weights).

        In joint training each is the sum over the heads that have clips in the batch.

        Raises:
            ValueError: ``consistency`` with single clips; labels of another set than ``batch.source_index`` says.
        """
        num_views = batch.clips.shape[1]
        if self.head_sizes is None:
            return self._head_terms(self._only_head, outputs["embeddings"], outputs["logits"], labels, num_views)
        terms: dict[str, Tensor] = {}
        for index, head, own, classes in self._heads_with_clips(batch):
            embeddings, cosines = outputs["embeddings"][own, index], outputs["logits"][own, classes]
            for name, value in self._head_terms(
                head, embeddings, cosines, labels[own] - classes.start, num_views
            ).items():
                terms[name] = terms[name] + value if name in terms else value
        return terms

    def _head_terms(
        self, head: CosineHead, embeddings: Tensor, cosines: Tensor, labels: Tensor, num_views: int
    ) -> dict[str, Tensor]:
        """Return one head's losses of its clips: embeddings ``(M, D)``, cosines ``(M, K)``, labels ``(M,)``."""
        embeddings, cosines, scale = at_least_single(embeddings), at_least_single(cosines), self.current_scale()
        terms = {"loss_am_softmax": self.class_loss(cosines, labels, scale)}
        if self.local_push is not None:
            terms["loss_local_push"] = self.local_push(embeddings, cosines, labels)
        if self.center_push is not None:
            terms["loss_center_push"] = self.center_push(head.centres.unit())
        if self.consistency is not None:
            terms["loss_consistency"] = self.consistency(cosines, labels, num_views, scale)
        return terms

    @property
    def _only_head(self) -> CosineHead:
        return cast(CosineHead, self.network.head)

    def _heads_with_clips(self, batch: ClipBatch) -> Iterator[tuple[int, CosineHead, Tensor, slice]]:
        """Yield each set in the batch: index, head, mask ``(M,)`` of its clips, columns of its classes.

        Raises:
            ValueError: a label belongs to another set than ``source_index`` says.
        """
        head = cast(JointCosineHead, self.network.head)
        offsets = head.offsets
        ends = torch.tensor(offsets[1:], device=batch.labels.device)
        wrong = torch.bucketize(batch.labels, ends, right=True) != batch.source_index
        if wrong.any():
            label, source = int(batch.labels[wrong][0]), int(batch.source_index[wrong][0])
            raise ValueError(
                f"label {label} with source_index {source}: with head_sizes={self.head_sizes} labels count through all "
                f"sets, and those of set s begin at {offsets[:-1]}"
            )
        clips = batch.source_index.repeat_interleave(batch.clips.shape[1])  # (M,)
        for index in batch.source_index.unique().tolist():
            own_head = cast(CosineHead, head.heads[index])
            yield index, own_head, clips == index, slice(offsets[index], offsets[index + 1])

    def current_scale(self) -> float:
        """Return the class loss's scale now: a function of the step, so that a resumed training goes on with it.

        The released code counts steps outside its checkpoints and starts again at 30 when resumed. In joint training it
        counts for each head the steps in which the head had clips; here all heads go by the same step, which again is
        known without counting.
        """
        if self._trainer is None:
            return self.scale(0.0)
        return self.scale(self.trainer.global_step / (self.scale_epochs * self.trainer.num_training_batches))
