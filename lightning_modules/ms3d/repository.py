"""The full repository (Sec. III.C): class centres and the threshold gamma, from all training videos' codes."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

import lightning as L
import torch
from torch import Tensor

from lightning_modules.heads.nearest_centre import NearestCentre, class_sums, weights_fingerprint

ACCEPTED = 0.95  # share of the training codes that the threshold lets pass; the paper gives no gamma


class FillRepository(L.Callback):
    """Fill a repository when training ends, from all training videos as in testing (Eq. (6)).

    A run that is cut short fills it from as many batches, and leaves out the classes that those lack.

    Args:
        coding: what of the module has the ``backbone`` that gives codes and the ``head`` that holds the centres.
    """

    def __init__(self, coding: Callable[[Any], Any] = attrgetter("network")) -> None:
        self.coding = coding

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Run the training videos through the network once; all processes end with the same repository."""
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        limit = trainer.limit_train_batches if isinstance(trainer.limit_train_batches, int) else None
        _same_statistics(pl_module)
        coding, training = self.coding(pl_module), pl_module.training
        pl_module.eval()
        with torch.no_grad(), trainer.precision_plugin.forward_context():
            codes, labels = training_codes(coding.backbone, data, limit)
        pl_module.train(training)
        fill(coding, codes, labels, partial=limit is not None or data.unknown_classes > 0)


def training_codes(backbone: torch.nn.Module, data: Any, limit: int | None = None) -> tuple[Tensor, Tensor]:
    """Return the codes ``(M, D)`` of the training videos' clips, float32 on the CPU, and their labels ``(M,)``.

    Args:
        backbone: clips to codes, in evaluation mode.
        data: its data module.
        limit: so many batches; None: all.
    """
    codes, labels, device = [], [], next(backbone.parameters()).device
    for number, batch in enumerate(data.repository_dataloader()):
        if limit is not None and number >= limit:
            break
        batch = data.on_after_batch_transfer(batch.to(device), 0)
        decoded = batch.num_frames > 0
        if not decoded.any():
            continue
        clips = batch.clips[decoded]  # (N, p, C, T, H, W)
        codes.append(backbone(clips.flatten(0, 1)).float().cpu())
        labels.append(batch.labels[decoded].repeat_interleave(clips.shape[1]).cpu())
    return torch.cat(codes), torch.cat(labels)


def fill(network: Any, codes: Tensor, labels: Tensor, *, partial: bool = False) -> None:
    """Set the centres of a network's head, and as gamma the distance within which 95 % of the codes lie.

    Args:
        network: ``backbone`` and ``head``, a :class:`NearestCentre`.
        codes: ``(M, D)``, of this process.
        labels: ``(M,)``.
        partial: accept classes without codes.

    Raises:
        ValueError: a class without codes; codes that are not finite.
    """
    head: NearestCentre = network.head
    device, num_classes = head.centres.device, len(head.centres)
    sums, counts = class_sums(codes, labels, num_classes)
    (sums, counts) = _over_processes(sums.to(device)), _over_processes(counts.to(device))
    head.fill(sums, counts, fingerprint=weights_fingerprint(network.backbone), partial=partial)
    distances = (codes - head.centres.cpu()[labels]).norm(dim=1)
    head.threshold.fill_(float(torch.quantile(_all_distances(distances)[:16_000_000], ACCEPTED)))


def _same_statistics(module: torch.nn.Module) -> None:
    """Give all processes the first one's buffers: each has normalised its own batches since the last exchange."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        for buffer in module.buffers():
            torch.distributed.broadcast(buffer, src=0)


def _over_processes(values: Tensor) -> Tensor:
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(values)
    return values


def _all_distances(own: Tensor) -> Tensor:
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return own
    gathered: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(gathered, own)
    return torch.cat(gathered)
