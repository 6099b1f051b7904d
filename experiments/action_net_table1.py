"""ACTION-Net, Table 1: against its 2D counterparts TSN and TSM on three data sets, 8 frames, ResNet-50.

Paper:      Wang, She, Smolic, ACTION-Net: Multipath Excitation for Action Recognition, CVPR 2021, Table 1.
Run:        python experiments/action_net_table1.py            (embedded benchmark; about 20 minutes on two cores)
            python experiments/action_net_table1.py --profile paper --data-root DATA --init-checkpoint imagenet=FILE
            python experiments/action_net_table1.py --profile paper ... --views 1 --crops 1            (quick test)
            DATA has the folders egogesture, somethingsomethingv2 and jester (--columns: only some of them).
Protocol:   10 random clips x 3 crops of 256 pixels, the mean of the softmax (Sec. 4.2); EgoGesture is trained on the
            training and validation subjects and tested on the test subjects, the others are tested on validation.
Deviations: the ten clips are drawn with a fixed seed; the last epoch is tested, not the best on the test set. TSN and
            TSM have ACTION-Net's recipe throughout (published: re-implemented on EgoGesture, else quoted).
            Added rows: the quick test of the same training, and the released scripts' schedules, on EgoGesture also
            their frames warped to squares and their single crop (--rows "ACTION-Net, released scripts").
"""

from datamodules.action_net import QUICK_TEST, warped
from experiments.action_net_profiles import EGOGESTURE, IMAGES, JESTER, PROFILES, SOMETHING, accuracy
from experiments.harness import Build, Changed, Claim, Row, Table, main
from lightning_modules.action_net import ActionNet
from lightning_modules.action_net.profiles import EGOGESTURE_RECIPE, TSM, TSN, released_stages

GROUPS = (EGOGESTURE, SOMETHING, JESTER)
OURS = "ACTION-Net"

TABLE = Table(
    id="action_net/table1",
    title="ACTION-Net, Table 1: against TSN and TSM",
    module=Build(ActionNet),
    recipe=EGOGESTURE_RECIPE,
    init=IMAGES,
    baseline="TSM",
    profiles=PROFILES,
    columns=tuple(accuracy(group, metric) for group in GROUPS for metric in ("top1", "top5")),
    rows=(
        Row(label="TSN", published=("83.1", "97.3", "27.8", "57.6", "81.0", "99.0"), module=TSN, classes=83),
        Row(label="TSM", published=("92.1", "98.3", "58.7", "84.8", "94.4", "99.7"), module=TSM, classes=83),
        Row(label=OURS, published=("94.2", "98.7", "62.5", "87.3", "97.1", "99.8"), classes=83),
        Row(label=f"{OURS}, 1 x 1 view", published=(None,) * 6, data=QUICK_TEST, classes=83),
        Row(
            label=f"{OURS}, released scripts",
            published=(None,) * 6,
            recipe=dict(stages=Changed(released_stages)),
            data_on={EGOGESTURE: dict(warp=True, crops=1, augmentation=Changed(warped))},
            classes=83,
            note="on the benchmark, whose recipe is neither schedule and whose frames are square, only the crop on "
            "EgoGesture differs; the other two are ACTION-Net's own cells. Of the scripts it leaves out: rates that "
            "fall one epoch later, Something's crops without the scaling to 256, segments of whole frames, the kept "
            "last batch.",
        ),
    ),
    claims=tuple(
        Claim(f"A{first + step * place + number:02d}", better, ">", worse, columns=(f"{group}/{title}",))
        for first, step, better, worse in ((1, 4, OURS, "TSM"), (3, 4, OURS, "TSN"), (13, 2, "TSM", "TSN"))
        for place, group in enumerate(GROUPS)
        for number, title in enumerate(("Top-1", "Top-5"))
    ),
    notes=(
        "The published columns of differences are the claims' differences to TSN.",
        "TSN's Top-5 on EgoGesture is 97.3 here (the printed differences need it) and 98.3 in Table 2.",
        "The text says a gain of 2 % over TSM on EgoGesture where the table has 2.1.",
        "Table 2 prints TSN and TSM as starting from Kinetics; here all start from images.",
    ),
)

if __name__ == "__main__":
    main(TABLE)
