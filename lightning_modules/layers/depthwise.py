"""Depthwise 3D convolution whose backward pass is fast on a CPU.

PyTorch computes the forward pass of a depthwise `nn.Conv3d` with a specialised oneDNN kernel, but both
gradients with generic ones, made for groups of many channels: on a CPU, backward costs 8-20 times forward.
Here the forward pass is the same convolution, and the gradients only use operations with specialised kernels:

* input gradient: the output gradient, spread over the stride with zeros, convolved with the flipped weight.
  Splitting by stride phase saves multiplications but not time: the extra calls cost as much;
* weight gradient: the temporal taps one by one. On tiny maps calling a 2D kernel costs more than computing:
  there one matrix product per channel multiplies all pairs of input and output positions, and each spatial
  tap is the sum over its pairs. On other maps a temporal tap is the weight gradient of a depthwise 2D
  convolution over all frames; its specialised kernel takes at most 3 columns: wider ones go in blocks.

All of it works on channels-last memory: a contiguous input is right too, but pays for the change of layout.
"""

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.grad import conv2d_weight

Triple = tuple[int, int, int]

_MAX_COLUMNS = 3  # widest kernel of the specialised 2D weight gradient
_MAX_PAIRS = 1024  # pairs of positions up to which their products are faster (measured: 8x8 to 4x4, 5x5 to 5x5)


class DepthwiseConv3d(nn.Conv3d):
    """Convolve each channel with its own 3D kernel, zero-padded by half of the (odd) kernel, without a bias.

    Everything but the speed of training on a CPU is that of `nn.Conv3d(groups=channels)`: parameter name and
    shape, initialisation, outputs, gradients (up to rounding; they cannot be differentiated a second time).
    Prefer `channels_last_3d` input.

    Args:
        channels: number of channels C, in and out.
        kernel_size: odd extents (time, height, width).
        stride: steps (time, height, width).

    Raises:
        ValueError: a kernel extent is even or not positive.
    """

    def __init__(self, channels: int, *, kernel_size: Triple, stride: Triple = (1, 1, 1)) -> None:
        padding = _padding(kernel_size)
        super().__init__(channels, channels, kernel_size, stride, padding, groups=channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve.

        Args:
            x: (N, C, T, H, W).

        Returns:
            (N, C, ceil(T / stride), ceil(H / stride), ceil(W / stride)), in the memory format of `x`.
        """
        if torch.jit.is_tracing():
            return super().forward(x)  # the checks below would be traced with their warnings
        return depthwise_conv3d(x, self.weight, self.stride)


def depthwise_conv3d(x: Tensor, weight: Tensor, stride: tuple[int, ...] = (1, 1, 1)) -> Tensor:
    """Convolve each channel of x with its own kernel, zero-padded by half of the (odd) kernel.

    Args:
        x: (N, C, T, H, W).
        weight: (C, 1, kt, kh, kw), odd extents.
        stride: steps (time, height, width).

    Returns:
        (N, C, ceil(T / stride), ceil(H / stride), ceil(W / stride)), in the memory format of `x`.

    Raises:
        ValueError: the weight is not a depthwise one for x, or a kernel extent is even.
    """
    if x.dim() != 5 or weight.dim() != 5 or weight.shape[:2] != (x.shape[1], 1):
        raise ValueError(
            f"weight of shape {tuple(weight.shape)} for input of shape {tuple(x.shape)}: "
            "expected (C, 1, kt, kh, kw) for (N, C, T, H, W)"
        )
    padding = _padding(weight.shape[2:])
    if not _needs_own_backward(x, weight):
        return F.conv3d(x, weight, None, stride, padding, 1, x.shape[1])
    return _DepthwiseConv3dFunction.apply(x, weight, stride)


def _padding(kernel_size: tuple[int, ...]) -> Triple:
    if len(kernel_size) != 3 or any(k < 1 or k % 2 == 0 for k in kernel_size):
        raise ValueError(f"kernel_size={tuple(kernel_size)}: expected odd, positive (time, height, width)")
    time, height, width = kernel_size
    return time // 2, height // 2, width // 2


def _needs_own_backward(x: Tensor, weight: Tensor) -> bool:
    """Tell whether this call will be differentiated on a CPU in full precision.

    Otherwise the plain operator is the right one: without gradients it is the same kernel; CUDA has depthwise
    kernels for both directions; a meta tensor, a trace or an export should show the true convolution.
    """
    return (
        not torch.jit.is_tracing()
        and not torch.compiler.is_compiling()
        and not torch.compiler.is_exporting()
        and x.device.type == weight.device.type == "cpu"
        and x.dtype == weight.dtype
        and x.dtype in (torch.float32, torch.float64)
        and x.numel() > 0
        and torch.is_grad_enabled()
        and (x.requires_grad or weight.requires_grad)
        and not torch.is_autocast_enabled("cpu")
    )


class _DepthwiseConv3dFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: tuple[int, ...]) -> Tensor:
        ctx.keep_contiguous = x.is_contiguous() and not x.is_contiguous(memory_format=torch.channels_last_3d)
        ctx.stride = stride
        x = x.contiguous(memory_format=torch.channels_last_3d)
        ctx.save_for_backward(x, weight)
        y = F.conv3d(x, weight, None, stride, _padding(weight.shape[2:]), 1, x.shape[1])
        return y.contiguous() if ctx.keep_contiguous else y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        grad = grad.contiguous(memory_format=torch.channels_last_3d)
        grad_x = grad_weight = None
        if ctx.needs_input_grad[0]:
            grad_x = _input_gradient(grad, x.shape, weight, ctx.stride)
            grad_x = grad_x.contiguous() if ctx.keep_contiguous else grad_x
        if ctx.needs_input_grad[1]:
            grad_weight = _weight_gradient(grad, x, weight.shape, ctx.stride)
        return grad_x, grad_weight, None


def _input_gradient(grad: Tensor, shape: torch.Size, weight: Tensor, stride: tuple[int, ...]) -> Tensor:
    if max(stride) > 1:
        spread = torch.empty(shape, dtype=grad.dtype, memory_format=torch.channels_last_3d).zero_()
        spread[:, :, :: stride[0], :: stride[1], :: stride[2]] = grad
        grad = spread
    return F.conv3d(grad, weight.flip(2, 3, 4), None, 1, _padding(weight.shape[2:]), 1, weight.shape[0])


def _weight_gradient(grad: Tensor, x: Tensor, shape: torch.Size, stride: tuple[int, ...]) -> Tensor:
    """Correlate x with the output gradient per channel and tap; both (N, C, T, H, W), channels-last."""
    pairs = x.shape[3] * x.shape[4] * grad.shape[3] * grad.shape[4]
    tap_gradients = _tap_gradients_from_pairs if pairs <= _MAX_PAIRS else _tap_gradients_from_frames
    return tap_gradients(grad, x, shape, stride).permute(1, 2, 0, 3, 4)  # (C, 1, kt, kh, kw)


def _temporal_taps(frames: int, out_frames: int, kernel: int, step: int) -> Iterator[tuple[int, int, slice, slice]]:
    """List (tap, phase, input frames, output frames): which frames meet under each temporal tap.

    The input frames are counted within their phase, which is every step-th frame from number `phase` on.
    """
    for tap in range(kernel):
        offset = tap - kernel // 2  # output frame t meets input frame t * step + offset
        shift, phase = divmod(offset, step)
        start = max(0, -shift)
        stop = min(out_frames, len(range(phase, frames, step)) - shift)
        if start < stop:
            yield tap, phase, slice(start + shift, stop + shift), slice(start, stop)


def _tap_gradients_from_pairs(grad: Tensor, x: Tensor, shape: torch.Size, stride: tuple[int, ...]) -> Tensor:
    """Return (kt, C, 1, kh, kw), from the products of all input with all output positions of a frame."""
    channels, frames, *size = x.shape[1:]
    out_frames = grad.shape[2]
    (kernel_t, *kernel), (step_t, *step) = shape[2:], stride
    phases = [x[:, :, p::step_t].permute(1, 2, 0, 3, 4) for p in range(min(step_t, frames))]
    phases = [phase.contiguous().flatten(3) for phase in phases]  # each (C, T / step_t, N, H * W)
    grad = grad.permute(1, 3, 4, 2, 0).contiguous().flatten(1, 2)  # (C, H' * W', T', N)
    products = x.new_zeros(kernel_t, channels, grad.shape[1], phases[0].shape[3])
    for tap, phase, met, out in _temporal_taps(frames, out_frames, kernel_t, step_t):
        met_positions = phases[phase][:, met].flatten(1, 2)  # (C, frames * N, H * W)
        products[tap] = grad[:, :, out].flatten(2) @ met_positions  # (C, H' * W', H * W)
    one_hot = torch.eye(products.shape[3], dtype=x.dtype).unflatten(1, (1, *size))  # (H * W, 1, H, W)
    padding = (kernel[0] // 2, kernel[1] // 2)
    taps = F.unfold(one_hot, tuple(kernel), padding=padding, stride=tuple(step))  # (H * W, kh * kw, H' * W')
    taps = taps.permute(2, 0, 1).flatten(0, 1)  # (pairs, kh * kw): 1 where the tap joins the pair
    return (products.flatten(2) @ taps).view(kernel_t, channels, 1, *kernel)


def _tap_gradients_from_frames(grad: Tensor, x: Tensor, shape: torch.Size, stride: tuple[int, ...]) -> Tensor:
    """Return (kt, C, 1, kh, kw), from depthwise 2D convolutions over the frames of all clips."""
    batch, channels, frames, _, width = x.shape
    out_frames, out_width = grad.shape[2], grad.shape[4]
    (kernel_t, kernel_h, kernel_w), (step_t, step_h, step_w) = shape[2:], stride
    # Time outermost: the frames that meet under one temporal tap, of all clips, are then one slice.
    phases = [x[:, :, p::step_t].permute(2, 0, 3, 4, 1) for p in range(min(step_t, frames))]
    grad = grad.permute(2, 0, 3, 4, 1).contiguous()  # (T', N, H', W', C)
    result = x.new_zeros(kernel_t, channels, 1, kernel_h, kernel_w)
    for first in range(0, kernel_w, _MAX_COLUMNS):
        last = min(first + _MAX_COLUMNS, kernel_w)
        if kernel_w <= _MAX_COLUMNS:
            pad_w, windows = kernel_w // 2, phases
        else:  # cut out the columns which this block of taps meets, with zeros outside of the map
            left = kernel_w // 2 - first
            right = (out_width - 1) * step_w + last - first - left - width
            pad_w, windows = 0, [F.pad(phase, (0, 0, left, right)) for phase in phases]
        windows = [window.contiguous() for window in windows]
        for tap, phase, met, out in _temporal_taps(frames, out_frames, kernel_t, step_t):
            result[tap, ..., first:last] = conv2d_weight(
                windows[phase][met].flatten(0, 1).permute(0, 3, 1, 2),  # (T * N, C, H, W)
                (channels, 1, kernel_h, last - first),
                grad[out].flatten(0, 1).permute(0, 3, 1, 2),
                (step_h, step_w),
                (kernel_h // 2, pad_w),
                1,
                channels,
            )
    return result
