"""Test the fast depthwise 3D convolution against nn.Conv3d and against its definition."""

import copy
import itertools
from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from lightning_modules.layers.depthwise import DepthwiseConv3d, depthwise_conv3d

KERNELS = [(1, 3, 3), (3, 3, 3), (3, 5, 5), (5, 3, 3), (5, 5, 5), (3, 1, 7), (1, 1, 1)]
STRIDES = [(1, 1, 1), (1, 2, 2), (2, 1, 1), (2, 2, 2)]
SIZES = [(1, 1, 1), (2, 1, 2), (2, 3, 2), (3, 4, 5), (5, 7, 6), (4, 9, 11)]


@pytest.fixture(autouse=True)
def _one_thread_and_a_seed() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


def plain(x: Tensor, weight: Tensor, stride: tuple[int, int, int]) -> Tensor:
    padding = tuple(k // 2 for k in weight.shape[2:])
    return F.conv3d(x, weight, None, stride, padding, 1, x.shape[1])


def by_definition(x: Tensor, weight: Tensor, stride: tuple[int, int, int]) -> Tensor:
    """Sum shifted, zero-padded copies of x, one per tap."""
    kernel = weight.shape[2:]
    pads = [p for k in reversed(kernel) for p in (k // 2, k // 2)]
    padded = F.pad(x, pads)
    y = torch.zeros_like(x)
    for tap in itertools.product(*map(range, kernel)):
        t, h, w = (slice(start, start + size) for start, size in zip(tap, x.shape[2:], strict=True))
        y = y + padded[:, :, t, h, w] * weight[:, 0, *tap].view(1, -1, 1, 1, 1)
    return y[:, :, :: stride[0], :: stride[1], :: stride[2]]


def output_and_gradients(function, x: Tensor, weight: Tensor, stride: tuple[int, int, int]) -> list[Tensor]:
    x, weight = x.detach().requires_grad_(), weight.detach().clone().requires_grad_()
    y = function(x, weight, stride)
    grad = torch.linspace(-1, 2, y.numel(), dtype=y.dtype).view_as(y).sin()
    return [y.detach(), *torch.autograd.grad(y, (x, weight), grad)]


def assert_same(actual: list[Tensor], expected: list[Tensor], *, tolerance: float) -> None:
    for a, b in zip(actual, expected, strict=True):
        assert a.shape == b.shape
        assert (a - b).abs().max() <= tolerance * max(1.0, b.abs().max())


@pytest.mark.parametrize("stride", STRIDES, ids=str)
@pytest.mark.parametrize("kernel", KERNELS, ids=str)
def test_output_and_both_gradients_are_those_of_conv3d(kernel, stride) -> None:
    for size, batch, channels in itertools.product(SIZES, (1, 3), (1, 18)):
        x, weight = torch.randn(batch, channels, *size), torch.randn(channels, 1, *kernel)
        expected = output_and_gradients(plain, x, weight, stride)
        assert_same(output_and_gradients(depthwise_conv3d, x, weight, stride), expected, tolerance=1e-5)
        x = x.to(memory_format=torch.channels_last_3d)
        assert_same(output_and_gradients(depthwise_conv3d, x, weight, stride), expected, tolerance=1e-5)


@pytest.mark.parametrize("stride", [(1, 1, 1), (2, 1, 1), (1, 2, 2), (3, 2, 1)], ids=str)
def test_output_and_both_gradients_follow_the_definition_in_double_precision(stride) -> None:
    x = torch.randn(2, 3, 5, 6, 7, dtype=torch.float64)
    weight = torch.randn(3, 1, 3, 5, 3, dtype=torch.float64)
    expected = output_and_gradients(by_definition, x, weight, stride)
    assert_same(output_and_gradients(depthwise_conv3d, x, weight, stride), expected, tolerance=1e-12)


@pytest.mark.parametrize("kernel", [(3, 3, 3), (3, 5, 5), (5, 1, 3)], ids=str)
@pytest.mark.parametrize("stride", [(1, 1, 1), (2, 2, 2)], ids=str)
def test_gradients_are_numerically_right(kernel, stride) -> None:
    x = torch.randn(2, 2, 3, 4, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, 1, *kernel, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a, b: depthwise_conv3d(a, b, stride), (x, weight), fast_mode=True)


def test_large_maps_with_narrow_kernels_agree_with_conv3d() -> None:
    strides = [*STRIDES, (4, 17, 16), (1, 3, 9)]
    for kernel, stride in itertools.product([(3, 3, 3), (5, 3, 3), (3, 5, 3), (1, 1, 1)], strides):
        x, weight = torch.randn(2, 20, 4, 17, 16), torch.randn(20, 1, *kernel)
        expected = output_and_gradients(plain, x, weight, stride)
        assert_same(output_and_gradients(depthwise_conv3d, x, weight, stride), expected, tolerance=1e-5)


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x.transpose(3, 4),
        lambda x: x[:, :, ::2],
        lambda x: x[:, 1::2, :, 1:],
        lambda x: x[:1, :, :1].expand(3, -1, 4, -1, -1),
        lambda x: x.flip(2).permute(2, 1, 0, 4, 3),
    ],
    ids=["transposed", "every other frame", "sliced", "expanded", "permuted"],
)
def test_non_contiguous_input_gives_the_result_of_its_contiguous_copy(view) -> None:
    x = view(torch.randn(2, 6, 5, 6, 7))
    weight = torch.randn(x.shape[1], 1, 3, 5, 5)
    expected = output_and_gradients(plain, x.contiguous(), weight, (1, 2, 2))
    assert_same(output_and_gradients(depthwise_conv3d, x, weight, (1, 2, 2)), expected, tolerance=1e-5)


def test_non_contiguous_weight_and_output_gradient_are_right() -> None:
    x, weight = torch.randn(2, 4, 3, 5, 5, requires_grad=True), torch.randn(4, 1, 3, 3, 3).transpose(2, 4)
    weight = weight.requires_grad_()
    gradients = []
    for function in (plain, depthwise_conv3d):
        y = function(x, weight, (1, 1, 1))
        gradients.append(torch.autograd.grad(y.sum(), (x, weight)))  # a sum's gradient has strides of zero
    assert_same(list(gradients[1]), list(gradients[0]), tolerance=1e-5)


@pytest.mark.parametrize("needs", ["input", "weight"])
def test_only_the_gradient_asked_for_is_computed(needs) -> None:
    x = torch.randn(2, 4, 3, 5, 5, requires_grad=needs == "input")
    weight = torch.randn(4, 1, 3, 3, 3, requires_grad=needs == "weight")
    depthwise_conv3d(x, weight).square().sum().backward()
    assert (x.grad is None) == (needs == "weight")
    assert (weight.grad is None) == (needs == "input")


def test_clips_do_not_mix() -> None:
    x, weight = torch.randn(3, 4, 4, 5, 5, requires_grad=True), torch.randn(4, 1, 5, 3, 3, requires_grad=True)
    depthwise_conv3d(x, weight)[1].square().sum().backward()
    assert x.grad[1].abs().sum() > 0
    assert x.grad[[0, 2]].abs().max() == 0


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last_3d], ids=str)
@pytest.mark.parametrize("differentiate", [True, False])
def test_memory_format_of_the_input_is_kept(memory_format, differentiate) -> None:
    x = torch.randn(2, 4, 3, 6, 6).to(memory_format=memory_format).requires_grad_(differentiate)
    y = DepthwiseConv3d(4, kernel_size=(3, 3, 3), stride=(1, 2, 2))(x)
    assert y.requires_grad
    assert y.is_contiguous(memory_format=memory_format)


def test_state_dict_and_initialisation_are_those_of_conv3d() -> None:
    torch.manual_seed(3)
    conv = nn.Conv3d(6, 6, (3, 5, 5), (1, 2, 2), (1, 2, 2), groups=6, bias=False)
    torch.manual_seed(3)
    ours = DepthwiseConv3d(6, kernel_size=(3, 5, 5), stride=(1, 2, 2))
    assert ours.state_dict().keys() == conv.state_dict().keys() == {"weight"}
    assert torch.equal(ours.weight, conv.weight)
    conv.weight.data.normal_()
    ours.load_state_dict(conv.state_dict())
    x = torch.randn(2, 6, 4, 7, 7)
    torch.testing.assert_close(ours(x), conv(x))
    conv.load_state_dict(copy.deepcopy(ours).state_dict())


def test_autocast_gives_the_bfloat16_result_of_conv3d() -> None:
    x, weight = torch.randn(2, 8, 4, 6, 6), torch.randn(8, 1, 3, 3, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        actual = output_and_gradients(depthwise_conv3d, x, weight, (1, 1, 1))
        expected = output_and_gradients(plain, x, weight, (1, 1, 1))
    assert actual[0].dtype == torch.bfloat16
    assert actual[1].dtype == actual[2].dtype == torch.float32
    assert_same(actual, expected, tolerance=1e-5)
    exact = output_and_gradients(depthwise_conv3d, x, weight, (1, 1, 1))
    assert_same([a.float() for a in actual], exact, tolerance=0.03)


@pytest.mark.parametrize("stride", STRIDES, ids=str)
def test_flop_counter_on_the_meta_device_counts_the_true_convolution(stride) -> None:
    with torch.device("meta"):
        layer = DepthwiseConv3d(6, kernel_size=(3, 5, 5), stride=stride)
        x = torch.randn(2, 6, 4, 7, 8)
    with FlopCounterMode(display=False) as counter:
        y = layer(x)
    assert y.device.type == "meta"
    assert counter.get_total_flops() == 2 * y.numel() * 3 * 5 * 5


@pytest.mark.filterwarnings("ignore:`torch.jit.trace:FutureWarning", "error::torch.jit.TracerWarning")
def test_trace_and_export_show_one_convolution() -> None:
    layer, x = DepthwiseConv3d(4, kernel_size=(3, 3, 3), stride=(2, 1, 1)), torch.randn(1, 4, 4, 5, 5)
    traced = torch.jit.trace(layer, (x,))
    assert "PythonOp" not in str(traced.inlined_graph)
    torch.testing.assert_close(traced(x), layer(x))
    exported = torch.export.export(layer, (x,))
    calls = [node.target for node in exported.graph.nodes if node.op == "call_function"]
    assert calls == [torch.ops.aten.conv3d.default]
    torch.testing.assert_close(exported.module()(x), layer(x))


def test_wrong_kernels_and_weights_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(3, 4, 3\)"):
        DepthwiseConv3d(4, kernel_size=(3, 4, 3))
    with pytest.raises(ValueError, match="odd"):
        DepthwiseConv3d(4, kernel_size=(3, 0, 3))
    with pytest.raises(ValueError, match=r"\(4, 1, 2, 3, 3\)|\(2, 3, 3\)"):
        depthwise_conv3d(torch.randn(1, 4, 3, 3, 3), torch.randn(4, 1, 2, 3, 3))
    with pytest.raises(ValueError, match=r"\(1, 5, 3, 3, 3\)"):
        depthwise_conv3d(torch.randn(1, 5, 3, 3, 3), torch.randn(4, 1, 3, 3, 3))
    with pytest.raises(ValueError, match=r"\(5, 3, 3, 3\)"):
        depthwise_conv3d(torch.randn(5, 3, 3, 3), torch.randn(5, 1, 3, 3, 3))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_result_is_that_of_the_cpu() -> None:
    x, weight = torch.randn(2, 8, 4, 7, 7), torch.randn(8, 1, 3, 5, 5)
    x, weight = x.double(), weight.double()
    expected = output_and_gradients(depthwise_conv3d, x, weight, (1, 2, 2))

    def on_cuda(x: Tensor, weight: Tensor, stride: tuple[int, int, int]) -> Tensor:
        return depthwise_conv3d(x.cuda(), weight.cuda(), stride).cpu()

    assert_same(output_and_gradients(on_cuda, x, weight, (1, 2, 2)), expected, tolerance=1e-10)
