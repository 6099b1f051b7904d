"""Use a trained network outside of the tables: rebuild it from its checkpoint, export it, run it on a stream.

Every checkpoint of the tables holds what this needs (weights, resolved arguments, input specification); an exported
folder holds as much. Nothing here knows a paper.
"""

from experiments.deploy.checkpoint import load_checkpoint_module
from experiments.deploy.export import ExportError, export_network
from experiments.deploy.exported import ExportedNetwork, score_with
from experiments.deploy.network import CheckpointNetwork, open_network
from experiments.deploy.stream import Recogniser

__all__ = [
    "CheckpointNetwork",
    "ExportError",
    "ExportedNetwork",
    "Recogniser",
    "export_network",
    "load_checkpoint_module",
    "open_network",
    "score_with",
]
