"""Two-phase training (Sec. III.B): a plain network until it is half right, then the modified one from its weights."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from lightning_modules.checkpoints import LoadReport, load_network, tensors_of
from lightning_modules.layers.parallel_convolution import ParallelConvolution, branch_name

SPACE = branch_name((1, 3, 3))
METRIC = "val/top1"
BLOCK = re.compile(r".*?(res_blocks|layer\d)\.\d+(?=\.)")  # of a residual network, in 3D and in 2D

# Where a plain bottleneck's tensors go: into the spatial part of the parallel or the (2+1)D convolution; what
# normalised the one convolution normalises the spatial part of the latter.
MOVED = {
    ".conv_b.": (f".conv_b.branches.{SPACE}.0.", ".conv_b.conv_xy."),
    ".norm_b.": (".conv_b.norm.",),
}


class StopAtAccuracy(L.Callback):
    """End a training after the first epoch whose validation accuracy reaches a threshold.

    The epochs of the recipe are the limit. A training that is resumed behind that epoch ends at once.

    Args:
        percent: threshold, in percent.
    """

    def __init__(self, percent: float) -> None:
        if not 0 < percent <= 100:
            raise ValueError(f"percent must be in ]0, 100], got {percent}")
        self.percent, self.reached = percent, False

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """End at once where an earlier attempt had reached the threshold."""
        trainer.should_stop = trainer.should_stop or self.reached

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Compare this epoch's accuracy."""
        if not trainer.sanity_checking and float(trainer.callback_metrics[METRIC]) >= self.percent:
            self.reached = trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        """Return whether the threshold was reached."""
        return {"reached": self.reached}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore it."""
        self.reached = state_dict["reached"]


def load_plain(network: nn.Module, state_dict: Mapping[str, Any]) -> LoadReport:
    """Fill a network from a plain one of the same width and depth, its head included where the classes are as many.

    The new parts start such that nothing changes, as far as they can: of a parallel convolution the 1 x 3 x 3 branch
    takes the old kernel and the others are silent (what remains is the sum's own normalisation); of a (2+1)D one the
    spatial kernel and its normalisation are the old ones and the temporal kernel passes its frame on; a non-local block
    starts silent. Activations and pooling have no parameters and do change the function; so do gates, which start half
    open (attention's two in a row: a quarter), and TAM. That holds in evaluation mode: in training the normalisation
    behind a (2+1)D convolution sees maps that are rectified already.

    Args:
        network: a network of this paper.
        state_dict: what ``tensors_of`` accepts: of a plain network, or of one of the same kind.

    Raises:
        ValueError: nothing fits; or the checkpoint is of another width or depth.
    """
    given, own = tensors_of(state_dict), network.state_dict()
    if own.keys() <= given.keys() and all(given[name].shape == own[name].shape for name in own):
        return load_network(network, given)
    targets = {name: _target(name, own) if _is_plain(given) else name for name in given}
    fitting = {name for name, to in targets.items() if to in own and own[to].shape == given[name].shape}
    if all(name.startswith("head.") for name in fitting):
        raise ValueError(f"nothing could be loaded: the network expects names like {list(own)[:3]}, "
                         f"the checkpoint holds {list(given)[:3]}")  # fmt: skip
    _refuse_another_size(given, own, targets, fitting)
    with torch.no_grad():
        for name in fitting:
            own[targets[name]].copy_(given[name])
    loaded = tuple(to for name, to in targets.items() if name in fitting)
    missing = tuple(name for name in own if name not in loaded)
    _silence(network, new=frozenset(missing))
    return LoadReport(
        loaded=loaded,
        missing=missing,
        unused=tuple(name for name, to in targets.items() if to not in own),
        mismatched=tuple(name for name, to in targets.items() if to in own and name not in fitting),
    )


def _refuse_another_size(
    given: Mapping[str, Tensor], own: Mapping[str, Tensor], targets: Mapping[str, str], fitting: set[str]
) -> None:
    """Refuse tensors of another shape, but for the head and replaced kernels, and blocks that are not here.

    Raises:
        ValueError: it names one of them.
    """
    shaped = [
        name for name, to in targets.items() if to in own and name not in fitting and not name.startswith("head.")
    ]
    wrong = [name for name in shaped if given[name].shape[:2] != own[targets[name]].shape[:2]]
    if wrong:
        raise ValueError(
            f"{len(wrong)} tensors of the checkpoint have another width, such as {wrong[0]}: "
            f"{tuple(given[wrong[0]].shape)}, here {tuple(own[targets[wrong[0]]].shape)}"
        )
    here, theirs = ({found[0] for name in names if (found := BLOCK.match(name))} for names in (own, given))
    if here and (more := sorted(theirs - here)):
        raise ValueError(f"the checkpoint is of another depth: this network has no {more[0]}")


def _is_plain(given: Mapping[str, Tensor]) -> bool:
    """Say whether a checkpoint's bottlenecks have a single convolution in the middle."""
    return not any(".conv_b." in name and not name.endswith(".conv_b.weight") for name in given)


def _target(name: str, own: Mapping[str, Tensor]) -> str:
    """Return where a plain network's tensor belongs in a modified one."""
    for middle, places in MOVED.items():
        block, found, rest = name.partition(middle)
        if found:
            return next((to for place in places if (to := f"{block}{place}{rest}") in own), name)
    return name


def _silence(network: nn.Module, *, new: frozenset[str]) -> None:
    """Make new branches pass nothing on, and new temporal convolutions everything unchanged.

    Args:
        network: of this paper.
        new: names of the tensors that no checkpoint filled.
    """
    for name, module in network.named_modules():
        if isinstance(module, ParallelConvolution) and SPACE in module.branches:
            for branch, (_, norm) in ((own, [*layers]) for own, layers in module.branches.items()):
                if branch != SPACE and f"{name}.branches.{branch}.1.weight" in new:
                    nn.init.zeros_(norm.weight)
        if f"{name}.conv_t.weight" in new:  # pytorchvideo's (2+1)D convolution
            nn.init.dirac_(module.conv_t.weight)  # type: ignore[union-attr, arg-type]
