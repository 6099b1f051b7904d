"""C3D (Tran et al., ICCV 2015, Fig. 3): eight 3x3x3 convolutions, five poolings, two fully connected layers."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from lightning_modules.backbones.library_networks import initialise

STAGES = ((64,), (128,), (256, 256), (512, 512), (512, 512))


@dataclass(frozen=True, kw_only=True)
class C3dSpec:
    """Describe a C3D; the defaults are the paper's, for clips of 16 frames of 112 x 112.

    Args:
        width: multiplier of all channels.
        hidden: size of each fully connected layer.
        pools: how many poolings of 2 x 2 pixels, from the end; the first does not pool time. Small clips have fewer.
        last_maps: time, height and width of the last maps, which the fully connected layers see whole.
        norms: normalise behind each convolution, which the paper's network, pre-trained, does without.
        dropout: probability behind each fully connected layer.
    """

    width: float = 1.0
    hidden: int = 4096
    pools: int = 5
    last_maps: tuple[int, int, int] = (1, 4, 4)
    norms: bool = False
    dropout: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.pools <= len(STAGES):
            raise ValueError(f"pools={self.pools}; accepted: 0 to {len(STAGES)}")

    def build(self) -> C3d:
        """Return the network."""
        return C3d(self)


class C3d(nn.Module):
    """Turn clips into the features of the second fully connected layer.

    Args:
        spec: see :class:`C3dSpec`.
    """

    def __init__(self, spec: C3dSpec) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for number, stage in enumerate(STAGES):
            for size in stage:
                channels = max(1, int(size * spec.width))
                layers.append(nn.Conv3d(before, channels, 3, padding=1))
                layers += [nn.BatchNorm3d(channels)] if spec.norms else []
                layers.append(nn.ReLU(inplace=True))
                before = channels
            if number >= len(STAGES) - spec.pools:
                depth = 1 if number == 0 else 2
                # The last pooling of 7 x 7 maps keeps the odd row and column, so that 4 x 4 are left.
                layers.append(nn.MaxPool3d((depth, 2, 2), ceil_mode=True))
        time, height, width = spec.last_maps
        self.convolutions = nn.Sequential(*layers)
        self.connected = nn.Sequential(
            nn.AdaptiveAvgPool3d(spec.last_maps),  # nothing to average where clips have the paper's size
            nn.Flatten(),
            nn.Linear(before * time * height * width, spec.hidden), nn.ReLU(inplace=True), nn.Dropout(spec.dropout),
            nn.Linear(spec.hidden, spec.hidden), nn.ReLU(inplace=True), nn.Dropout(spec.dropout),
        )  # fmt: skip
        self.feature_channels = spec.hidden
        initialise(self)

    def forward(self, clips: Tensor) -> Tensor:
        """Return features ``(N, hidden)`` of clips ``(N, 3, T, H, W)``."""
        return self.connected(self.convolutions(clips))
