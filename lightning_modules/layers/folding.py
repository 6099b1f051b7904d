"""Count a network's parameters as they are once each batch normalisation is folded into its convolution."""

from __future__ import annotations

from torch import nn


def folded_parameters(module: nn.Module) -> int:
    """Return the number of parameters after folding every foldable batch normalisation.

    A folded convolution keeps its weight and has a bias; the normalisation is gone. A batch normalisation
    is foldable when the module with a weight that is registered just before it (convolution, depthwise
    convolution, linear layer) has as many outputs as it has features: so are all those of networks
    which register their layers in the order of use. The others keep their parameters.

    Args:
        module: any network; it is not changed.

    Returns:
        The count, which is what inference formats such as OpenVINO's store.
    """
    count = sum(parameter.numel() for parameter in module.parameters())
    previous: nn.Module | None = None
    for layer in module.modules():
        weight = getattr(layer, "weight", None)
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            outputs = len(getattr(previous, "weight", ()))
            if outputs == layer.num_features:
                count -= sum(parameter.numel() for parameter in layer.parameters())
                count += outputs if getattr(previous, "bias", None) is None else 0
            previous = None
        elif isinstance(weight, nn.Parameter):
            previous = layer
    return count
