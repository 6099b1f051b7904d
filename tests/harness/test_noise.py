"""Claims about the sampling noise of published differences."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from experiments.harness.noise import published_noise, wilson_interval

CLAIMS = Path(__file__).parents[2].parent / "shared" / "facts" / "claims.json"


def accuracy_claims() -> list[dict]:
    """Return the audited claims that compare two accuracies on one test set."""
    if not CLAIMS.exists():
        pytest.skip(f"the audit of published claims is not there ({CLAIMS.name})")
    claims = json.loads(CLAIMS.read_text())["claims"]
    return [claim for claim in claims if claim.get("discordance_used_5") is not None]


def noise_of(claim: dict):
    """Print both values with the decimals that the claim's range of videos implies; compute their noise."""
    low, high = claim["videos_range_from_rounding"]
    implied = round(-math.log10((high - low) / 2 / claim["n"] * 100))
    values = claim["value_A"], claim["value_B"]  # as numbers, which lose the zeros printed at their ends
    first, second = (f"{value:.{max(implied, len(str(value).split('.')[1]))}f}" for value in values)
    return published_noise(first, second, claim["n"])


def test_half_widths_of_all_published_accuracy_claims_agree_with_the_audit():
    claims = accuracy_claims()
    assert len(claims) == 146
    for claim in claims:
        noise = noise_of(claim)
        assert noise.difference == pytest.approx(claim["difference"]), claim["id"]
        assert noise.half_width_independent == pytest.approx(claim["hw_independent"], abs=1e-9), claim["id"]
        for discordance, (used, half_width) in zip((5, 10, 20), noise.half_widths_paired, strict=True):
            assert used == pytest.approx(claim[f"discordance_used_{discordance}"], abs=0.005), claim["id"]
            assert half_width == pytest.approx(claim[f"hw_paired_{discordance}"], abs=1e-9), claim["id"]
        assert noise.half_width_minimum == pytest.approx(claim["hw_paired_minimum"], abs=1e-6), claim["id"]
        critical = claim["critical_discordance_pct"]
        assert noise.critical_discordance == pytest.approx(critical, abs=0.006), claim["id"]
        assert noise.videos == pytest.approx(claim["videos"], abs=0.06), claim["id"]


def test_verdicts_of_all_published_accuracy_claims_agree_with_the_audit():
    for claim in accuracy_claims():
        expected = "within noise" if claim["verdict"] == "tie" else claim["verdict"]
        assert noise_of(claim).verdict == expected, claim["id"]


def test_half_widths_at_the_alternative_test_set_sizes_agree_with_the_audit():
    alternatives = [claim for claim in accuracy_claims() if "alt" in claim]
    assert alternatives
    for claim in alternatives:
        noise = published_noise(str(claim["value_A"]), str(claim["value_B"]), claim["n_alt"])
        alt = claim["alt"]
        assert noise.half_width_independent == pytest.approx(alt["hw_independent"], abs=1e-9), claim["id"]
        for discordance, (_, half_width) in zip((5, 10, 20), noise.half_widths_paired, strict=True):
            assert half_width == pytest.approx(alt[f"hw_paired_{discordance}"], abs=1e-9), claim["id"]


def test_the_gain_of_clip_selection_on_ucf101_is_four_videos_and_within_noise():
    noise = published_noise("93.63", "93.52", 3783)
    assert round(noise.videos) == 4
    assert noise.difference == pytest.approx(0.11)
    assert noise.half_width_independent == pytest.approx(1.105, abs=5e-4)
    assert [round(width, 2) for _, width in noise.half_widths_paired] == [0.71, 1.01, 1.14]
    assert noise.verdict == "within noise"


def test_the_order_of_the_two_values_changes_only_the_sign():
    forth, back = published_noise("92.4", "93.7", 3783), published_noise("93.7", "92.4", 3783)
    assert (back.difference, back.videos) == (-forth.difference, -forth.videos)
    np.testing.assert_allclose(back.half_widths_paired, forth.half_widths_paired)
    assert back.verdict == forth.verdict == "beyond noise"


def test_a_difference_that_rounding_could_have_made_depends():
    assert published_noise("95.60", "94.50", 3783).verdict == "beyond noise"
    assert published_noise("95.6", "94.5", 3783).verdict == "depends on discordance"


def test_equal_values_are_within_noise():
    noise = published_noise("97.1", "97.1", 14787)
    assert (noise.difference, noise.half_width_minimum, noise.verdict) == (0, 0, "within noise")


def test_paired_half_width_is_the_scatter_of_simulated_pairs():
    rng = np.random.default_rng(0)
    num_videos, p, q, discordance = 1000, 0.93, 0.90, 0.10
    only_first, only_second = (discordance + p - q) / 2, (discordance - p + q) / 2
    cells = [only_first, only_second, 1 - discordance]
    counts = rng.multinomial(num_videos, cells, size=20000)
    scatter = 100 * (counts[:, 0] - counts[:, 1]).std() / num_videos
    _, half_width = published_noise("93.0", "90.0", num_videos).half_widths_paired[1]
    assert half_width == pytest.approx(1.96 * scatter, rel=0.02)


@pytest.mark.parametrize(("right", "num_videos"), [(0, 10), (3542, 3783), (7, 9), (40, 40)])
def test_wilson_interval_equals_scipy(right, num_videos):
    expected = stats.binomtest(right, num_videos).proportion_ci(method="wilson")
    low, high = wilson_interval(100 * right / num_videos, num_videos, z=stats.norm.ppf(0.975))
    assert (low, high) == pytest.approx((100 * expected.low, 100 * expected.high), abs=1e-9)


@pytest.mark.parametrize("value", ["abc", "", "101", "-1", "nan", "93.6%"])
def test_a_value_that_is_no_percentage_is_refused(value):
    with pytest.raises(ValueError, match="published value"):
        published_noise(value, "90.0", 100)


def test_an_empty_test_set_is_refused():
    with pytest.raises(ValueError, match="number of videos 0 must be positive"):
        published_noise("93.6", "93.5", 0)
    with pytest.raises(ValueError, match="accuracy 101"):
        wilson_interval(101, 10)
