"""Time DepthwiseConv3d against nn.Conv3d on the shapes of LIGAR's network, on one CPU thread.

Both variants take turns in one process, so that other load on the machine hits both. The times are medians of
the CPU time. `python experiments/benchmarks/depthwise.py` times single convolutions, with contiguous and with
channels-last input, and then whole inverted residual blocks, whose other layers profit from that layout too.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from experiments.benchmarks.turns import median_cpu_ms, take_turns
from lightning_modules.layers.depthwise import DepthwiseConv3d

Layout = Literal["contiguous", "channels-last"]
Triple = tuple[int, int, int]
Depthwise = Callable[["Shape"], nn.Module]
Pointwise = Callable[[int, int], nn.Module]
Variant = tuple[Depthwise, Pointwise, Layout]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The input of one depthwise convolution, and the width of its block's input and output."""

    batch: int
    narrow: int
    channels: int
    size: Triple
    kernel_size: Triple
    stride: Triple = (1, 1, 1)

    def __str__(self) -> str:
        size, kernel, stride = ("x".join(map(str, t)) for t in (self.size, self.kernel_size, self.stride))
        return f"{self.batch}x{self.channels} {size} k{kernel} s{stride}"


# Half of LIGAR's widths on 32x32 clips of 16 frames: the embedded benchmark.
SMALL = (
    Shape(batch=16, narrow=8, channels=32, size=(8, 16, 16), kernel_size=(3, 3, 3), stride=(1, 2, 2)),
    Shape(batch=16, narrow=12, channels=36, size=(8, 8, 8), kernel_size=(3, 3, 3)),
    Shape(batch=16, narrow=12, channels=36, size=(8, 8, 8), kernel_size=(3, 5, 5), stride=(1, 2, 2)),
    Shape(batch=16, narrow=20, channels=60, size=(8, 4, 4), kernel_size=(3, 5, 5), stride=(2, 1, 1)),
    Shape(batch=16, narrow=20, channels=60, size=(4, 4, 4), kernel_size=(5, 5, 5)),
    Shape(batch=16, narrow=20, channels=120, size=(4, 4, 4), kernel_size=(5, 3, 3), stride=(1, 2, 2)),
    Shape(batch=16, narrow=40, channels=100, size=(4, 2, 2), kernel_size=(3, 3, 3)),
    Shape(batch=16, narrow=40, channels=240, size=(4, 2, 2), kernel_size=(3, 3, 3), stride=(2, 1, 1)),
    Shape(batch=16, narrow=56, channels=336, size=(2, 2, 2), kernel_size=(3, 5, 5), stride=(1, 2, 2)),
    Shape(batch=16, narrow=80, channels=480, size=(2, 1, 1), kernel_size=(3, 5, 5)),
)
# LIGAR itself on 224x224 clips of 16 frames, one clip.
FULL = (
    Shape(batch=1, narrow=16, channels=16, size=(16, 112, 112), kernel_size=(1, 3, 3)),
    Shape(batch=1, narrow=16, channels=64, size=(16, 112, 112), kernel_size=(3, 3, 3), stride=(1, 2, 2)),
    Shape(batch=1, narrow=24, channels=72, size=(16, 56, 56), kernel_size=(3, 3, 3)),
    Shape(batch=1, narrow=24, channels=72, size=(16, 56, 56), kernel_size=(3, 5, 5), stride=(1, 2, 2)),
    Shape(batch=1, narrow=40, channels=120, size=(16, 28, 28), kernel_size=(3, 5, 5), stride=(2, 1, 1)),
    Shape(batch=1, narrow=40, channels=120, size=(8, 28, 28), kernel_size=(5, 5, 5)),
    Shape(batch=1, narrow=40, channels=240, size=(8, 28, 28), kernel_size=(5, 3, 3), stride=(1, 2, 2)),
    Shape(batch=1, narrow=80, channels=200, size=(8, 14, 14), kernel_size=(3, 3, 3)),
    Shape(batch=1, narrow=80, channels=480, size=(8, 14, 14), kernel_size=(3, 3, 3), stride=(2, 1, 1)),
    Shape(batch=1, narrow=112, channels=672, size=(4, 14, 14), kernel_size=(3, 5, 5)),
    Shape(batch=1, narrow=160, channels=672, size=(4, 14, 14), kernel_size=(3, 5, 5), stride=(1, 2, 2)),
    Shape(batch=1, narrow=160, channels=960, size=(4, 7, 7), kernel_size=(3, 5, 5)),
)


class ChannelsLastPointwise(nn.Module):
    """Multiply the channels of every position by one matrix: a 1x1x1 convolution without a bias."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels_in, channels_out, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, T, H, W) to (N, C', T, H, W)."""
        return self.linear(x.permute(0, 2, 3, 4, 1)).permute(0, 4, 1, 2, 3)


def plain_depthwise(shape: Shape) -> nn.Module:
    """Build PyTorch's own depthwise convolution."""
    c, (kernel_t, kernel_h, kernel_w) = shape.channels, shape.kernel_size
    padding = (kernel_t // 2, kernel_h // 2, kernel_w // 2)
    return nn.Conv3d(c, c, shape.kernel_size, shape.stride, padding, groups=c, bias=False)


def own_depthwise(shape: Shape) -> nn.Module:
    """Build this repository's depthwise convolution."""
    return DepthwiseConv3d(shape.channels, kernel_size=shape.kernel_size, stride=shape.stride)


def conv_pointwise(channels_in: int, channels_out: int) -> nn.Module:
    """Build PyTorch's 1x1x1 convolution."""
    return nn.Conv3d(channels_in, channels_out, 1, bias=False)


def inverted_residual(shape: Shape, depthwise: Depthwise, pointwise: Pointwise) -> nn.Module:
    """Build expand, depthwise, project, each with batch normalisation; hard swish after the first two."""
    return nn.Sequential(
        pointwise(shape.narrow, shape.channels),
        nn.BatchNorm3d(shape.channels),
        nn.Hardswish(),
        depthwise(shape),
        nn.BatchNorm3d(shape.channels),
        nn.Hardswish(),
        pointwise(shape.channels, shape.narrow),
        nn.BatchNorm3d(shape.narrow),
    )


def interleaved_ms(functions: Sequence[Callable[[], object]], *, budget_sec: float) -> list[float]:
    """Return the median CPU time of each function in ms, all of them taking turns for about `budget_sec`."""
    return [median_cpu_ms(turns) for turns in take_turns(functions, budget_sec=budget_sec, warm_up=2)]


def forward_and_step(
    module: nn.Module, channels: int, shape: Shape, layout: Layout
) -> tuple[Callable[[], None], Callable[[], None]]:
    """Return a function that runs forward without gradients, and one that runs forward and backward."""
    memory_format = torch.contiguous_format if layout == "contiguous" else torch.channels_last_3d
    x = torch.randn(shape.batch, channels, *shape.size).to(memory_format=memory_format).requires_grad_()
    with torch.no_grad():
        grad = torch.randn_like(module(x))

    def forward() -> None:
        with torch.no_grad():
            module(x)

    def step() -> None:
        x.grad = None
        module.zero_grad(set_to_none=True)
        module(x).backward(grad)

    return forward, step


def convolution_table(shapes: Sequence[Shape], layout: Layout, *, budget_sec: float) -> Table:
    """Time single depthwise convolutions."""
    table = Table(title=f"depthwise convolution, {layout} input, 1 thread, median CPU ms")
    table.add_column("shape: batch x channels,\nT x H x W, kernel, stride")
    for what in ("forward", "forward,\nbackward"):
        for column in ("nn.Conv3d", "ours", "ratio"):
            table.add_column(f"{what}\n{column}", justify="right")
    for shape in shapes:
        plain = forward_and_step(plain_depthwise(shape), shape.channels, shape, layout)
        ours = forward_and_step(own_depthwise(shape), shape.channels, shape, layout)
        row = [str(shape)]
        for functions in zip(plain, ours, strict=True):
            plain_ms, own_ms = interleaved_ms(functions, budget_sec=budget_sec)
            row += [f"{plain_ms:.2f}", f"{own_ms:.2f}", f"{plain_ms / own_ms:.1f}"]
        table.add_row(*row)
    return table


def block_table(shapes: Sequence[Shape], *, budget_sec: float) -> Table:
    """Time forward and backward of whole inverted residual blocks."""
    variants: dict[str, Variant] = {
        "contiguous\nnn.Conv3d": (plain_depthwise, conv_pointwise, "contiguous"),
        "contiguous\nours": (own_depthwise, conv_pointwise, "contiguous"),
        "channels-last\nnn.Conv3d": (plain_depthwise, conv_pointwise, "channels-last"),
        "channels-last\nours": (own_depthwise, conv_pointwise, "channels-last"),
        "channels-last\nours, 1x1x1 as linear": (own_depthwise, ChannelsLastPointwise, "channels-last"),
    }
    table = Table(title="inverted residual block, forward + backward, 1 thread, median CPU ms")
    table.add_column("depthwise convolution of the block")
    for name in variants:
        table.add_column(name, justify="right")
    for shape in shapes:
        steps = []
        for depthwise, pointwise, layout in variants.values():
            block = inverted_residual(shape, depthwise, pointwise)
            steps.append(forward_and_step(block, shape.narrow, shape, layout)[1])
        table.add_row(str(shape), *(f"{ms:.2f}" for ms in interleaved_ms(steps, budget_sec=2 * budget_sec)))
    return table


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.5, help="time budget of one measurement")
    seconds = parser.parse_args().seconds
    torch.set_num_threads(1)
    torch.manual_seed(0)
    console = Console()
    for shapes in (SMALL, FULL):
        for layout in ("contiguous", "channels-last"):
            console.print(convolution_table(shapes, layout, budget_sec=seconds))
        console.print(block_table(shapes, budget_sec=seconds))


if __name__ == "__main__":
    main()
