"""Global path of LIGAR: one vector per clip, fed by and feeding each stage of the local path.

Local and Global Diffusion: Qiu et al., CVPR 2019. LIGAR (Sec. III.ii) pools by attention and ends one block
earlier.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from lightning_modules.layers.global_context import AveragePooling, GlobalContextPooling

Pooling = Literal["attention", "average"]


class VectorTransform(nn.Module):
    """Map one vector to another: widen by a factor, normalise, hard-swish, project, normalise.

    The paper's two 1x1x1 convolutions; on a single position they are linear layers. Batch normalisation then
    sees N values per channel, so training needs at least two clips in a batch.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        expansion: how much wider than the input the hidden vector is (3 in the authors' code).
    """

    def __init__(self, *, in_channels: int, out_channels: int, expansion: int = 3) -> None:
        super().__init__()
        hidden = expansion * in_channels
        self.widen = nn.Linear(in_channels, hidden, bias=False)
        self.widen_norm = nn.BatchNorm1d(hidden)
        self.project = nn.Linear(hidden, out_channels, bias=False)
        self.project_norm = nn.BatchNorm1d(out_channels)

    def forward(self, vectors: Tensor) -> Tensor:
        """Return the transformed vectors.

        Args:
            vectors: ``(N, C)``.

        Returns:
            ``(N, C')``.
        """
        hidden = F.hardswish(self.widen_norm(self.widen(vectors)))  # (N, expansion * C)
        return self.project_norm(self.project(hidden))  # (N, C')


class GlobalPath(nn.Module):
    """Hold the exchange between a local path of B blocks and one global vector per clip.

    With l_0 the stem's output, l_i the output of block i and C_i its channels: the vector starts as
    g_0 = P_0(l_0); block i < B receives l_i + U_i(g_{i-1}); and g_i = G_i(g_{i-1}) + P_i(l_i) for i < B - 1,
    where P_i sees l_i after the addition. The last block neither receives nor gives. G_i has a residual
    connection where C_{i-1} = C_i.

    Args:
        channels: C_0 ... C_B, channels of the stem's and of each block's output.
        pooling: how P_i sums up a map before its transform: weighted by learnt attention (LIGAR), or the plain
            mean (as in Local and Global Diffusion).

    Raises:
        ValueError: an unknown ``pooling``.
    """

    def __init__(self, *, channels: Sequence[int], pooling: Pooling = "attention") -> None:
        super().__init__()
        if pooling not in ("attention", "average"):
            raise ValueError(f"pooling must be 'attention' or 'average', got {pooling!r}")
        last = len(channels) - 1  # B
        self.pool = nn.ModuleList(
            nn.Sequential(
                GlobalContextPooling(channels=channels[i]) if pooling == "attention" else AveragePooling(),
                VectorTransform(in_channels=channels[i], out_channels=channels[i]),
            )
            for i in range(max(last - 1, 0))
        )  # P_0 ... P_{B-2}
        self.to_local = nn.ModuleList(
            VectorTransform(in_channels=channels[i - 1], out_channels=channels[i]) for i in range(1, last)
        )  # U_1 ... U_{B-1}
        self.step = nn.ModuleList(
            VectorTransform(in_channels=channels[i - 1], out_channels=channels[i]) for i in range(1, last - 1)
        )  # G_1 ... G_{B-2}
        self.silence()

    def silence(self) -> None:
        """Zero the last normalisation of each U_i, so that the network starts as its local path alone."""
        for transform in self.to_local:
            assert isinstance(transform, VectorTransform)
            nn.init.zeros_(transform.project_norm.weight)
            nn.init.zeros_(transform.project_norm.bias)

    def start(self, stem_maps: Tensor) -> Tensor | None:
        """Return g_0 ``(N, C_0)``; None for a local path of one block, which has no global path."""
        return self.pool[0](stem_maps) if len(self.pool) else None

    def exchange(self, block: int, maps: Tensor, vectors: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return what block ``block`` passes on, and the global vector after it.

        Args:
            block: i, from 1.
            maps: ``(N, C_i, T, H, W)``, the block's output.
            vectors: ``(N, C_{i-1})``, g_{i-1}; None once the global path has ended.

        Returns:
            ``(N, C_i, T, H, W)`` and ``(N, C_i)`` or None.
        """
        if vectors is None:
            return maps, None
        maps = maps + self.to_local[block - 1](vectors)[:, :, None, None, None]
        if block > len(self.step):
            return maps, None
        stepped = self.step[block - 1](vectors)  # (N, C_i)
        if stepped.shape == vectors.shape:
            stepped = stepped + vectors
        return maps, stepped + self.pool[block](maps)
