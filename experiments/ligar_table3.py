"""LIGAR, Table 3: what Adaptive Clip Selection (ACS) adds, on a trimmed and on an untrimmed data set.

Paper:      Izutov, LIGAR: Lightweight General-purpose Action Recognition, 2021, Table 3.
Run:        python experiments/ligar_table3.py            (embedded benchmark; about 9 minutes on two cores)
            python experiments/ligar_table3.py --profile paper --data-root DATA --init-checkpoint FILE
Protocol:   continuous sampling; UCF-101 split 1 with a single view, ActivityNet-200 with 10 temporal views (VI.ii).
Deviations: the readiness threshold is the paper's 70 % of frames (the released code: 80 %); the released configurations
            with ACS leave AugMix out, so both rows do.
"""

from datamodules.clip_selection import ClipSelection
from datamodules.datasets.activitynet import ActivityNet200
from datamodules.datasets.ucf101 import UCF101
from datamodules.ligar import LigarData
from experiments.harness import Build, Claim, Column, Row, Table, main
from experiments.ligar_profiles import JOINT_PRETRAINING, PROFILES
from lightning_modules.ligar import Ligar
from lightning_modules.ligar.profiles import PAPER_RECIPE

UCF = Build(LigarData, source=UCF101(split=1), views=1)
ACTIVITYNET = Build(LigarData, source=ActivityNet200(), views=10)

TABLE = Table(
    id="ligar/table3",
    title="LIGAR, Table 3: Adaptive Clip Selection",
    module=Build(Ligar),
    recipe=PAPER_RECIPE,
    init=JOINT_PRETRAINING,
    profiles=PROFILES,
    columns=(
        Column(group="UCF-101", title="Top-1", metric="top1", data=UCF, test_videos=3783),
        Column(group="UCF-101", title="Top-5", metric="top5", data=UCF, test_videos=3783),
        Column(group="UCF-101", title="mAP", metric="map", data=UCF, test_videos=3783),
        Column(group="ActivityNet-200", title="Top-1", metric="top1", data=ACTIVITYNET, test_videos=4926),
        Column(group="ActivityNet-200", title="Top-5", metric="top5", data=ACTIVITYNET, test_videos=4926),
        Column(group="ActivityNet-200", title="mAP", metric="map", data=ACTIVITYNET, test_videos=4926),
    ),
    rows=(
        Row(label="w/o ACS", published=("93.52", "99.07", "97.50", "74.89", "92.77", "73.33"), classes=101),
        Row(
            label="w/ ACS",
            published=("93.63", "99.10", "97.82", "75.27", "92.70", "73.81"),
            data=dict(clip_selection=ClipSelection()),
            classes=101,
        ),
    ),
    claims=(
        Claim("L26", "w/ ACS", ">", "w/o ACS", columns=("UCF-101/Top-1",)),
        Claim("L27", "w/ ACS", ">", "w/o ACS", columns=("UCF-101/Top-5",)),
        Claim("L28", "w/ ACS", ">", "w/o ACS", columns=("UCF-101/mAP",)),
        Claim("L29", "w/ ACS", ">", "w/o ACS", columns=("ActivityNet-200/Top-1",)),
        Claim("L30", "w/ ACS", ">", "w/o ACS", columns=("ActivityNet-200/Top-5",)),
        Claim("L31", "w/ ACS", ">", "w/o ACS", columns=("ActivityNet-200/mAP",)),
    ),
    notes=(
        "The published gain on UCF-101 is 4 of 3,783 videos in Top-1 and 1 video in Top-5; in Top-5 on ActivityNet-200 "
        "the row with ACS is the lower one, although the text claims an improvement.",
        "Label noise on the benchmark's untrimmed videos, the share of training clips without any frame of the action: "
        "46 % in the first epoch; in the last 20 % with ACS and 48 % without.",
        'That "the real quality is higher than it is announced" for want of annotated times (VI.iii) is not measured: '
        "the test's clips are the paper's, which do not know where the action is.",
        "No whole number of 4,926 videos (the official validation set) gives the published 92.70: the paper tested on "
        "an unknown number of obtainable videos, so the noise bounds for ActivityNet-200 are too narrow if anything.",
    ),
)

if __name__ == "__main__":
    main(TABLE)
