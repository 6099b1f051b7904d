"""KPSEM and the networks it extends: key point shifts embedded beside a backbone's features (Sec. 3.1, 3.2, 4.2)."""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_modules.backbones.mfnet3d import MFNet3D
from lightning_modules.backbones.r3d import R3D
from lightning_modules.kpsem.key_points import AReSE, KeyPoints


class KPSEM(nn.Module):
    """Key Point Shifts Embedding Module: feature maps in, one temporal feature vector out (Sec. 3.2, Fig. 6b).

    G sets of shifts, a linear embedding of each set, their sum, two (1, 3) convolutions that halve the embedding twice
    and take C to C / 4 channels, the mean over what is left of the embedding.

    Args:
        channels: C.
        num_sets: G.
        num_regions: R (the paper's K), see :class:`~lightning_modules.kpsem.key_points.AReSE`.
        embedding_dim: d_e.
        separation: "adaptive" or "fixed" regions.
        reduction: "linear": nothing between or behind the two convolutions, as the paper names nothing;
            "normalised": batch normalisation behind each and a ReLU between them.
        start_at_zero: let the output start at zero (weights of the last convolution, or of its normalisation), so that
            a pre-trained backbone is undisturbed at first. The paper says nothing about initialisation.
        matching_gradient: see :class:`~lightning_modules.kpsem.key_points.AReSE`.

    Raises:
        ValueError: fewer than 4 channels, no embedding, or an unknown reduction.
    """

    def __init__(
        self,
        *,
        channels: int,
        num_sets: int = 8,
        num_regions: int = 4,
        embedding_dim: int = 24,
        separation: Literal["adaptive", "fixed"] = "adaptive",
        reduction: Literal["linear", "normalised"] = "linear",
        start_at_zero: bool = False,
        matching_gradient: bool = True,
    ) -> None:
        super().__init__()
        if channels < 4:
            raise ValueError(f"channels must be at least 4, got {channels}")
        if embedding_dim < 1:
            raise ValueError(f"embedding_dim must be at least 1, got {embedding_dim}")
        if reduction not in ("linear", "normalised"):
            raise ValueError(f"reduction must be 'linear' or 'normalised', got {reduction!r}")
        self.arese = AReSE(
            channels=channels,
            num_sets=num_sets,
            num_regions=num_regions,
            separation=separation,
            matching_gradient=matching_gradient,
        )
        self.embedding = SetEmbedding(num_sets=num_sets, in_features=2 * num_regions, out_features=embedding_dim)
        self.out_channels = channels // 4
        layers: list[nn.Module] = []
        for before in (channels, self.out_channels):
            layers.append(nn.Conv2d(before, self.out_channels, (1, 3), (1, 2), (0, 1), bias=False))
            if reduction == "normalised":
                layers += [nn.BatchNorm2d(self.out_channels), nn.ReLU(inplace=True)]
        if reduction == "normalised":
            layers.pop()
        self.reduction = nn.Sequential(*layers)
        if start_at_zero:
            last = self.reduction[-1]
            assert isinstance(last, nn.Conv2d | nn.BatchNorm2d)
            nn.init.zeros_(last.weight)

    def out_features(self, frames: int) -> int:
        """Return the length of the output for feature maps of ``frames`` frames."""
        return self.out_channels * (frames - 1)

    def forward(self, features: Tensor) -> Tensor:
        """Return the temporal features P_out.

        Args:
            features: ``(N, C, T, H, W)``.

        Returns:
            ``(N, C / 4 * (T - 1))``.
        """
        embedded = self.embedding(self.arese(features))  # (N, T - 1, C, d_e)
        reduced = self.reduction(embedded.transpose(1, 2))  # (N, C / 4, T - 1, d_e / 4)
        return reduced.mean(3).flatten(1)


class SetEmbedding(nn.Module):
    """Embed each set's shifts by a linear layer of its own, and add up the sets (Eq. (3)).

    The sum of linear layers is one linear layer on the sets side by side.

    Args:
        num_sets: G.
        in_features: 2 R, a shift (x, y) per region.
        out_features: d_e.
    """

    def __init__(self, *, num_sets: int, in_features: int, out_features: int) -> None:
        super().__init__()
        limit = 1 / math.sqrt(in_features)  # as in torch.nn.Linear
        self.weight = nn.Parameter(torch.empty(num_sets, out_features, in_features).uniform_(-limit, limit))
        self.bias = nn.Parameter(torch.empty(num_sets, out_features).uniform_(-limit, limit))

    def forward(self, rkps: Tensor) -> Tensor:
        """Return ``(N, T - 1, C, d_e)`` of shifts ``(N, T - 1, G, R, 2, C)``."""
        shifts = rkps.flatten(2, 4).transpose(2, 3).to(self.weight.dtype)  # (N, T - 1, C, G * 2 R)
        side_by_side = self.weight.transpose(0, 1).flatten(1)  # (d_e, G * 2 R)
        embedded = F.linear(shifts.flatten(0, 2), side_by_side, self.bias.sum(0))
        return embedded.unflatten(0, shifts.shape[:3])


class KpsemNetwork(nn.Module):
    """Classify clips from the backbone's features and KPSEM's side by side (Eq. (1), Fig. 2).

    KPSEM reads one stage's output as it is; the backbone goes on as if it were not there.

    Args:
        backbone: an MFNet-3D or an R3D.
        num_classes: number of classes.
        position: the stage after which KPSEM stands; None for the plain backbone.
        num_frames: T of the clips; the classifier's input depends on it.
        num_sets: see :class:`KPSEM`, also for what follows.
        num_regions: R (the paper's K).
        embedding_dim: d_e.
        separation: "adaptive" or "fixed".
        reduction: "linear" or "normalised".
        start_at_zero: let KPSEM's output start at zero.
        matching_gradient: let the weights of Eq. (9) pass gradient on.

    Raises:
        ValueError: no such stage, no class, or too few frames left at that stage.
    """

    def __init__(
        self,
        *,
        backbone: MFNet3D | R3D,
        num_classes: int,
        position: str | None = "conv4",
        num_frames: int = 16,
        num_sets: int = 8,
        num_regions: int = 4,
        embedding_dim: int = 24,
        separation: Literal["adaptive", "fixed"] = "adaptive",
        reduction: Literal["linear", "normalised"] = "linear",
        start_at_zero: bool = False,
        matching_gradient: bool = True,
    ) -> None:
        super().__init__()
        if num_classes < 1:
            raise ValueError(f"num_classes must be at least 1, got {num_classes}")
        self.backbone, self.position = backbone, position
        self.kpsem: KPSEM | None = None
        features = backbone.feature_channels
        spatial = nn.init.xavier_uniform_(torch.empty(num_classes, features))
        if position is not None:
            if position not in backbone.stage_channels:
                raise ValueError(f"position must be None or one of {list(backbone.stage_channels)}, got {position!r}")
            self.frames = backbone.frames_after(position, num_frames)
            if self.frames < 2:
                raise ValueError(
                    f"clips of {num_frames} frames leave {self.frames} after {position}; shifts need 2: "
                    "give a larger num_frames"
                )
            self.kpsem = KPSEM(
                channels=backbone.stage_channels[position],
                num_sets=num_sets,
                num_regions=num_regions,
                embedding_dim=embedding_dim,
                separation=separation,
                reduction=reduction,
                start_at_zero=start_at_zero,
                matching_gradient=matching_gradient,
            )
            features += self.kpsem.out_features(self.frames)
        self.head = nn.Linear(features, num_classes)
        nn.init.xavier_uniform_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        with torch.no_grad():  # with a seed, the plain backbone's classifier: a silent KPSEM then changes no logit
            self.head.weight[:, : backbone.feature_channels] = spatial

    def features(self, clips: Tensor) -> Tensor:
        """Return V_out of Eq. (1), ``(N, 768 + 672)`` at the paper's size.

        Args:
            clips: ``(N, 3, T, H, W)``, normalised RGB.

        Raises:
            ValueError: clips of another number of frames than the network was built for.
        """
        temporal: list[Tensor] = []
        for name, maps in self.backbone.stage_maps(clips):
            if self.kpsem is not None and name == self.position:
                if maps.shape[2] != self.frames:
                    raise ValueError(f"clips of {clips.shape[2]} frames do not fit num_frames of this network")
                temporal.append(self.kpsem(maps))
        spatial = self.backbone.pooled(maps)
        return torch.cat([spatial, *(part.to(spatial.dtype) for part in temporal)], dim=1)

    def forward(self, clips: Tensor) -> Tensor:
        """Return logits ``(N, K)`` of clips ``(N, 3, T, H, W)``."""
        return self.head(self.features(clips))

    @torch.no_grad()
    def key_points(self, clips: Tensor) -> tuple[KeyPoints, tuple[int, int]]:
        """Return the key points and shifts of clips, for drawing (Fig. 10), and the feature map's height and width.

        Args:
            clips: ``(N, 3, T, H, W)``, normalised RGB. Feature frame t belongs to clip frame t * T / T'.

        Raises:
            ValueError: a network without KPSEM.
        """
        if self.kpsem is None:
            raise ValueError("this network has no KPSEM (position is None): it has no key points")
        maps = next(maps for name, maps in self.backbone.stage_maps(clips) if name == self.position)
        return self.kpsem.arese.extract(maps), (maps.shape[3], maps.shape[4])

    @torch.no_grad()
    def drawn_set_and_channel(self, found: KeyPoints) -> tuple[Tensor, Tensor]:
        """Return which set and channel to draw, both ``(N,)``; the paper does not say how its figure chose.

        The set whose embedding is longest, summed over frames and channels; the channel with the largest sum of
        absolute shifts in that set.

        Args:
            found: of :meth:`key_points`.

        Raises:
            ValueError: a network without KPSEM.
        """
        if self.kpsem is None:
            raise ValueError("this network has no KPSEM (position is None): it has no key points")
        rkps = found.rkps.flatten(3, 4)  # (N, T - 1, G, 2 R, C)
        weight, bias = self.kpsem.embedding.weight, self.kpsem.embedding.bias
        embedded = torch.einsum("ntgic,gdi->ntgdc", rkps.to(weight.dtype), weight) + bias.unsqueeze(2)
        best = embedded.norm(dim=3).sum((1, 3)).argmax(1)  # (N,)
        own = rkps[torch.arange(best.shape[0], device=best.device), :, best]  # (N, T - 1, 2 R, C)
        return best, own.abs().sum((1, 2)).argmax(1)
