"""Class activation maps of a segment network: where in each frame the logit of a class comes from (Fig. 1)."""

from __future__ import annotations

import torch
from torch import Tensor

from lightning_modules.layers.segment_network import SegmentNetwork


@torch.no_grad()
def class_activation_maps(network: SegmentNetwork, clips: Tensor, classes: Tensor) -> Tensor:
    """Return each position's contribution to the logit of a class (CAM; Zhou et al., CVPR 2016).

    Exact for this head: the classifier is linear and the same for all positions and frames, so that a map's mean over
    frames and positions, plus the classifier's bias, is the logit. Nothing is rectified or normalised.

    Args:
        network: in evaluation mode.
        clips: ``(N, C, T, H, W)``, normalised.
        classes: ``(N,)`` whose logit is explained.

    Returns:
        ``(N, T, H', W')``, in logits.

    Raises:
        ValueError: the network is in training mode, where dropout takes part of the features.
    """
    if network.training:
        raise ValueError("network.training=True; class activation maps need the network in evaluation mode")
    maps = network.feature_maps(clips)  # (N, T, F, H', W')
    return torch.einsum("ntfhw,nf->nthw", maps, network.head.weight[classes])
