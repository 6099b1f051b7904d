"""VIPriors report: what its text claims and no table shows: two phases, ELU alone, SE, backward playback, test clips.

Paper:      Luo, Xu, Zhang, Challenge report: VIPriors Action Recognition Challenge, 2020, Sec. II and III.
Run:        python experiments/vipriors_ablations.py            (embedded benchmark)
            python experiments/vipriors_ablations.py --profile paper --data-root DATA
Protocol:   as Tables 1 and 2. "Direct" trains the final network from random weights, first by the recipe of phase 1,
            for as many epochs as that has at most, then by that of phase 2; TSM sees all its frames throughout.
Deviations: there are no published values. MFNet, R2plus1D and ResNetR3D, said to be worse, are not run.
"""

from typing import Any

from experiments.harness import Build, Changed, Claim, Row, Table, main
from experiments.vipriors_profiles import (
    CLASSES,
    MODIFIED,
    MODIFIED_DIFF,
    PROFILES,
    SLOWFAST50,
    SLOWFAST50_DIFF,
    SLOWFAST50_FORWARD,
    TSM,
    VALIDATION,
)
from lightning_modules.vipriors import Vipriors, profiles
from lightning_modules.vipriors.network import ELU, POOL, SE, TWO_PLUS_ONE

BASE, WITH_ELU, WITH_POOL, WITH_SE = "SlowFast", "SlowFast +ELU", "SlowFast +POOL", "SlowFast +SE"
BEST, SERIES = "SlowFast +ELU+POOL+(3*3+3*1+1*3)", "SlowFast +ELU+POOL+2plus1D"
DIRECT, FORWARD, TEN_CLIPS = f"{BEST}, direct", f"{BEST}, never backward", f"{BEST}, ten clips"
DIRECT_WITHOUT = "SlowFast +ELU+POOL, direct"
DIFF, DIFF_OWN = f"{BEST}, Diff", f"{BEST}, Diff from the start"
SHIFTED, SHIFTED_DIRECT = "TSM", "TSM, direct"


PHASE_ONE = {
    second.stages: first.stages
    for first, second in (
        (profiles.PAPER_RECIPE, profiles.PAPER_RECIPE),
        (profiles.PROXY_PRETRAIN_RECIPE, profiles.PROXY_RECIPE),
        (profiles.SMOKE_PRETRAIN_RECIPE, profiles.SMOKE_RECIPE),
    )
}


def both_phases(stages: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the stages of phase 1 and of phase 2, whose own are given."""
    return (*PHASE_ONE[stages], *stages)


def untabulated(label: str, **changes: Any) -> Row:
    """Return a row without a published value."""
    return Row(label=label, published=(None,), classes=CLASSES, **{k: v for k, v in changes.items() if k != "classes"})


_DIRECT: dict[str, Any] = dict(init=None, recipe=dict(stages=Changed(both_phases)))

TABLE = Table(
    id="vipriors/ablations",
    title="VIPriors report: claims of the text that no table shows",
    module=Build(Vipriors),
    recipe=profiles.PAPER_RECIPE,
    init=SLOWFAST50,
    baseline=BASE,
    profiles=PROFILES,
    columns=(VALIDATION,),
    rows=(
        untabulated(BASE),
        untabulated(WITH_ELU, module=dict(modifications=(ELU,))),
        untabulated(WITH_POOL, module=dict(modifications=(POOL,)), default=False),
        untabulated(WITH_SE, module=dict(modifications=(SE,))),
        untabulated(SERIES, module=dict(modifications=(ELU, POOL, TWO_PLUS_ONE)), default=False),
        untabulated(BEST, **MODIFIED),
        untabulated(DIRECT, **(MODIFIED | _DIRECT)),
        untabulated(DIRECT_WITHOUT, **(dict(module=dict(modifications=(ELU, POOL))) | _DIRECT)),
        untabulated(FORWARD, **(MODIFIED | dict(init=SLOWFAST50_FORWARD)), data=dict(playbacks=("forward",))),
        untabulated(DIFF, **MODIFIED_DIFF, default=False),
        untabulated(DIFF_OWN, **(MODIFIED_DIFF | dict(init=SLOWFAST50_DIFF)), default=False),
        untabulated(TEN_CLIPS, **MODIFIED, data=dict(views=10)),
        untabulated(SHIFTED, **TSM),
        untabulated(SHIFTED_DIRECT, **(TSM | _DIRECT)),
    ),
    claims=(
        Claim("VA1", WITH_ELU, ">", BASE),
        Claim("V33", TEN_CLIPS, ">", BEST),
        Claim("V35", WITH_SE, ">", BASE),
        Claim("V37", BEST, ">", FORWARD),
        Claim("V38", BEST, ">", DIRECT),
        Claim("V38", SHIFTED, ">", SHIFTED_DIRECT),
        Claim("VA5", DIRECT, ">", DIRECT_WITHOUT),
        Claim("VA6", DIFF_OWN, ">", DIFF),
    ),
    notes=(
        "VA1, VA5 and VA6 are ours: ELU without max pooling; the three parallel kernels where all of them start at "
        "full strength; what residual frames gain by a phase 1 of their own.",
        "V34, the cost of residual frames, is in experiments/benchmarks/settings.py.",
    ),
)

if __name__ == "__main__":
    main(TABLE)
