"""Backbones that more than one paper uses, or that have a citation of their own; named as their public weights are."""
