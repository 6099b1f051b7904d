"""Grad-CAM: where in a clip the evidence for a class lies (Selvaraju et al., IJCV 2020, arXiv 1610.02391); Figure 9."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from lightning_modules.kpsem.network import KpsemNetwork


def grad_cam(network: KpsemNetwork, clips: Tensor, classes: Tensor) -> Tensor:
    """Return the heat maps of a network's last convolution.

    The last stage's maps, each channel weighted by the mean of the class logit's gradient, summed, positive part. What
    KPSEM reads is an earlier stage: of MF-KPSEM the map shows the backbone's part of the evidence alone.

    Args:
        network: in evaluation mode; its parameters and their gradients are left alone.
        clips: ``(N, 3, T, H, W)``, normalised RGB.
        classes: ``(N,)``, the class of each clip that is to be explained.

    Returns:
        ``(N, T', H', W')`` at the resolution of the maps, the largest value of each clip 1; all 0 where nothing speaks
        for the class.

    Raises:
        ValueError: a network in training mode, whose batch statistics would mix the clips.
    """
    if network.training:
        raise ValueError("grad_cam needs the network in evaluation mode, got it in training mode")
    kept: list[Tensor] = []

    def keep(_module: torch.nn.Module, _inputs: object, maps: Tensor) -> None:
        kept.append(maps)

    stage = network.backbone.get_submodule(list(network.backbone.stage_channels)[-1])
    with torch.enable_grad():
        hook = stage.register_forward_hook(keep)
        try:
            logits = network(clips.detach().requires_grad_())
        finally:
            hook.remove()
        chosen = logits.gather(1, classes.view(-1, 1)).sum()
        (gradient,) = torch.autograd.grad(chosen, kept)
    weights = gradient.mean((2, 3, 4), keepdim=True)
    heat = (weights * kept[0].detach()).sum(1).relu()  # (N, T', H', W')
    return heat / heat.flatten(1).amax(1).clamp(min=1e-12).view(-1, 1, 1, 1)


def heat_on_frames(heat: Tensor, size: tuple[int, int, int]) -> Tensor:
    """Interpolate heat maps ``(N, T', H', W')`` to ``size`` = (frames, height, width), linearly in all three."""
    return F.interpolate(heat.unsqueeze(1), size=size, mode="trilinear", align_corners=False).squeeze(1)
