"""Weights of torchvision, of timm and of the authors arrive where they compute what they computed there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from datamodules.base import IMAGENET_MEAN, IMAGENET_STD
from datamodules.datasets.folder import Folder
from datamodules.video import write_video
from experiments import ligar_table4
from experiments.harness.cell import Options
from experiments.harness.evidence import gather
from experiments.harness.render import to_markdown
from experiments.harness.runner import build_data, run
from experiments.harness.table_cells import TableCells
from lightning_modules.checkpoints import load_backbone, load_network
from lightning_modules.layers.inverted_residual import BlockSpec
from lightning_modules.ligar.network import CANONICAL, LARGE, LigarNetwork
from lightning_modules.ligar.weights import convert
from tests.shape_seed import fill
from tests.tiny_cells import runtime

EXPANDED_13 = 960  # channels in images' block 13, where the authors have 672

SHORT = (
    BlockSpec(out_channels=16, expanded_channels=None, kernel=(1, 3), activation="relu"),
    BlockSpec(out_channels=24, expanded_channels=48, stride=(2, 2), activation="relu"),
    BlockSpec(out_channels=24, expanded_channels=56, kernel=(3, 5), squeeze_excitation=True),
    BlockSpec(out_channels=32, expanded_channels=64, kernel=(5, 3), stride=(1, 2)),
    BlockSpec(out_channels=32, expanded_channels=72, kernel=(3, 3), squeeze_excitation=True),
)


# -- image weights ------------------------------------------------------------------------------------------------


def disturbed(network: nn.Module) -> nn.Module:
    """Give the network's normalisations random scales and the statistics of random images; evaluation, float64."""
    torch.manual_seed(1)
    for layer in network.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            nn.init.uniform_(layer.weight, 0.3, 1.5)
            nn.init.normal_(layer.bias, std=0.3)
            layer.momentum = 1.0
    with torch.no_grad():
        network.double().train()(torch.randn(4, 3, 64, 64, dtype=torch.float64))
    return network.eval()


def from_torchvision() -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    network = disturbed(torchvision.models.mobilenet_v3_large(weights=None))
    return network, network.features


def from_timm() -> tuple[nn.Module, nn.Module]:
    timm = pytest.importorskip("timm", reason="timm is a development dependency")
    torch.manual_seed(0)
    network = disturbed(timm.create_model("mobilenetv3_large_100", pretrained=False))
    return network, nn.Sequential(network.conv_stem, network.bn1, network.blocks)


def with_skip_4(blocks: tuple[BlockSpec, ...]) -> tuple[BlockSpec, ...]:
    """Keep all frames in block 4: its temporal stride costs it the skip connection that the image network has."""
    return tuple(replace(block, stride=(1, 1)) if index == 4 else block for index, block in enumerate(blocks))


@pytest.mark.parametrize("source", [from_torchvision, from_timm])
def test_a_still_clip_has_the_images_features_where_no_kernel_reaches_beyond_the_clip(source):
    """By their radii the kernels reach 21 frames far: 13 up to the stride of block 10, then 4 at half the rate."""
    images, features = source()
    network = LigarNetwork(num_classes=5, blocks=with_skip_4(CANONICAL)).double().eval()
    report = load_backbone(network, convert(images.state_dict(), network))
    assert report.mismatched == ()
    assert len(report.inflated) == 14 + 15 + 15 + 2  # expanding, depthwise, projecting; stem and output
    assert all(name.startswith("backbone.global_path.") for name in report.missing)
    assert report.unused and all(name.startswith(("classifier.", "conv_head.")) for name in report.unused)
    image = torch.randn(1, 3, 48, 48, dtype=torch.float64)
    with torch.no_grad():
        maps = network.backbone(image[:, :, None].expand(-1, -1, 44, -1, -1))
        expected = features(image)
    assert maps.shape[2] == 22  # frame 11 stands over frame 22 of the clip, 22 and 21 from its ends
    assert 0.1 < expected.abs().max() < 100
    torch.testing.assert_close(maps[:, :, 11], expected, rtol=1e-6, atol=1e-6)
    assert not torch.allclose(maps[:, :, 0], expected, rtol=1e-2), "the zeros beside the clip do reach its ends"


def test_up_to_the_stride_of_block_4_the_canonical_blocks_are_the_images():
    images, features = from_torchvision()
    network = LigarNetwork(num_classes=5, blocks=CANONICAL).double().eval()
    load_backbone(network, convert(images.state_dict(), network))
    image = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    stages = (network.backbone.stem, *network.backbone.blocks)
    with torch.no_grad():
        before = nn.Sequential(*stages[:5])(image[:, :, None].expand(-1, -1, 11, -1, -1))[:, :, 5]
        torch.testing.assert_close(before, features[:5](image), rtol=1e-6, atol=1e-6)
        lost = features[5](before) - stages[5](before[:, :, None].expand(-1, -1, 11, -1, -1))[:, :, 2]
    torch.testing.assert_close(lost, before, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("source", [from_torchvision, from_timm])
def test_all_frames_have_the_images_features_without_temporal_kernels(source):
    images, features = source()
    flat = tuple(replace(block, kernel=(1, block.kernel[1]), stride=(1, block.stride[1])) for block in CANONICAL)
    network = LigarNetwork(num_classes=5, blocks=flat, global_path=None).double().eval()
    report = load_backbone(network, convert(images.state_dict(), network))
    assert report.missing == report.mismatched == ()
    frames = torch.randn(3, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        maps = network.backbone(frames.transpose(0, 1)[None])
        torch.testing.assert_close(maps[0].transpose(0, 1), features(frames), rtol=1e-6, atol=1e-6)


def test_running_variances_of_torchvision_carry_the_difference_of_eps():
    images, features = from_torchvision()
    flat = tuple(replace(block, kernel=(1, block.kernel[1]), stride=(1, block.stride[1])) for block in CANONICAL)
    network = LigarNetwork(num_classes=5, blocks=flat, global_path=None).double().eval()
    converted = convert(images.state_dict(), network)
    torch.testing.assert_close(
        converted["backbone.stem.1.running_var"] + network.backbone.stem[1].eps,
        images.features[0][1].running_var + images.features[0][1].eps,
    )
    assert {layer.eps for layer in images.modules() if isinstance(layer, nn.BatchNorm2d)} == {1e-3}
    load_backbone(network, {k: v - 0.99e-3 if k.endswith("running_var") else v for k, v in converted.items()})
    image = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        uncorrected, expected = network.backbone(image[:, :, None])[:, :, 0], features(image)
    assert (uncorrected - expected).abs().max() > 1e-3, "without the correction the features would differ"


@pytest.mark.parametrize("source", [from_torchvision, from_timm])
def test_the_authors_blocks_take_what_fits_and_name_the_rest(source):
    images, _ = source()
    network = LigarNetwork(num_classes=5, blocks=LARGE)
    report = load_backbone(network, convert(images.state_dict(), network))
    gates = {
        f"backbone.blocks.{block}.gate.{name}"
        for block in (3, 4, 5)
        for name in ("squeeze.weight", "squeeze.bias", "excite.weight")
    }
    statistics = ("weight", "bias", "running_mean", "running_var")
    block13 = {
        f"backbone.blocks.13.{name}"
        for name in (
            "expand.0.weight", "depthwise.0.weight", "project.0.weight", "gate.squeeze.weight", "gate.squeeze.bias",
            "gate.excite.weight", "gate.excite.bias",
            *(f"{part}.1.{kind}" for part in ("expand", "depthwise") for kind in statistics),
        )
    }  # fmt: skip
    assert set(report.mismatched) == gates | block13
    assert all(name.startswith("backbone.global_path.") for name in report.missing)


def test_kernels_of_images_keep_their_four_axes_and_gates_become_matrices():
    images, _ = from_torchvision()
    network = LigarNetwork(num_classes=5, blocks=CANONICAL)
    converted = convert(images.state_dict(), network)
    assert converted["backbone.blocks.13.depthwise.0.weight"].shape == (EXPANDED_13, 1, 5, 5)
    assert converted["backbone.out.0.weight"].shape == (960, 160, 1, 1)
    assert converted["backbone.blocks.13.gate.squeeze.weight"].shape == (240, EXPANDED_13)
    assert torch.equal(
        converted["backbone.blocks.13.gate.excite.weight"], images.features[14].block[2].fc2.weight[:, :, 0, 0]
    )
    assert len(converted) == len(images.state_dict())


# -- the authors' checkpoints -------------------------------------------------------------------------------------


def authors_layers(blocks: tuple[BlockSpec, ...], *, features: int, heads: tuple[int, ...]) -> Iterator[tuple]:
    """Yield name and shape of each convolution, normalisation and matrix, in the authors' order of registration.

    Facts about the released code: lists of layers with activations and absent gates among them.
    """

    def pair(name: str, first: int, *shape: int) -> Iterator[tuple]:
        yield f"{name}.{first}", shape
        yield f"{name}.{first + 1}", shape[:1]

    yield from pair("backbone.features.0", 0, 16, 3, 1, 3, 3)
    channels = [16]
    for i, block in enumerate(blocks, start=1):
        name, before, (kt, ks) = f"backbone.features.{i}.conv", channels[-1], block.kernel
        hidden, layer = block.expanded_channels or before, 0
        if block.expanded_channels is not None:
            yield from pair(name, 0, hidden, before, 1, 1, 1)
            layer = 3
        yield from pair(name, layer, hidden, 1, kt, ks, ks)
        if block.squeeze_excitation:
            yield f"{name}.5.fc.0", (hidden // 4, hidden, 1, 1, 1), "bias"
            yield f"{name}.5.fc.2", (hidden, hidden // 4, 1, 1, 1), "bias"
        yield from pair(name, layer + 4, block.out_channels, hidden, 1, 1, 1)
        channels.append(block.out_channels)
    yield from pair("backbone.conv.0", 0, features, channels[-1], 1, 1, 1)
    last = len(blocks)

    def transform(name: str, first: int, inputs: int, outputs: int) -> Iterator[tuple]:
        yield from pair(name, first, 3 * inputs, inputs, 1, 1, 1)
        yield from pair(name, first + 3, outputs, 3 * inputs, 1, 1, 1)

    for i in range(1, last):
        yield from transform(f"backbone.lgd_upsample.upsample_{i}.conv", 0, channels[i - 1], channels[i])
    for i in range(last - 1):
        yield from pair(f"backbone.lgd_pool.pooling_{i}.conv.0.encoder", 0, 1, channels[i], 1, 1, 1)
        yield from transform(f"backbone.lgd_pool.pooling_{i}.conv", 1, channels[i], channels[i])
    for i in range(1, last - 1):
        yield from transform(f"backbone.lgd_glob.glob_{i}.conv", 0, channels[i - 1], channels[i])
    for head, classes in enumerate(heads):
        name = "cls_head" if len(heads) == 1 else f"cls_head.{head}"
        yield from pair(f"{name}.fc_pre_angular", 0, 256, features, 1, 1, 1)
        yield f"{name}.fc_angular", (256, classes)


def lookalike(blocks=SHORT, *, features: int = 40, heads: tuple[int, ...] = (5,)) -> dict[str, Tensor]:
    """Return a state_dict with the authors' names and shapes; all values differ."""
    torch.manual_seed(3)
    tensors = {}
    for name, shape, *bias in authors_layers(blocks, features=features, heads=heads):
        if len(shape) > 1:
            tensors[f"{name}.weight"] = torch.randn(shape) / torch.Size(shape[1:]).numel() ** 0.5
        else:
            tensors[f"{name}.weight"] = 1 + 0.2 * torch.randn(shape)
            tensors[f"{name}.running_mean"] = 0.2 * torch.randn(shape)
            tensors[f"{name}.running_var"] = 0.5 + torch.rand(shape)
            tensors[f"{name}.num_batches_tracked"] = torch.tensor(7)
        if len(shape) == 1 or bias:
            tensors[f"{name}.bias"] = 0.2 * torch.randn(shape[0])
    return {name: tensor.double() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}


def authors_scores(tensors: dict[str, Tensor], blocks: tuple[BlockSpec, ...], clips: Tensor) -> Tensor:
    """Run the published recurrences on the authors' tensors by their names alone."""

    def convolve(maps: Tensor, name: str, *, act=None, stride=(1, 1, 1), groups=1) -> Tensor:
        before, _, layer = name.rpartition(".")
        kernel, norm = tensors[f"{name}.weight"], f"{before}.{int(layer) + 1}"
        maps = F.conv3d(maps, kernel, None, stride, [side // 2 for side in kernel.shape[2:]], groups=groups)
        statistics = (tensors[f"{norm}.{kind}"] for kind in ("running_mean", "running_var", "weight", "bias"))
        maps = F.batch_norm(maps, *statistics, eps=1e-5)
        return maps if act is None else act(maps)

    def transform(vectors: Tensor, name: str, first: int = 0) -> Tensor:
        return convolve(convolve(vectors, f"{name}.{first}", act=F.hardswish), f"{name}.{first + 3}")

    def pool(maps: Tensor, i: int) -> Tensor:
        name = f"backbone.lgd_pool.pooling_{i}.conv"
        weights = convolve(maps, f"{name}.0.encoder.0").flatten(2).softmax(2)  # (N, 1, THW)
        return transform((maps.flatten(2) * weights).sum(2)[..., None, None, None], name, 1)

    def block(maps: Tensor, i: int, spec: BlockSpec) -> Tensor:
        name, act = f"backbone.features.{i}.conv", F.relu if spec.activation == "relu" else F.hardswish
        hidden, layer = maps, 0
        if spec.expanded_channels is not None:
            hidden, layer = convolve(maps, f"{name}.0", act=act), 3
        stride = (spec.stride[0], spec.stride[1], spec.stride[1])
        hidden = convolve(hidden, f"{name}.{layer}", stride=stride, groups=hidden.shape[1])
        if spec.squeeze_excitation:
            gates = hidden.mean((3, 4), keepdim=True)
            for fc, after in ((0, F.relu), (2, F.hardsigmoid)):
                gates = after(F.conv3d(gates, *(tensors[f"{name}.5.fc.{fc}.{kind}"] for kind in ("weight", "bias"))))
            hidden = hidden * gates
        hidden = convolve(act(hidden), f"{name}.{layer + 4}")
        return hidden + maps if hidden.shape == maps.shape and spec.stride == (1, 1) else hidden

    maps = convolve(clips, "backbone.features.0.0", act=F.hardswish, stride=(1, 2, 2))
    vectors, last = pool(maps, 0), len(blocks)
    for i, spec in enumerate(blocks, start=1):
        maps = block(maps, i, spec)
        if i < last:
            maps = maps + transform(vectors, f"backbone.lgd_upsample.upsample_{i}.conv")
        if i < last - 1:
            stepped = transform(vectors, f"backbone.lgd_glob.glob_{i}.conv")
            vectors = stepped + pool(maps, i) + (vectors if vectors.shape == stepped.shape else 0)
    maps = convolve(maps, "backbone.conv.0.0", act=F.hardswish).mean((2, 3, 4), keepdim=True)
    heads = sorted({name.removesuffix(".fc_angular.weight") for name in tensors if name.endswith("fc_angular.weight")})
    return torch.cat(
        [
            F.normalize(convolve(maps, f"{head}.fc_pre_angular.0").flatten(1))
            @ F.normalize(tensors[f"{head}.fc_angular.weight"], dim=0)
            for head in heads
        ],
        dim=1,
    )


@pytest.mark.parametrize("heads", [(5,), (2, 3)], ids=["one head", "two heads"])
def test_an_authors_checkpoint_computes_what_the_published_recurrences_compute_on_it(heads):
    tensors = lookalike(heads=heads)
    network = LigarNetwork(
        num_classes=5, blocks=SHORT, feature_channels=40, head_sizes=heads if len(heads) > 1 else None
    )
    network = network.double().eval()
    wrapped = {"meta": {"epoch": 65}, "state_dict": {f"module.{k}": v for k, v in tensors.items()}, "optimizer": {}}
    report = load_network(network, convert(wrapped, network))
    assert report.missing == report.unused == () and len(report.loaded) == len(tensors)
    clips = torch.randn(2, 3, 6, 24, 24, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(network(clips), authors_scores(tensors, SHORT, clips))


def test_the_full_layout_fills_every_tensor_of_the_network_in_the_order_of_registration():
    """Module for module: the authors register features, output, U, P, G, head; each of ours has its module's shapes."""
    with torch.device("meta"):
        network = LigarNetwork(num_classes=101)
    layers = list(authors_layers(LARGE, features=960, heads=(101,)))
    tensors = {f"{name}.weight": torch.empty(shape, device="meta") for name, shape, *_ in layers}
    converted = convert(tensors, network)
    own, backbone = network.state_dict(), network.backbone
    path = backbone.global_path
    registered = [backbone.stem, *backbone.blocks, backbone.out, *path.to_local, *path.pool, *path.step, network.head]
    ours = {layer: name for name, layer in network.named_modules()}
    expected = [f"{ours[layer]}.weight" for part in registered for layer in part.modules() if hasattr(layer, "weight")]
    assert list(converted) == expected
    assert len(expected) == len(layers)
    for name, tensor in converted.items():
        assert tensor.shape == own[name].shape


def test_a_released_lookalike_gives_the_outputs_of_the_directly_filled_network():
    """Both filled by shape, as the stored outputs of the authors' networks were (see test_network)."""
    direct = fill(LigarNetwork(num_classes=101))
    released = nn.Module()  # a tree of modules whose state_dict has the authors' names
    for name, tensor in lookalike(LARGE, features=960, heads=(101,)).items():
        *path, kind = name.split(".")
        layer = released
        for step in path:
            if step not in layer._modules:
                layer.add_module(step, nn.Module())
            layer = layer.get_submodule(step)
        layer.register_buffer(kind, tensor.float() if tensor.is_floating_point() else tensor)
    tensors = fill(released).state_dict()
    network = LigarNetwork(num_classes=101).eval()
    load_network(network, convert({"state_dict": tensors}, network))
    clips = torch.randn(1, 3, 8, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(network(clips), direct(clips), atol=0, rtol=0)


def test_a_released_head_of_other_classes_is_named_with_both_sizes_and_the_backbone_alone_still_loads():
    tensors, network = lookalike(heads=(7,)), LigarNetwork(num_classes=5, blocks=SHORT, feature_channels=40)
    with pytest.raises(ValueError, match=r"head\.centres\.weight is 256 x 7 in the checkpoint and 256 x 5"):
        load_network(network, convert(tensors, network))
    report = load_backbone(network, convert(tensors, network))
    assert report.missing == report.mismatched == report.unused == ()


def test_image_weights_under_the_authors_names_are_inflated():
    """The 2D network that the authors start from: no ``backbone.``, kernels of 4 axes, gates as matrices."""
    tensors = {
        name.removeprefix("backbone."): tensor[:, :, 0] if tensor.dim() == 5 else tensor
        for name, tensor in lookalike().items()
        if name.startswith(("backbone.features", "backbone.conv"))
    }
    tensors = {n: t.flatten(1) if ".fc." in n and t.dim() > 1 else t for n, t in tensors.items()}
    tensors["classifier.0.weight"] = torch.zeros(1280, 960)
    network = LigarNetwork(num_classes=5, blocks=SHORT, feature_channels=40)
    report = load_backbone(network, convert(tensors, network))
    assert report.unused == ("classifier.0.weight",) and report.mismatched == ()
    assert all(".global_path." in name for name in report.missing)
    kernel = network.backbone.blocks[3].depthwise[0].weight
    torch.testing.assert_close(kernel[:, :, 4], tensors["features.4.conv.3.weight"].float() / 5)


# -- recognition --------------------------------------------------------------------------------------------------


def test_our_own_names_pass_through():
    network = LigarNetwork(num_classes=5, blocks=SHORT)
    given = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    converted = convert({"state_dict": given}, network)
    assert list(converted) == list(network.state_dict())


def test_an_unknown_layout_and_another_depth_are_refused_by_name():
    network = LigarNetwork(num_classes=5)
    with pytest.raises(ValueError, match=r"unknown layout.*'conv1\.weight'.*torchvision's mobilenet_v3_large"):
        convert({"conv1.weight": torch.zeros(1), "layer1.0.conv1.weight": torch.zeros(1)}, network)
    with torch.device("meta"):
        images = torchvision.models.mobilenet_v3_small(weights=None)
    with pytest.raises(ValueError, match="11 blocks, the network 15"):
        convert(images.state_dict(), network)
    with pytest.raises(ValueError, match="5 blocks, the network 15"):
        convert(lookalike(), network)


def test_a_released_file_is_tested_by_the_papers_protocol_without_training(tmp_path):
    """What many readers come for: the authors' file, the full-size network, a score; compared with the recurrences."""
    for split, name in ((split, name) for split in ("train", "val") for name in ("run", "wave")):
        folder = tmp_path / "data" / split / name
        folder.mkdir(parents=True)
        frames = np.full((20, 64, 80, 3), 60 if name == "run" else 180, dtype=np.uint8)
        write_video(folder / "1.mp4", frames, fps=25)
    doubles = lookalike(LARGE, features=960, heads=(2,))
    tensors = {name: value.float() if value.is_floating_point() else value for name, value in doubles.items()}
    file = tmp_path / "ligar.pth"
    torch.save({"meta": {"epoch": 65, "CLASSES": ["run", "wave"]}, "state_dict": tensors, "optimizer": {}}, file)

    options = Options(
        profile="paper", seeds=(0,), data=Folder(), data_root=tmp_path / "data", checkpoint=file, views=1, crops=1
    )
    where = runtime(tmp_path / "runs")
    rows, groups = ("LIGAR, 1 view",), ("UCF-101",)
    cells = TableCells(ligar_table4.TABLE, options, where.store, rows=rows, controls=False, groups=groups)
    [cell] = cells.wanted()
    record = run(cell.training, where)
    assert record["curves"] == {} and record["num_train_videos"] == 0
    assert run(cell, where)["num_test_videos"] == 2
    page = to_markdown(gather(cells))
    report = f"{len(tensors)} tensors loaded, 0 missing, 0 of another shape, 0 unused"
    assert f"- trained weights of ligar.pth: {report}\n" in page, "and the file's label order is ours"

    data = build_data(cell.training, cell.data, num_workers=0)
    data.setup("test")
    mean, std = (torch.tensor(values).view(3, 1, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    pixels = torch.cat([batch.clips[:, 0] for batch in data.test_dataloader()]).float()
    with torch.no_grad():
        expected = authors_scores(tensors, LARGE, (pixels - mean) / std)
    scores = torch.from_numpy(where.store.folder(cell).load_scores()["scores"]).float()
    torch.testing.assert_close(scores, expected, atol=1e-4, rtol=1e-4)
    assert (scores[0] - scores[1]).abs().max() > 1e-2, "the network tells the videos apart"
