"""MS3D's network (Sec. III.A): a fixed shared kernel, a 3D convolution per pathway, a sparse DenseNet3D, a code."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lightning_modules.backbones.densenet3d import DenseNet3D, DenseNet3dSpec, SparseGraph
from lightning_modules.layers.temporal_init import initialise_over_time

Join = Literal["channels", "time"]
CodeNorm = Literal["batch", "unit"]


class BackboneSpec(Protocol):
    """Describe a backbone."""

    def build(self) -> nn.Module:
        """Return it: clips ``(N, 3, T, H, W)`` to features ``(N, feature_channels)``."""
        ...


@dataclass(frozen=True, kw_only=True)
class Pathway:
    """Describe one pathway.

    Args:
        frames: n, length of its clip.
        kernel: of its 3D convolution (time, height, width).
    """

    frames: int
    kernel: tuple[int, int, int]


SLOW = Pathway(frames=7, kernel=(3, 3, 3))
MEDIUM = Pathway(frames=17, kernel=(3, 5, 5))
FAST = Pathway(frames=25, kernel=(3, 7, 7))


def sparse_densenet() -> DenseNet3dSpec:
    """Return the paper's sparse DenseNet3D: DenseNet-121's blocks, alpha 0.7, Eq. (4)'s initialisation."""
    return DenseNet3dSpec(graph=SparseGraph(alpha=0.7), temporal_init="length")


@dataclass(frozen=True, kw_only=True)
class Ms3dSpec:
    """Describe an MS3D network; the defaults are the paper's setting (Sec. IV.B) as far as it is given.

    Args:
        pathways: one or several; their clips follow each other along time.
        channels: of the shared kernel's maps, and of each pathway's. Joined in time, a pathway has as many as all have
            side by side.
        pathway_channels: of each pathway's maps, where they are not ``channels``.
        shared_kernel: of the fixed convolution (time, height, width). The paper's "s x s x 3" leaves open whether its 3
            is time, as here, or the colours: then (1, 3, 3).
        shared_stride: of the fixed convolution, in space.
        pathway_stride: of the pathways' convolutions, in space.
        shared_seed: draws the fixed kernel.
        join: pathways side by side as "channels", each averaged to ``joined_frames`` frames, or one after the other in
            "time", each at its own length.
        joined_frames: T of the joined maps.
        densenet: the sparse DenseNet3D; its initialisation is the pathways' too.
        code_dim: D.
        code_norm: "batch" normalises each of a code's numbers over the batch, without trained weights; "unit" brings
            each code to length one; None leaves them as the last layer gives them.
        code_deviation: of each of a code's numbers with code_norm="batch".

    Raises:
        ValueError: no pathway, an unknown way to join them or to normalise codes, or a deviation that is not positive.
    """

    pathways: tuple[Pathway, ...] = (SLOW, MEDIUM, FAST)
    channels: int = 16
    pathway_channels: int | None = None
    shared_kernel: tuple[int, int, int] = (3, 3, 3)
    shared_stride: int = 2
    pathway_stride: int = 2
    shared_seed: int = 0
    join: Join = "channels"
    joined_frames: int = 8
    densenet: DenseNet3dSpec = field(default_factory=sparse_densenet)
    code_dim: int = 256
    code_norm: CodeNorm | None = None
    code_deviation: float = 0.25

    def __post_init__(self) -> None:
        if not self.pathways:
            raise ValueError("pathways=(); accepted: one or more")
        if self.join not in ("channels", "time"):
            raise ValueError(f"join={self.join!r}; accepted: 'channels', 'time'")
        if self.code_norm not in (None, "batch", "unit"):
            raise ValueError(f"code_norm={self.code_norm!r}; accepted: 'batch', 'unit', None")
        if self.code_deviation <= 0:
            raise ValueError(f"code_deviation={self.code_deviation}; accepted: above 0")

    def build(self) -> Ms3dBackbone:
        """Return the network."""
        return Ms3dBackbone(self)


def averaged_over_time(maps: Tensor, frames: int) -> Tensor:
    """Return maps ``(N, C, T, H, W)`` averaged to ``frames`` frames, as adaptive average pooling over time does.

    Written as windows because ONNX knows adaptive pooling only to a size that divides T.
    """
    given = maps.shape[2]
    windows = [slice(i * given // frames, -(-(i + 1) * given // frames)) for i in range(frames)]
    return torch.stack([maps[:, :, window].mean(2) for window in windows], dim=2)


class SharedKernel(nn.Module):
    """Convolve the frames of all pathways with one bank of kernels that is never trained.

    Its weights are a buffer, drawn from a seed of their own (He et al.'s deviation): no optimiser sees them.

    Args:
        channels: of the output.
        kernel: (time, height, width).
        stride: in space.
        seed: of the draw.
    """

    weight: Tensor

    def __init__(self, *, channels: int, kernel: tuple[int, int, int], stride: int, seed: int) -> None:
        super().__init__()
        self.stride, self.padding = (1, stride, stride), tuple(side // 2 for side in kernel)
        shape = (channels, 3, *kernel)
        if torch.get_default_device().type == "meta":
            weight = torch.empty(shape)
        else:
            deviation = (2 / (3 * kernel[0] * kernel[1] * kernel[2])) ** 0.5
            generator = torch.Generator().manual_seed(seed)
            weight = deviation * torch.randn(shape, generator=generator, device="cpu")
        self.register_buffer("weight", weight)

    def forward(self, clips: Tensor) -> Tensor:
        """Return maps ``(N, channels, T, H', W')`` of clips ``(N, 3, T, H, W)``."""
        return F.conv3d(clips, self.weight, None, self.stride, self.padding)


class PathwayConv(nn.Sequential):
    """Convolve one pathway's maps, normalise, rectify.

    Args:
        in_channels: of the maps.
        out_channels: of the output.
        kernel: (time, height, width).
        stride: in space.
    """

    def __init__(self, *, in_channels: int, out_channels: int, kernel: tuple[int, int, int], stride: int) -> None:
        padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
        conv = nn.Conv3d(in_channels, out_channels, kernel, (1, stride, stride), padding, bias=False)
        super().__init__(conv, nn.BatchNorm3d(out_channels), nn.ReLU(inplace=True))


class BatchNormalisedCodes(nn.Module):
    """Normalise each of a code's numbers over the batch, without trained weights.

    A batch of a single clip, which has no statistics, is normalised as in testing.

    Args:
        code_dim: D.
        deviation: of each number.
    """

    def __init__(self, *, code_dim: int, deviation: float) -> None:
        super().__init__()
        self.norm, self.deviation = nn.BatchNorm1d(code_dim, affine=False), deviation

    def forward(self, codes: Tensor) -> Tensor:
        """Return codes ``(N, D)``."""
        if self.training and len(codes) == 1:
            codes = F.batch_norm(codes, self.norm.running_mean, self.norm.running_var, eps=self.norm.eps)
        else:
            codes = self.norm(codes)
        return self.deviation * codes


class UnitCodes(nn.Module):
    """Bring codes to length one."""

    def forward(self, codes: Tensor) -> Tensor:
        """Return codes ``(N, D)``."""
        return F.normalize(codes, dim=1)


class Ms3dBackbone(nn.Module):
    """Turn the clips of all pathways into a code.

    Args:
        spec: see :class:`Ms3dSpec`.
    """

    def __init__(self, spec: Ms3dSpec) -> None:
        super().__init__()
        self.spec = spec
        self.shared = SharedKernel(
            channels=spec.channels, kernel=spec.shared_kernel, stride=spec.shared_stride, seed=spec.shared_seed
        )
        side_by_side = len(spec.pathways) if spec.join == "channels" else 1
        own = spec.pathway_channels or spec.channels * len(spec.pathways) // side_by_side
        joined = own * side_by_side
        self.pathways = nn.ModuleList(
            PathwayConv(in_channels=spec.channels, out_channels=own, kernel=pathway.kernel, stride=spec.pathway_stride)
            for pathway in spec.pathways
        )
        self.densenet = DenseNet3D(in_channels=joined, spec=spec.densenet)
        self.code = nn.Linear(self.densenet.feature_channels, spec.code_dim)
        self.code_norm: nn.Module = nn.Identity()
        if spec.code_norm == "batch":
            self.code_norm = BatchNormalisedCodes(code_dim=spec.code_dim, deviation=spec.code_deviation)
        elif spec.code_norm == "unit":
            self.code_norm = UnitCodes()
        self.feature_channels = spec.code_dim
        for pathway in self.pathways:
            conv: nn.Conv3d = pathway[0]  # type: ignore[index, assignment]
            nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
            if spec.densenet.temporal_init is not None:
                initialise_over_time(conv, reading=spec.densenet.temporal_init, centred=spec.densenet.centred_init)

    def joined(self, clips: Tensor) -> Tensor:
        """Return the joined maps ``(N, C, T', H', W')`` of clips ``(N, 3, T, H, W)``.

        Raises:
            ValueError: T is not the length of the pathways' clips together.
        """
        blocks = [conv(self.shared(clip)) for conv, clip in zip(self.pathways, self._split(clips), strict=True)]
        if self.spec.join == "time":
            return torch.cat(blocks, dim=2)  # (N, 3 channels, 49, H', W')
        blocks = [averaged_over_time(block, self.spec.joined_frames) for block in blocks]
        return torch.cat(blocks, dim=1)  # (N, 3 channels, T*, H', W')

    def forward(self, clips: Tensor) -> Tensor:
        """Return codes ``(N, D)``, any real numbers, of clips ``(N, 3, T, H, W)``."""
        return self.code_norm(self.code(self.densenet(self.joined(clips))))

    def _split(self, clips: Tensor) -> tuple[Tensor, ...]:
        lengths = [pathway.frames for pathway in self.spec.pathways]
        if len(lengths) == 1:
            return (clips,)
        if clips.shape[2] != sum(lengths):
            raise ValueError(
                f"clips have {clips.shape[2]} frames; expected {sum(lengths)}, the pathways' {lengths} in a row"
            )
        return clips.split(lengths, dim=2)
