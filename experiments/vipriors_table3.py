"""VIPriors report, Table 3: the 22 test settings of three trained networks.

Paper:      Luo, Xu, Zhang, Challenge report: VIPriors Action Recognition Challenge, 2020, Table 3.
Run:        python experiments/vipriors_table3.py            (embedded benchmark)
            python experiments/vipriors_table3.py --profile paper --data-root DATA
Protocol:   the R50 networks of Table 2, each trained once; ten random clips per video, the mean of their logits. Each
            video's frames are decoded and scaled once for all settings.
Deviations: the clips are drawn with a fixed seed and are the same for all settings of an interval and length. Which
            split and depth is not given: validation, R50.
"""

from datamodules.vipriors import VipriorsData
from experiments.harness import Build, Claim, Column, Table, main
from experiments.vipriors_profiles import MOD_UCF101, PROFILES, SLOWFAST50
from experiments.vipriors_settings import LABELS, SETTINGS
from lightning_modules.vipriors import Vipriors, profiles

# V16 on, the setting that is higher in print first.
COMPARED = ((3, 1), (2, 4), (13, 10), (17, 15), (1, 5), (1, 6), (1, 7), (1, 2), (16, 15), (11, 10), (1, 15))

TABLE = Table(
    id="vipriors/table3",
    title="VIPriors report, Table 3: test settings",
    module=Build(Vipriors),
    recipe=profiles.PAPER_RECIPE,
    init=SLOWFAST50,
    baseline=LABELS[1],
    profiles=PROFILES,
    columns=(
        Column(
            title="Acc(%)",
            group="mod-UCF101, validation",
            metric="mean_class_acc",
            data=Build(VipriorsData, source=MOD_UCF101),
            test_videos=4742,
        ),
    ),
    rows=tuple(setting.row() for setting in SETTINGS),
    claims=tuple(
        Claim(f"V{number}", LABELS[better], ">", LABELS[worse])
        for number, (better, worse) in enumerate(COMPARED, start=16)
    ),
    notes=(
        "ID 15 (71.3) is likely a misprint for 75.3: flip and random crop at interval 2 are 0.2 and 0.1 below "
        "interval 1, it is 4.2 below. V19, V24 and V26 rest on it.",
        "TSM with centre crop has 70.8, which is R101's value in Table 2; R50 has 72.1 there.",
        "On the benchmark three clips a video, not ten.",
        "The text does not compare the settings; the claims are the table's own differences.",
    ),
)

if __name__ == "__main__":
    main(TABLE)
