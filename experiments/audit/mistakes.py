"""Mistakes in the published tables and in what the text says of them, each shown by arithmetic on printed values.

What needs no arithmetic (a row that is missing, an equation that does not normalise) stands in the papers' passports.
"""

from __future__ import annotations

from dataclasses import dataclass

from experiments.audit.arithmetic import (
    Shown,
    computed,
    difference_is_not,
    less,
    margins,
    no_share_of,
    percent_is_not,
    ratio_is_not,
)


@dataclass(frozen=True)
class Mistake:
    """One mistake: where, what is printed or said there, and the sum that shows it."""

    paper: str
    where: str
    said: str
    shown: Shown


MS3D_MARGINS = {
    "Kinetics Top-1": ("82.9", "77.9"),
    "Kinetics Top-5": ("92.1", "93.2"),
    "HMDB-51 pre-trained Top-1": ("72.1", "69.1"),
    "HMDB-51 pre-trained Top-5": ("74.3", "74.8"),
    "HMDB-51 scratch Top-1": ("70.1", "68.5"),
    "HMDB-51 scratch Top-5": ("72.2", "71.2"),
    "UCF101 pre-trained Top-1": ("92.4", "93.7"),
    "UCF101 pre-trained Top-5": ("94.5", "95.6"),
    "UCF101 scratch Top-1": ("80.4", "76.4"),
    "UCF101 scratch Top-5": ("91.2", "90.4"),
}

MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "ligar", "Sec. VI.iv", "a computation budget similar to 3D-MobileNetV2's", ratio_is_not("4.74", "0.45", "1")
    ),
    Mistake(
        "ligar",
        "Sec. VI.iv",
        "superior on UCF-101 to methods that are computationally more expensive",
        less(
            "94.85", "96.20", although="with 10 views each: STM costs 66.5 GFLOPs; only the cheapest row is below LIGAR"
        ),
    ),
    Mistake(
        "ligar",
        "Sec. VI.iv",
        "32 times cheaper than R(2+1)D-BERT, and closer with 10 views, an equal testing protocol",
        computed(
            "{} is of one view; ten views cost {} GFLOPs, and then the ratio is {}",
            "152.97 / 4.74",
            "10 * 4.74",
            "152.97 / 47.4",
            shows=lambda one, ten, ratio: one > 32 and ratio < 4,
        ),
    ),
    Mistake(
        "ligar",
        "Table 3",
        "clip selection improves both data sets",
        less("92.70", "92.77", although="Top-5 on ActivityNet with clip selection, without"),
    ),
    Mistake(
        "ligar",
        "Tables 1 and 3",
        "tested on ActivityNet's validation videos, 4,926 officially",
        no_share_of(4926, "59.94", "92.70"),
    ),
    Mistake(
        "action_net",
        "Tables 1 and 2",
        "TSN's Top-5 on EgoGesture, 97.3 in one table and 98.3 in the other",
        difference_is_not("98.3", "97.3", "0"),
    ),
    Mistake(
        "action_net",
        "Figure 4",
        "eta of ResNet-50 on EgoGesture, 2.65 here and 2.52 in Sec. 4.5",
        computed(
            "{} and {}: one gain, {}, rounded in two ways",
            "5.3 / 2.1",
            "5.3 / 2.0",
            "94.2 - 92.1",
            shows=lambda first, second, gain: first < second and gain != 2,
        ),
    ),
    Mistake(
        "action_net",
        "Table 4",
        "more ACTION engaged yields better performance",
        computed("Top-5 gains {} from the third stage", "98.5 - 98.5", shows=lambda gain: gain <= 0),
    ),
    Mistake(
        "action_net",
        "Sec. 4.6",
        "ResNet-50 has the highest eta on all three data sets",
        less("2.65", "3.73", although="BNInception's on EgoGesture"),
    ),
    Mistake(
        "action_net",
        "Sec. 4.5",
        "ME adds more parameters than the two paths before it",
        less("25.9", "26.08", although="ME's and CE's parameters (M)"),
    ),
    Mistake(
        "action_net",
        "Table 3",
        "23.68 M parameters without any excitation",
        computed(
            "the rows with excitations imply {}: they count 174 classes, the baseline 83",
            "(23.9 + 26.08 + 25.9 - 28.08) / 2",
            shows=lambda base: base > 23.68,
        ),
    ),
    Mistake(
        "action_net",
        "Sec. 4.4",
        "8 frames suffice for the state of the art",
        less("99.8", "99.9", although="Top-5 on Jester, ACTION-Net and STM"),
    ),
    Mistake("kpsem", "Sec. 4.3", "relative gain of 4.73 %", percent_is_not("3.70", "78.35", "4.73")),
    Mistake(
        "kpsem", "Sec. 4.3", "1.8 % behind TSM on Something-Something v1", difference_is_not("49.7", "48.1", "1.8")
    ),
    Mistake(
        "kpsem",
        "Sec. 4.3",
        "on Something-Something v1 slightly inferior compared to S3D and TSM (no other is named)",
        less("48.1", "53.0", although="MARS, in the same table"),
    ),
    Mistake(
        "kpsem",
        "Sec. 4.3",
        "the state of the art before is CGNL's 77.76",
        less("77.76", "78.7", although="I3D (TS), in the same table; the baseline MFNet has 78.35"),
    ),
    Mistake(
        "kpsem",
        "Table 1",
        "tested on Mini-Kinetics' 5,000 validation videos",
        no_share_of(5000, "82.05", "78.35", "77.53"),
    ),
    Mistake(
        "kpsem",
        "Table 1",
        "ECO_Lite, in ECO's paper the lighter of the two",
        less("64", "267", although="FLOPs (G) of ECO and ECO Lite"),
    ),
    Mistake(
        "kpsem",
        "Tables 1 and 2",
        "MFNet, copied from its paper in one table and re-run in the other, as one baseline (HMDB51)",
        difference_is_not("74.6", "70.8", "0"),
    ),
    Mistake(
        "ms3d", "Table III", "Slow-Fast, pre-trained: Top-5 and Top-1", less("92.0", "93.7", although="impossible")
    ),
    Mistake(
        "ms3d",
        "Table II",
        "pre-training helps",
        less("65.2", "68.5", although="Slow-Fast pre-trained and from scratch; all other rows go the other way"),
    ),
    Mistake("ms3d", "Sec. IV.C", "improves by 1 to 3 %", margins(MS3D_MARGINS, "1", "3")),
    Mistake(
        "ms3d",
        "Tables II and III",
        "I3D's Top-5 on HMDB-51 and UCF-101",
        computed(
            "74.8 and 95.6 are I3D's published Top-1 (RGB, ImageNet and Kinetics); MS3D's Top-1 is {} and {} behind",
            "74.8 - 72.1",
            "95.6 - 92.4",
            shows=lambda hmdb, ucf: hmdb > 0 and ucf > 0,
        ),
    ),
    Mistake(
        "ms3d",
        "Table II",
        "ECO's Top-5 on HMDB-51",
        computed(
            "72.4 is ECO's Top-1 in KPSEM's Table 1, {} above its Top-1 here; MS3D's Top-1 is {} behind",
            "72.4 - 68.5",
            "72.4 - 72.1",
            shows=lambda here, behind: here > 0 and behind > 0,
        ),
    ),
    Mistake(
        "ms3d",
        "Table I",
        "MS3D does not achieve optimal results",
        less("77.9", "82.9", although="the best other Top-1 and MS3D's; of Top-5 it would be true"),
    ),
    Mistake(
        "ms3d",
        "Table II",
        "Top-5 among 51 classes, from scratch",
        computed(
            "Top-5 minus Top-1 is {} (I3D), {} (ECO), {} (MS3D); among UCF-101's 101 classes {} (MS3D)",
            "70.0 - 66.5",
            "68.1 - 66.9",
            "72.2 - 70.1",
            "91.2 - 80.4",
            shows=lambda i3d, eco, ours, ucf: max(i3d, eco, ours) < ucf / 3,
        ),
    ),
    Mistake(
        "ms3d",
        "Tables II and III",
        "pre-training, which should help most where videos are few",
        computed(
            "MS3D gains {} on the small HMDB-51 and {} on the larger UCF-101",
            "72.1 - 70.1",
            "92.4 - 80.4",
            shows=lambda hmdb, ucf: hmdb < ucf,
        ),
    ),
    Mistake(
        "vipriors",
        "Table 3",
        "ID 15: 71.3 for RGB at interval 2, central crop",
        computed(
            "{} below interval 1, where SlowFast's other pairs lose {}, {}, {}, {} (RGB), {}, {} and {} (residual); "
            "75.3 would fit",
            "75.5 - 71.3",
            *("75.6 - 75.4", "73.3 - 73.2", "75.1 - 75.0", "74.6 - 73.6"),
            *("74.6 - 74.5", "74.3 - 74.0", "72.1 - 72.0"),
            shows=lambda odd, *others: odd > 4 * max(others),
        ),
    ),
    Mistake(
        "vipriors",
        "Tables 2 and 3",
        "TSM with ResNet-50 and shift, central crop",
        difference_is_not("72.1", "70.8", "0"),
    ),
    Mistake(
        "vipriors",
        "Sec. II",
        "frames scaled to 0.8 to 1.25 times 112, then a crop of 112",
        computed("{}: the crop is larger than the frame", "0.8 * 112", shows=lambda side: side < 112),
    ),
    Mistake(
        "vipriors",
        "Table 4",
        "84.5 by seven inputs and test settings of SlowFast and TSM",
        computed(
            "{} above the best member, although the members differ by {} at most: the tables may be on "
            "different videos",
            "84.5 - 75.6",
            "75.6 - 72.1",
            shows=lambda gain, spread: gain > 2 * spread,
        ),
    ),
)
