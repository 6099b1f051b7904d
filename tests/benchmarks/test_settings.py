"""The benchmark of the 22 settings compares equal clips and logits, and its page says what its record holds."""

from __future__ import annotations

import json
import sys

import pytest

from experiments.benchmarks import settings


def test_the_record_has_the_medians_and_the_ratios_within_turns(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(settings, "time_settings", lambda videos, seconds: ([600.0, 900.0], [100.0, 100.0]))
    monkeypatch.setattr(settings, "time_networks", lambda seconds: ([30.0], [20.0], [0.2]))
    monkeypatch.setattr(sys, "argv", ["settings.py", "--out", str(tmp_path)])
    settings.main()
    found = json.loads((tmp_path / "settings.json").read_text())
    assert found["times_faster_decoded_once"] == 7.5 and found["times_faster_folded"] == 1.5
    assert found["ms_per_video"] == {"decoded per setting": 750.0, "decoded once": 100.0}
    text = (tmp_path / "settings.md").read_text()
    assert text in capsys.readouterr().out
    for said in ("22 settings x 10 clips", "7.5 times faster", "1.50 times faster", "1.00 % of a forward pass"):
        assert said in text


def test_every_settings_clips_are_the_same_decoded_once_or_for_each(monkeypatch):
    monkeypatch.setattr(settings, "FRAMES", 70)
    monkeypatch.setattr(settings, "HEIGHT", 48)
    monkeypatch.setattr(settings, "WIDTH", 64)
    alone, once = settings.time_settings(1, 0.0)
    assert len(alone) == len(once) == 2 and min(alone + once) > 0
    monkeypatch.setattr(settings, "shared", lambda frames, tests, position: settings.per_setting(tests[::-1], position))
    with pytest.raises(AssertionError, match="other clips"):
        settings.time_settings(1, 0.0)
