"""KPSEM, the trainings behind Figure 5: where KPSEM stands, regions, sets and embedding size, on HMDB51 split 1.

Paper:      Cao et al., Effective Action Recognition with Embedded Key Point Shifts, 2020, Fig. 5 and Sec. 4.4.
Run:        python experiments/kpsem_ablations.py            (embedded benchmark: four rows; all 16: --rows all)
            python experiments/kpsem_ablations.py --profile paper --data-root DATA --init-checkpoint kinetics=FILE
Protocol:   as Table 2, whose rows MFNet, MF-KPSEM, single key point and one set are the same trainings (TWO_RUNS_NOTE).
Deviations: the figure's bars have no numbers but those that text and Table 2 give. The values tried for sets and
            embedding size are not in the text: 2, 4, 16 and 6, 12, 48 are our choice. KA1 is the caption's "All
            settings surpass the baseline" and the text's "regardless of the position", one comparison per setting; the
            list of published claims has only some of them: K12, K17 and K18 in Table 2, K19 here. KA2 is ours: whether
            lines that learn ten times as fast change the outcome.
"""

from experiments.harness import Build, Claim, Row, Table, main
from experiments.kpsem_profiles import (
    BASELINE,
    HMDB51_SPLIT1,
    KINETICS_PRETRAINING,
    OURS,
    PROFILES,
    SETS_NOTE,
    TWO_RUNS_NOTE,
)
from lightning_modules.kpsem import Kpsem, profiles

AFTER_CONV2 = "after Conv2"
VARIANTS = (
    *((f"after {stage.capitalize()}", "position", stage) for stage in ("conv2", "conv3", "conv5")),
    *((f"K = {number}", "num_regions", number) for number in (1, 9, 16)),
    *((f"G = {number}", "num_sets", number) for number in (1, 2, 4, 16)),
    *((f"d_e = {size}", "embedding_dim", size) for size in (6, 12, 48)),
)
SETTINGS = (OURS, *(label for label, _, _ in VARIANTS))
SETS = ("G = 1", "G = 2", "G = 4", OURS)  # in rising order
DEFAULT = ("K = 1", "G = 1")  # the others: --rows all, or kpsem_figure5, which draws them all
FASTER = "lines at half of the rate"
PUBLISHED = {AFTER_CONV2: "72.5", "K = 1": "72.1", "G = 1": "72.4"}

TABLE = Table(
    id="kpsem/ablations",
    title="KPSEM, behind Figure 5: position, regions, sets and embedding size on HMDB51 split 1",
    module=Build(Kpsem),
    recipe=profiles.ABLATION_RECIPE,
    init=KINETICS_PRETRAINING,
    baseline=BASELINE,
    profiles=PROFILES,
    columns=(HMDB51_SPLIT1,),
    rows=(
        Row(label=BASELINE, published=("70.8",), module=dict(position=None), classes=51),
        Row(label=OURS, published=("74.0",), classes=51, note="after Conv4, K = 4, G = 8, d_e = 24."),
        *(
            Row(
                label=label,
                published=(PUBLISHED.get(label),),
                module={name: value},
                classes=51,
                default=label in DEFAULT,
            )
            for label, name, value in VARIANTS
        ),
        Row(
            label=FASTER,
            published=(None,),
            module=dict(lines_lr_scale=0.5),
            classes=51,
            default=False,
            note="not in the paper. The other rows' lines learn at a twentieth of the rate on the benchmark.",
        ),
    ),
    claims=(
        Claim("K16", OURS, ">", AFTER_CONV2),
        Claim("K19", AFTER_CONV2, ">", BASELINE),
        Claim("K23", OURS, ">", "after Conv5"),
        *(Claim("K24", better, ">", worse) for better, worse in zip(SETS[1:], SETS, strict=False)),
        Claim("K25", "G = 16", "~", OURS, margin=1.0),
        *(Claim("K26", OURS, ">", label) for label in ("K = 9", "K = 16")),
        *(Claim("K27", OURS, ">", label) for label in ("d_e = 6", "d_e = 12", "d_e = 48")),
        *(Claim("K28", label, ">", "G = 1") for label in (*SETS[1:], "G = 16")),
        *(Claim("K29", label, ">", "K = 1") for label in (OURS, "K = 9", "K = 16")),
        *(Claim("KA1", label, ">", BASELINE) for label in SETTINGS if label != AFTER_CONV2),
        Claim("KA2", FASTER, ">", BASELINE),
        Claim("KA2", FASTER, ">", OURS),
    ),
    notes=(
        "K23 to K29 are read off bars that bear no numbers; K25, saturation beyond 8 sets: equal within a point.",
        'KA1, with K19 for Conv2: "All settings surpass the baseline by at least 1.3%" (caption) holds if every one of '
        "them does. Asked here is whether each is ahead at all: 1.3 points of HMDB51 are not 1.3 of the benchmark.",
        "Whether key point shifts help, where, and with how many sets: on the benchmark no setting is ahead of MFNet, "
        "wherever KPSEM stands and however many sets and regions it has. Behind conv2 it is level with it.",
        SETS_NOTE,
        TWO_RUNS_NOTE,
    ),
)

if __name__ == "__main__":
    main(TABLE)
