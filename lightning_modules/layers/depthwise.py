"""Depthwise 3D convolution whose backward pass is fast on a CPU.

PyTorch computes the forward pass of a depthwise `nn.Conv3d` with a specialised oneDNN kernel, but both gradients
with generic ones, made for groups of many channels: on a CPU backward then costs 8-20 times forward. Here the forward
pass is the same convolution, and both gradients are written with operations that do have specialised kernels:

* input gradient: the output gradient, spread over the stride with zeros, convolved (forward kernel) with the flipped
  weight. Splitting by stride phase saves multiplications but not time: the extra calls cost as much;
* weight gradient: the temporal taps one by one, each the weight gradient of a depthwise 2D convolution over all
  frames. Its specialised kernel needs at most 3 columns and a map that is not smaller than the kernel; so a wide
  kernel is handled in blocks of 3 columns, taps that only ever meet padding are left out, and small maps are padded.

All of it works on channels-last memory: a contiguous input is right too, but pays for the change of layout.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn.grad import conv2d_weight

Triple = tuple[int, int, int]

_MAX_COLUMNS = 3  # widest kernel of the specialised 2D weight gradient
_LARGE_MAP = 8  # from this size on that kernel takes its own zero padding, which saves a copy of the input


class DepthwiseConv3d(nn.Conv3d):
    """Convolve each channel with its own 3D kernel, zero-padded by half of the (odd) kernel, without a bias.

    Everything but the speed of training on a CPU is that of `nn.Conv3d(groups=channels)`: parameter name and
    shape, initialisation, outputs and gradients (up to rounding; they cannot be differentiated a second time).
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


def depthwise_conv3d(x: Tensor, weight: Tensor, stride: Triple = (1, 1, 1)) -> Tensor:
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
    padding = _padding(tuple(weight.shape[2:]))
    if not _needs_own_backward(x, weight):
        return F.conv3d(x, weight, None, stride, padding, 1, x.shape[1])
    return _DepthwiseConv3dFunction.apply(x, weight, tuple(stride))


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
    def forward(ctx: FunctionCtx, x: Tensor, weight: Tensor, stride: Triple) -> Tensor:
        ctx.keep_contiguous = x.is_contiguous() and not x.is_contiguous(memory_format=torch.channels_last_3d)
        ctx.stride = stride
        x = x.contiguous(memory_format=torch.channels_last_3d)
        ctx.save_for_backward(x, weight)
        y = F.conv3d(x, weight, None, stride, _padding(weight.shape[2:]), 1, x.shape[1])
        return y.contiguous() if ctx.keep_contiguous else y

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        grad = grad.contiguous(memory_format=torch.channels_last_3d)
        grad_x = grad_weight = None
        if ctx.needs_input_grad[0]:
            grad_x = _input_gradient(grad, x.shape, weight, ctx.stride)
            grad_x = grad_x.contiguous() if ctx.keep_contiguous else grad_x
        if ctx.needs_input_grad[1]:
            grad_weight = _weight_gradient(grad, x, weight.shape, ctx.stride)
        return grad_x, grad_weight, None


def _input_gradient(grad: Tensor, shape: torch.Size, weight: Tensor, stride: Triple) -> Tensor:
    if tuple(stride) != (1, 1, 1):
        spread = torch.empty(shape, dtype=grad.dtype, memory_format=torch.channels_last_3d).zero_()
        spread[:, :, :: stride[0], :: stride[1], :: stride[2]] = grad
        grad = spread
    return F.conv3d(grad, weight.flip(2, 3, 4), None, 1, _padding(weight.shape[2:]), 1, weight.shape[0])


def _weight_gradient(grad: Tensor, x: Tensor, shape: torch.Size, stride: Triple) -> Tensor:
    """Correlate x with the output gradient, per channel and tap; both (N, C, T, H, W), channels-last."""
    batch, channels, frames, height, width = x.shape
    out_frames, out_height, out_width = grad.shape[2:]
    step_t, step_h, step_w = stride
    kernel_t, kernel_h, kernel_w = shape[2:]
    first_t, last_t = _used_taps(frames, out_frames, kernel_t, step_t)
    first_h, last_h = _used_taps(height, out_height, kernel_h, step_h)
    first_w, last_w = _used_taps(width, out_width, kernel_w, step_w)
    whole_kernel = (first_h, last_h, first_w, last_w) == (0, kernel_h, 0, kernel_w)
    conv_pads = whole_kernel and kernel_w <= _MAX_COLUMNS and min(height, width) >= max(_LARGE_MAP, kernel_h)
    # A stride over a single output position moves nothing, but keeps oneDNN from its specialised kernel.
    step_hw = (1, 1) if (out_height, out_width) == (1, 1) and not conv_pads else (step_h, step_w)

    # Time outermost: the frames that meet one temporal tap, of all clips, are then one slice.
    grad_frames = grad.permute(2, 0, 3, 4, 1).flatten(0, 1).permute(0, 3, 1, 2)  # (T' * N, C, H', W')
    result = grad.new_zeros(kernel_t, channels, 1, kernel_h, kernel_w)
    for column in range(first_w, last_w, _MAX_COLUMNS):
        end = min(column + _MAX_COLUMNS, last_w)
        rows = (first_h - kernel_h // 2, (out_height - 1) * step_h + last_h - first_h)
        columns = (column - kernel_w // 2, (out_width - 1) * step_w + end - column)
        for phase in range(min(step_t, frames)):
            window = x[:, :, phase::step_t].permute(2, 0, 3, 4, 1)  # (T_phase, N, H, W, C)
            if not conv_pads:
                window = _window(window, rows, columns)
            length = window.shape[0]
            window = window.flatten(0, 1).permute(0, 3, 1, 2)  # (T_phase * N, C, rows, columns)
            for tap in range(first_t, last_t):
                offset = tap - kernel_t // 2 - phase  # output frame t meets frame t + offset / step_t of the phase
                if offset % step_t:
                    continue
                shift = offset // step_t
                start, stop = max(0, -shift), min(out_frames, length - shift)
                if start >= stop:
                    continue
                result[tap, :, :, first_h:last_h, column:end] = conv2d_weight(
                    window[(start + shift) * batch : (stop + shift) * batch],
                    (channels, 1, last_h - first_h, end - column),
                    grad_frames[start * batch : stop * batch],
                    step_hw,
                    (kernel_h // 2, kernel_w // 2) if conv_pads else 0,
                    1,
                    channels,
                )
    return result.permute(1, 2, 0, 3, 4)  # (C, 1, kt, kh, kw)


def _used_taps(size: int, out_size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return the range [first, last) of the taps that meet the input at any output position."""
    padding = kernel // 2
    return max(0, padding - (out_size - 1) * stride), min(kernel, padding + size)


def _window(x: Tensor, rows: tuple[int, int], columns: tuple[int, int]) -> Tensor:
    """Cut (start, length) of rows and columns out of (..., H, W, C), with zeros outside of the map."""
    height, width = x.shape[-3:-1]
    pads = [0, 0]
    for (start, length), size in ((columns, width), (rows, height)):
        pads += [-start, start + length - size]
    return F.pad(x, pads) if any(pads) else x
