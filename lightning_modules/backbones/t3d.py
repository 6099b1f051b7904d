"""DenseNet3D and T3D on video clips (Diba et al., Temporal 3D ConvNets, arXiv 1711.08200, Table 1)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from lightning_modules.backbones.densenet3d import DenseNet3D, DenseNet3dSpec


@dataclass(frozen=True, kw_only=True)
class VideoDenseNet3dSpec:
    """Describe a DenseNet3D on video clips: stem, blocks, no classifier.

    Args:
        densenet: the blocks.
        stem_channels: of the first convolution.
        stem_kernel: of the first convolution (time, height, width).
        stem_stride: of the first convolution.
        stem_pool: strides of a maximum over 3 x 3 x 3 behind it; None leaves it out.
    """

    densenet: DenseNet3dSpec = DenseNet3dSpec()
    stem_channels: int = 64
    stem_kernel: tuple[int, int, int] = (3, 7, 7)
    stem_stride: tuple[int, int, int] = (1, 2, 2)
    stem_pool: tuple[int, int, int] | None = (1, 2, 2)

    def build(self) -> VideoDenseNet3D:
        """Return the network."""
        return VideoDenseNet3D(self)


class VideoDenseNet3D(nn.Module):
    """Turn clips into pooled features with a DenseNet3D; there is no classifier.

    Args:
        spec: see :class:`VideoDenseNet3dSpec`.
    """

    def __init__(self, spec: VideoDenseNet3dSpec) -> None:
        super().__init__()
        padding = (spec.stem_kernel[0] // 2, spec.stem_kernel[1] // 2, spec.stem_kernel[2] // 2)
        self.stem = nn.Sequential(
            nn.Conv3d(3, spec.stem_channels, spec.stem_kernel, spec.stem_stride, padding, bias=False),
            nn.BatchNorm3d(spec.stem_channels),
            nn.ReLU(inplace=True),
            nn.MaxPool3d(3, spec.stem_pool, padding=1) if spec.stem_pool is not None else nn.Identity(),
        )
        self.densenet = DenseNet3D(in_channels=spec.stem_channels, spec=spec.densenet)
        self.feature_channels = self.densenet.feature_channels

    def forward(self, clips: Tensor) -> Tensor:
        """Return features ``(N, feature_channels)`` of clips ``(N, 3, T, H, W)``."""
        return self.densenet(self.stem(clips))


# DenseNet-121's blocks; for T3D temporal transition layers between them.
T3D_DEPTHS = ((1, 3, 6), (1, 3, 4), (1, 3, 4))
DENSENET3D = VideoDenseNet3dSpec()
T3D = VideoDenseNet3dSpec(densenet=DenseNet3dSpec(temporal_depths=T3D_DEPTHS))
