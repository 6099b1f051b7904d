"""DenseNet with 3D kernels (Huang et al., CVPR 2017; Diba et al., arXiv 1711.08200), dense or sparse by a random graph.

A sparse layer receives its predecessor and a random part of the layers before that (MS3D, Eq. (2) and (3)). The graph
is part of the architecture: drawn once from a seed, kept beside the weights, and never changed.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lightning_modules.layers.temporal_init import Reading, initialise_over_time

BlockGraph = tuple[tuple[int, ...], ...]  # per layer the elements it receives: 0 is the block's input, i the layer i
AlphaMeans = Literal["keep", "drop"]


@dataclass(frozen=True, kw_only=True)
class SparseGraph:
    """Say how the layers of dense blocks are connected.

    With the block's input as element 1, element l receives its predecessor and ``floor(share * (l - 2))`` of the l - 2
    elements before that, drawn without replacement.

    Args:
        alpha: of Eq. (2), 1 for a dense block.
        alpha_means: "keep": alpha is the share that is received, as the equations say; "drop": the share that is not,
            as the text calls it.
        seed: of the draw, Python's ``random.Random``, which gives the same graph everywhere.
        always_keep_block_input: the block's input, by far the widest element, is received by every layer: in place of
            one of the drawn elements, or beside the predecessor where none is drawn.

    Raises:
        ValueError: a share outside 0 to 1, or an unknown meaning.
    """

    alpha: float = 0.7
    alpha_means: AlphaMeans = "keep"
    seed: int = 0
    always_keep_block_input: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"alpha={self.alpha}; accepted: 0 to 1")
        if self.alpha_means not in ("keep", "drop"):
            raise ValueError(f"alpha_means={self.alpha_means!r}; accepted: 'keep', 'drop'")

    @property
    def share(self) -> float:
        """Return the share of the elements before the predecessor that a layer receives."""
        return self.alpha if self.alpha_means == "keep" else 1 - self.alpha

    def draw(self, block_layers: Sequence[int]) -> tuple[BlockGraph, ...]:
        """Return the graph of each block: per layer the numbers of what it receives, ascending."""
        rng = random.Random(self.seed)
        return tuple(tuple(self._received(layer, rng) for layer in range(layers)) for layers in block_layers)

    def _received(self, before: int, rng: random.Random) -> tuple[int, ...]:
        """Return what a layer receives that has ``before`` layers before it in its block."""
        kept = int(self.share * before + 1e-9)
        drawn = list(range(before)) if kept == before else sorted(rng.sample(range(before), kept))
        if self.always_keep_block_input and before and 0 not in drawn:
            drawn = [0, *drawn[1:]]
        return (*drawn, before)


DENSE = SparseGraph(alpha=1.0)


class DenseLayer(nn.Module):
    """Normalise, rectify and convolve twice: to a bottleneck with 1x1x1, from there with 3x3x3.

    Args:
        in_channels: of all received maps together.
        growth: k, channels of the output.
        bottleneck: channels in between, as a multiple of k.
    """

    def __init__(self, *, in_channels: int, growth: int, bottleneck: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm3d(in_channels)
        self.conv1 = nn.Conv3d(in_channels, bottleneck * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm3d(bottleneck * growth)
        self.conv2 = nn.Conv3d(bottleneck * growth, growth, 3, padding=1, bias=False)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, maps: Tensor) -> Tensor:
        """Return ``(N, k, T, H, W)`` of ``(N, in_channels, T, H, W)``."""
        return self.conv2(self.relu(self.norm2(self.conv1(self.relu(self.norm1(maps))))))


class DenseBlock(nn.Module):
    """Run layers one after the other, each on a part of the earlier outputs; put out all of them and the input.

    Args:
        in_channels: of the input.
        graph: what each layer receives.
        growth: k.
        bottleneck: multiple of k.
    """

    graph: Tensor

    def __init__(self, *, in_channels: int, graph: BlockGraph, growth: int, bottleneck: int) -> None:
        super().__init__()
        self.received = graph
        widths = [in_channels] + [growth] * len(graph)
        self.layers = nn.ModuleList(
            DenseLayer(in_channels=sum(widths[i] for i in received), growth=growth, bottleneck=bottleneck)
            for received in graph
        )
        self.out_channels = sum(widths)
        connected = [[int(i in received) for i in range(len(graph))] for received in graph]
        self.register_buffer("graph", torch.tensor(connected, dtype=torch.uint8))  # (layers, elements)
        self.register_load_state_dict_pre_hook(_refuse_another_graph)

    def forward(self, maps: Tensor) -> Tensor:
        """Return ``(N, out_channels, T, H, W)`` of ``(N, in_channels, T, H, W)``."""
        elements = [maps]
        for layer, received in zip(self.layers, self.received, strict=True):
            elements.append(layer(torch.cat([elements[i] for i in received], dim=1)))
        return torch.cat(elements, dim=1)


class Transition(nn.Sequential):
    """Compress the channels with 1x1x1 and halve time, height and width by average pooling.

    Args:
        in_channels: of the maps.
        out_channels: of the output.
        pool: average pooling over so many frames, rows and columns.
    """

    def __init__(self, *, in_channels: int, out_channels: int, pool: tuple[int, int, int]) -> None:
        conv = nn.Conv3d(in_channels, out_channels, 1, bias=False)
        super().__init__(nn.BatchNorm3d(in_channels), nn.ReLU(inplace=True), conv, nn.AvgPool3d(pool))
        self.out_channels = out_channels


class TemporalTransition(nn.Module):
    """Convolve with three depths in parallel, stack the channels, halve all sides (T3D, Sec. 3.1, TTL).

    Args:
        in_channels: of the maps.
        branch_channels: of each branch's output.
        depths: frames of the kernels; the first branch is 1x1 in space, the others 3x3.
        pool: average pooling over so many frames, rows and columns.
    """

    def __init__(
        self, *, in_channels: int, branch_channels: int, depths: tuple[int, int, int], pool: tuple[int, int, int]
    ) -> None:
        super().__init__()
        self.norm = nn.Sequential(nn.BatchNorm3d(in_channels), nn.ReLU(inplace=True))
        self.branches = nn.ModuleList(
            nn.Conv3d(in_channels, branch_channels, (depth, side, side), padding=(0, side // 2, side // 2), bias=False)
            for depth, side in zip(depths, (1, 3, 3), strict=True)
        )
        self.pads = tuple(((depth - 1) // 2, depth // 2) for depth in depths)  # an even depth looks one frame further
        self.pool = nn.AvgPool3d(pool)
        self.out_channels = 3 * branch_channels

    def forward(self, maps: Tensor) -> Tensor:
        """Return ``(N, 3 * branch_channels, T / 2, H / 2, W / 2)`` of ``(N, in_channels, T, H, W)``."""
        maps = self.norm(maps)
        outputs = [
            branch(F.pad(maps, (0, 0, 0, 0, *pad))) for branch, pad in zip(self.branches, self.pads, strict=True)
        ]
        return self.pool(torch.cat(outputs, dim=1))


@dataclass(frozen=True, kw_only=True)
class DenseNet3dSpec:
    """Describe the blocks of a DenseNet3D; the defaults are DenseNet-121's.

    Args:
        block_layers: layers of each block.
        growth: k.
        bottleneck: channels inside a layer, as a multiple of k.
        compression: channels behind a transition over those before it.
        graph: how the layers are connected.
        temporal_depths: T3D's temporal transition layers, three depths for each transition; None for plain ones.
        temporal_channels: of each branch of those.
        pool_frames: halve the frames in so many transitions, the first ones.
        temporal_init: initialise 3D kernels by MS3D's Eq. (4), in this reading; None: as He et al. do.
        centred_init: put that scheme's positive slice in the middle of the kernel.

    Raises:
        ValueError: no block or layer, or a compression or depths that fit none.
    """

    block_layers: tuple[int, ...] = (6, 12, 24, 16)
    growth: int = 32
    bottleneck: int = 4
    compression: float = 0.5
    graph: SparseGraph = DENSE
    temporal_depths: tuple[tuple[int, int, int], ...] | None = None
    temporal_channels: int = 128
    pool_frames: int = 3
    temporal_init: Reading | None = None
    centred_init: bool = False

    def __post_init__(self) -> None:
        if not self.block_layers or min(self.block_layers) < 1:
            raise ValueError(f"block_layers={self.block_layers}; accepted: at least one block of one layer")
        if not 0 < self.compression <= 1:
            raise ValueError(f"compression={self.compression}; accepted: above 0, at most 1")
        if self.temporal_depths is not None and len(self.temporal_depths) != len(self.block_layers) - 1:
            raise ValueError(
                f"temporal_depths={self.temporal_depths}; accepted: one triple for each of the "
                f"{len(self.block_layers) - 1} transitions"
            )


class DenseNet3D(nn.Module):
    """Turn maps into pooled features: blocks with transitions between them, normalisation, global average.

    Args:
        in_channels: of the maps it is given.
        spec: its blocks.
    """

    def __init__(self, *, in_channels: int, spec: DenseNet3dSpec) -> None:
        super().__init__()
        self.blocks, self.transitions = nn.ModuleList(), nn.ModuleList()
        channels, last = in_channels, len(spec.block_layers) - 1
        for number, graph in enumerate(spec.graph.draw(spec.block_layers)):
            block = DenseBlock(in_channels=channels, graph=graph, growth=spec.growth, bottleneck=spec.bottleneck)
            self.blocks.append(block)
            channels = block.out_channels
            if number < last:
                transition = _transition(spec, number, channels)
                self.transitions.append(transition)
                channels = transition.out_channels
        self.norm = nn.Sequential(nn.BatchNorm3d(channels), nn.ReLU(inplace=True))
        self.feature_channels = channels
        for layer in self.modules():
            if isinstance(layer, nn.Conv3d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                if spec.temporal_init is not None and layer.kernel_size[0] > 1:
                    initialise_over_time(layer, reading=spec.temporal_init, centred=spec.centred_init)

    def forward(self, maps: Tensor) -> Tensor:
        """Return features ``(N, feature_channels)`` of maps ``(N, in_channels, T, H, W)``."""
        for number, block in enumerate(self.blocks):
            maps = block(maps)
            if number < len(self.transitions):
                maps = self.transitions[number](maps)
        return self.norm(maps).mean((2, 3, 4))

    @property
    def graphs(self) -> tuple[BlockGraph, ...]:
        """Return what each layer of each block receives."""
        return tuple(block.received for block in self.blocks)  # type: ignore[misc]


def _transition(spec: DenseNet3dSpec, number: int, channels: int) -> Any:
    pool = (2 if number < spec.pool_frames else 1, 2, 2)
    if spec.temporal_depths is not None:
        return TemporalTransition(
            in_channels=channels, branch_channels=spec.temporal_channels, depths=spec.temporal_depths[number], pool=pool
        )
    return Transition(in_channels=channels, out_channels=int(channels * spec.compression), pool=pool)


def check_same_graph(network: nn.Module, state_dict: Mapping[str, Tensor]) -> None:
    """Refuse weights that were learnt on another graph.

    Args:
        network: what they are for.
        state_dict: names as in the network; blocks that it lacks are not compared.

    Raises:
        ValueError: a block's layers are connected in another way.
    """
    for name, block in network.named_modules():
        if isinstance(block, DenseBlock):
            _refuse_another_graph(block, state_dict, f"{name}.")


def _refuse_another_graph(block: DenseBlock, state_dict: Mapping[str, Any], prefix: str, *_: Any) -> None:
    given = state_dict.get(f"{prefix}graph")
    if given is not None and not torch.equal(given.cpu(), block.graph.cpu()):
        raise ValueError(f"{prefix}graph: the checkpoint's layers are connected in another way; build the network with "
                         "the alpha and graph seed that it was trained with")  # fmt: skip
