"""The same generator version gives the same videos: who changes the generator must raise its version."""

import dataclasses

import numpy as np
import pytest

from datamodules.synthetic.members import GENERATOR_VERSION
from datamodules.synthetic.script import render
from datamodules.synthetic.stand_ins import stand_in

# Mean brightness of a grid of 4 x 4 patches over the frames of video 3, each rounded: tells another video, and forgives
# the last bits in which processors differ.
SEEN = {
    "UCF-101": [132, 133, 93, 102, 119, 90, 76, 124, 110, 125, 148, 151, 134, 171, 176, 154],
    "Jester": [141, 131, 110, 135, 147, 141, 119, 173, 113, 107, 119, 113, 124, 104, 135, 99],
    "ActivityNet-200": [93, 69, 64, 57, 87, 83, 74, 58, 87, 110, 122, 91, 78, 104, 97, 61],
    "Kinetics-700": [119, 101, 80, 79, 97, 133, 104, 81, 88, 118, 79, 66, 92, 102, 84, 41],
}


def brightness(name: str) -> list[int]:
    frames = render(dataclasses.replace(stand_in(name), difficulty=1.0), 3).astype(np.float64)
    patches = frames.reshape(len(frames), 4, 10, 4, 10, 3).mean(axis=(0, 2, 4, 5))
    return patches.round().astype(int).ravel().tolist()


@pytest.mark.parametrize("name", SEEN)
def test_a_change_of_the_generator_comes_with_a_new_version(name: str):
    assert GENERATOR_VERSION == 1, "record the new version's values in SEEN"
    assert np.abs(np.array(brightness(name)) - SEEN[name]).max() <= 1
