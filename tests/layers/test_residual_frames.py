"""Residual frames: the change from frame to frame."""

from __future__ import annotations

import pytest
import torch

from lightning_modules.layers.residual_frames import ResidualFrames


def test_a_still_clip_is_zero():
    assert not ResidualFrames(gain=4.0)(torch.rand(2, 3, 1, 4, 4).expand(-1, -1, 6, -1, -1)).any()


def test_each_frame_is_the_gained_change_to_the_next():
    clips = torch.randn(2, 3, 5, 2, 2)
    out = ResidualFrames(gain=3.0)(clips)
    assert out.shape == (2, 3, 4, 2, 2)
    for t in range(4):
        torch.testing.assert_close(out[:, :, t], 3.0 * (clips[:, :, t + 1] - clips[:, :, t]))


def test_played_backward_it_is_the_negative_backward():
    clips, residual = torch.randn(1, 3, 6, 2, 2), ResidualFrames()
    torch.testing.assert_close(residual(clips.flip(2)), -residual(clips).flip(2))


def test_a_single_frame_has_no_residual():
    with pytest.raises(ValueError, match="clips of 2 frames or more, got 1"):
        ResidualFrames()(torch.zeros(1, 3, 1, 2, 2))
