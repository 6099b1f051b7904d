"""Study across the papers: their networks and ideas on equal terms, and six combinations that no paper has.

Paper:      none: TSN, TSM, ACTION-Net, MF-KPSEM, LIGAR, MS3D and SlowFast side by side; LIGAR's clip selection (ACS) on
            ACTION-Net and SlowFast, KPSEM on LIGAR's path, residual frames for ACTION-Net and LIGAR, nearest-centre
            codes on ACTION-Net's features.
Run:        python experiments/study_cross.py            (embedded benchmark; about 90 minutes of one core)
            python experiments/tools/latency.py study_cross            (the latencies, measured in turns)
            python experiments/study_cross.py --profile paper --data-root DATA --accelerator gpu
Protocol:   one data set whose labels need motion (Something-Something V2; clips that span the video, one view) and an
            untrimmed one for ACS (ActivityNet-200; continuous clips, ten views). Each network is pre-trained by itself
            on Kinetics, once for all seeds, and trained by one recipe at one rate on as many clips as any other. On the
            benchmark all networks are of like compute: columns "as run".
Deviations: nothing is published of this. S01 to S13 are our questions, put before any of it was run; S14, and the
            pre-training of codes by cross-entropy, came after a pilot in which MS3D's loss stayed at chance (one seed,
            TSM and MS3D alone). A network keeps its own loss, head and clip length. MS3D keeps its variance rates but
            not its tailoring, which would take boxes that no other network has.
"""

from typing import Any

from datamodules.clip_selection import ClipSelection
from experiments.harness import Build, Claim, Column, Row, Table, main
from experiments.study_profiles import (
    ACTION_NET,
    ACTION_NET_ACS,
    ACTION_NET_CENTRES,
    ACTION_NET_N_PAIR,
    ACTION_NET_RESIDUAL,
    KPSEM,
    LIGAR,
    LIGAR_ACS,
    LIGAR_KPSEM,
    LIGAR_RESIDUAL,
    MS3D,
    MS3D_CLASSIFIER,
    PROFILES,
    SELECTING,
    SLOW_FAST,
    SLOW_FAST_ACS,
    STARTS,
    TRIMMED,
    TRIMMED_TOP1,
    TSM,
    TSN,
    UNTRIMMED,
    UNTRIMMED_TOP1,
)
from lightning_modules.action_net import ActionNet
from lightning_modules.study.profiles import PAPER_RECIPE

MMACS = Column(title="MMACs, as run", metric="run_mmacs")
PARAMS = Column(title="Param. (k), as run", metric="run_params_k")
LATENCY = Column(title="Latency (ms), as run", metric="latency_ms")
CLASSES = {TRIMMED: 174, UNTRIMMED: 200}

BOTH = (TRIMMED, UNTRIMMED)
ON = {ACTION_NET: BOTH, SLOW_FAST: BOTH, LIGAR: BOTH} | dict.fromkeys(SELECTING, (UNTRIMMED,))
# An interval of one frame for twice as many frames: clips as long as the other networks'.
AS_LONG = {UNTRIMMED: dict(frame_interval=1)}
QUESTIONS = (
    ("S01", TSM, TSN, TRIMMED),
    ("S02", ACTION_NET, TSM, TRIMMED),
    ("S03", KPSEM, TSM, TRIMMED),
    ("S04", LIGAR, TSM, TRIMMED),
    ("S05", MS3D, TSM, TRIMMED),
    ("S06", SLOW_FAST, TSM, TRIMMED),
    ("S07", ACTION_NET_RESIDUAL, ACTION_NET, TRIMMED),
    ("S08", LIGAR_RESIDUAL, LIGAR, TRIMMED),
    ("S09", LIGAR_KPSEM, LIGAR, TRIMMED),
    ("S10", ACTION_NET_CENTRES, ACTION_NET, TRIMMED),
    ("S11", ACTION_NET_ACS, ACTION_NET, UNTRIMMED),
    ("S12", SLOW_FAST_ACS, SLOW_FAST, UNTRIMMED),
    ("S13", LIGAR_ACS, LIGAR, UNTRIMMED),
    ("S14", MS3D_CLASSIFIER, TSM, TRIMMED),
)
NOTES = {
    MS3D: "N-pair loss on batches of class pairs, judged by the nearest class centre; pre-trained by cross-entropy, "
    "since an N-pair loss does not leave chance within as many clips.",
    SLOW_FAST: "plain SlowFast R50 as in the VIPriors report, without its modifications; twice as many frames.",
    ACTION_NET_RESIDUAL: "differences of neighbouring frames of the clip, which has one frame more.",
    LIGAR_RESIDUAL: "as ACTION-Net's.",
    LIGAR_KPSEM: "KPSEM reads the local path; its features join those that the head embeds.",
    ACTION_NET_CENTRES: "trained as ACTION-Net; videos are judged by the nearest class centre of its features.",
    ACTION_NET_N_PAIR: "MS3D's loss as well, on codes of 64 numbers; pre-trained by cross-entropy.",
    MS3D_CLASSIFIER: "MS3D's clips and network alone, for what its loss does within the budget.",
    LIGAR_ACS: "LIGAR's own combination, for comparison.",
}


def row(label: str) -> Row:
    """Return the row of a network or a combination."""
    on = ON.get(label, (TRIMMED,))
    arguments: dict[str, Any] = dict(
        network=LIGAR if label == LIGAR_ACS else label,
        init=STARTS.get(label, label),
        data=dict(clip_selection=ClipSelection()) if label in SELECTING else {},
        data_on=AS_LONG if label in (SLOW_FAST, SLOW_FAST_ACS) else {},
    )
    return Row(
        label=label,
        published=(None,) * 7,
        on=on,
        classes=CLASSES[on[0]],
        note=NOTES.get(label, ""),
        **arguments,
        default=label != ACTION_NET_N_PAIR,
    )


TABLE = Table(
    id="study/cross",
    title="Study across the papers: the ideas on equal terms",
    module=Build(ActionNet),
    recipe=PAPER_RECIPE,
    baseline=TSM,
    questions=True,
    profiles=PROFILES,
    columns=(
        MMACS,
        PARAMS,
        LATENCY,
        Column(title="GMACs, full size", metric="gmacs"),
        Column(title="Param. (M), full size", metric="params_m"),
        TRIMMED_TOP1,
        UNTRIMMED_TOP1,
    ),
    rows=tuple(
        map(
            row,
            (TSN, TSM, ACTION_NET, KPSEM, LIGAR, MS3D, SLOW_FAST, ACTION_NET_RESIDUAL, LIGAR_RESIDUAL, LIGAR_KPSEM,
             ACTION_NET_CENTRES, MS3D_CLASSIFIER, ACTION_NET_N_PAIR, ACTION_NET_ACS, SLOW_FAST_ACS, LIGAR_ACS),
        )
    ),
    claims=tuple(Claim(id, better, ">", worse, columns=(f"{on}/Top-1",)) for id, better, worse, on in QUESTIONS),
    notes=(
        "S01 to S06 ask of each network whether it beats the plainest one with a sense of time; a network that is made "
        "for long clips, large maps or long training may fail here for that alone.",
        "Seen in the result: LIGAR on frames, alone and with KPSEM, hardly leaves chance on the gestures within the "
        "budget at the common rate. S04, S08 and S09 say that, and not how good a network is that has learnt; its own "
        "tables train it longer, at a lower rate.",
        "Operations, parameters and latency as run are of one clip; the untrimmed test takes ten. Latency: one thread, "
        "CPU time, median of turns; a dash where it was not measured.",
        "Scores of several views are averaged as each paper does: ACTION-Net's as probabilities, the others' as "
        "logits or cosines.",
        "All rows of a network and all seeds start from one pre-training: the intervals hold the luck of what follows "
        "and leave out that of the pre-training, whose part in a difference between two networks (S01 to S09, S14) "
        "does not shrink with more seeds.",
    ),
)  # fmt: skip

if __name__ == "__main__":
    main(TABLE)
