"""KPSEM beside LIGAR: key point shifts of LIGAR's local path join the features that its head embeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lightning_modules.checkpoints import LoadReport, load_backbone, load_network
from lightning_modules.heads.cosine import CosineHead
from lightning_modules.kpsem.network import KPSEM
from lightning_modules.layers.inverted_residual import BlockSpec
from lightning_modules.ligar import Ligar
from lightning_modules.ligar.network import LARGE, LigarBackbone, LigarNetwork, scaled_channels
from lightning_modules.losses.am_softmax import PolynomialScale
from lightning_modules.recipe import Recipe


class KeyPointLigarNetwork(nn.Module):
    """Embed LIGAR's features and KPSEM's side by side, as KPSEM's eq. (1) joins them.

    KPSEM reads a block's output as it is, before the global path adds to it; the backbone goes on as if it were not
    there.

    Args:
        backbone: LIGAR's.
        kpsem: for the channels of that block.
        after: number of the block, from 0.
        frames: of its maps.
        num_classes: K.
        feature_channels: of the backbone's output.
        embedding_dim: D.
    """

    def __init__(
        self,
        *,
        backbone: LigarBackbone,
        kpsem: KPSEM,
        after: int,
        frames: int,
        num_classes: int,
        feature_channels: int,
        embedding_dim: int,
    ) -> None:
        super().__init__()
        self.backbone, self.kpsem, self.after, self.frames = backbone, kpsem, after, frames
        features = feature_channels + kpsem.out_features(frames)
        self.head = CosineHead(in_features=features, num_classes=num_classes, embedding_dim=embedding_dim)

    def features(self, clips: Tensor) -> Tensor:
        """Return ``(N, F)``: the pooled maps, and the temporal features.

        Args:
            clips: ``(N, 3, T, H, W)``, normalised RGB.

        Raises:
            ValueError: clips of another number of frames than the network was built for.
        """
        read: list[Tensor] = []
        hook = self.backbone.blocks[self.after].register_forward_hook(lambda block, given, maps: read.append(maps))
        try:
            spatial = self.backbone(clips).mean(dim=(2, 3, 4))
        finally:
            hook.remove()
        if read[0].shape[2] != self.frames:
            raise ValueError(f"clips of {clips.shape[2]} frames do not fit num_frames of this network")
        return torch.cat([spatial, self.kpsem(read[0]).to(spatial.dtype)], dim=1)

    def embed(self, clips: Tensor) -> Tensor:
        """Return unit-length embeddings ``(N, D)`` of clips ``(N, 3, T, H, W)``."""
        return self.head.embed(self.features(clips))

    def forward(self, clips: Tensor) -> Tensor:
        """Return the cosines ``(N, K)`` of clips ``(N, 3, T, H, W)``."""
        return self.head(self.features(clips))


class KeyPointLigar(Ligar):
    """Train LIGAR with KPSEM on its local path, by LIGAR's losses.

    Args:
        width: see :class:`~lightning_modules.ligar.module.Ligar`, also for the next four.
        blocks: see there.
        embedding_dim: D.
        scale: see there.
        scale_epochs: see there.
        after: block that KPSEM stands behind, from 0. By default the last of the 80 channels: its maps are 14 x 14 of
            8 frames at the paper's size, those of MFNet's conv4, behind which KPSEM's paper puts it.
        num_frames: T of the clips.
        num_sets: G, of KPSEM.
        num_regions: regions of each frame.
        key_point_dim: d_e, KPSEM's embedding.
        start_at_zero: let KPSEM's output start at zero.
        num_classes: K.
        recipe: how to train.

    Raises:
        ValueError: no such block, or fewer than two frames behind it.
    """

    def __init__(
        self,
        *,
        width: float = 1.0,
        blocks: Sequence[BlockSpec] = LARGE,
        embedding_dim: int = 256,
        scale: PolynomialScale = PolynomialScale(),  # noqa: B008 - frozen
        scale_epochs: int = 40,
        after: int = 9,
        num_frames: int = 16,
        num_sets: int = 8,
        num_regions: int = 4,
        key_point_dim: int = 24,
        start_at_zero: bool = False,
        num_classes: int,
        recipe: Recipe,
    ) -> None:
        super().__init__(
            width=width, blocks=blocks, embedding_dim=embedding_dim, scale=scale, scale_epochs=scale_epochs,
            num_classes=num_classes, recipe=recipe,
        )  # fmt: skip
        if not 0 <= after < len(blocks):
            raise ValueError(f"after={after}; accepted: the number of a block, 0 to {len(blocks) - 1}")
        frames = frames_behind(blocks[: after + 1], num_frames)
        if frames < 2:
            raise ValueError(f"clips of {num_frames} frames leave {frames} behind block {after}; shifts need 2")
        plain: LigarNetwork = self.network
        assert isinstance(plain.head, CosineHead)  # head_sizes is not set
        kpsem = KPSEM(
            channels=scaled_channels(blocks[after].out_channels, width),
            num_sets=num_sets,
            num_regions=num_regions,
            embedding_dim=key_point_dim,
            start_at_zero=start_at_zero,
        )
        self.network = KeyPointLigarNetwork(  # type: ignore[assignment]  # what Ligar asks of a network: embed and head
            backbone=plain.backbone,
            kpsem=kpsem,
            after=after,
            frames=frames,
            num_classes=num_classes,
            feature_channels=plain.head.project.in_features,
            embedding_dim=embedding_dim,
        )

    def load_initial(self, state_dict: Mapping[str, Any]) -> LoadReport:
        """Start from a checkpoint of this network or of LIGAR; what that lacks, and the head, stay new."""
        return load_backbone(self.network, state_dict)

    def load_released(self, state_dict: Mapping[str, Any]) -> LoadReport:
        """Take a trained network of this class as it is."""
        return load_network(self.network, state_dict)


def frames_behind(blocks: Sequence[BlockSpec], num_frames: int) -> int:
    """Return the frames of the maps behind blocks, of clips of ``num_frames``: each stride rounds up."""
    for block in blocks:
        num_frames = -(-num_frames // block.stride[0])
    return num_frames
