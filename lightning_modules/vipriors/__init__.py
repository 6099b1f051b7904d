"""Challenge report: VIPriors Action Recognition Challenge. Zhipeng Luo, Dawei Xu, Zhiguang Zhang (DeepBlue), 2020.

The idea: with 4,795 training videos and nothing else, train a plain SlowFast until it is half right, then put in what
helps (ELU, max pooling for strided convolutions, three parallel convolutions in each bottleneck). Residual frames, the
change from frame to frame, are a second input in a network of their own; TSM is a third. The logits of 22 tests of the
three are added up.

Reproduced
    Table 1 (modules of SlowFast)                       experiments/vipriors_table1.py
    Table 2 (backbones, inputs, TSM)                    experiments/vipriors_table2.py
    Table 3 (22 test settings)                          experiments/vipriors_table3.py
    Table 4 (ensembles of them)                         experiments/vipriors_table4.py
    What the text claims without a table                experiments/vipriors_ablations.py
    Cost of residual frames, folding, sharing frames    experiments/benchmarks/settings.py
Schematic drawings, nothing to reproduce
    Figure 1 (SlowFast), Figure 2 ((2+1)D), Figure 3 (TSM)

Where to find it
    network.py                  SlowFast with each modification of Table 1; TSM
    two_phase.py                when phase 1 stops, and what of it phase 2 starts from
    module.py                   training, residual frames as input
    profiles.py                 the recipe of Sec. III.B, and the benchmark's sizes
    ../backbones/slowfast.py, ../backbones/resnet2d.py
    ../layers/                  parallel_convolution (foldable), temporal_adaptive (TAM), gates, residual_frames
    ../../datamodules/vipriors.py, ../../datamodules/playback_sampling.py       clips, augmentation, test settings
    ../../datamodules/datasets/mod_ucf101.py        the challenge's data and its submission file
    ../../experiments/vipriors_settings.py          the 22 settings, and Table 4's weights
    ../../experiments/tools/submission.py           writes a submission from stored scores

What the paper leaves open, and what we chose
    The split of Tables 1 to 4: validation for 1 to 3, the challenge's test split for 4. 73 groups of videos have clips
    in training and validation (210 of 4,742), none in the test split. Training on both halves:
    ModUCF101(train_with_val=True).
    SlowFast's frames: of 64 the fast pathway sees 32, the slow one 4 (alpha 8, an eighth of the channels), as in the
    PyTorch port of 2019 for this input size. Lateral kernels of 7 frames: pytorchvideo's.
    (3*3+3*1+1*3): the sum of parallel 3x3x3, 3x1x1 and 1x3x3 convolutions, each normalised, and the block's own
    normalisation behind it. "2+1D network with k=3" of the text is taken as the same network. Other readings:
    SPATIAL_KERNELS, CUBE_KERNEL, TWO_PLUS_ONE.
    2plus1D: spatial, then temporal, as in Figure 2; inner channels as many as outer. Temporal first costs 8.381 G.
    Non-local: behind blocks 1, 3 of res3 and 1, 3, 5 of res4 of the slow pathway, scaled dot products over positions
    halved in height and width (PySlowFast). "attention": CBAM with a time axis behind each bottleneck. TAM in both.
    POOL: the strided convolutions of res3 to res5 and their shortcuts, both pathways; the stem keeps its stride.
    Phase 1 stops at top-1 of the central clip, which on nearly equal classes is the mean per class. Its SlowFast is
    plain, on frames; networks on residual frames start from it too. TSM's sees single frames without a shift: with
    zeros at the ends a shift of one frame would silence a quarter of the channels. One phase 1 for all seeds.
    What phase 2 starts from computes what phase 1 did, but for activations, pooling, gates and TAM; in evaluation mode:
    in training the normalisation behind a (2+1)D convolution sees maps that are rectified already.
    60 epochs for each phase (three steps of the rate); short side 128; crops of 112 for TSM too; strengths of lighting
    (0.1) and contrast (0.2); corners for half of the crops. Scale 0.8 of 112 cannot be cropped to 112: the crop's side
    varies. Each training clip is played forward, backward or concatenated, one in three each.
    Concatenated clips: 32 frames and the same backward, which keeps 64.
    Residual frames: of normalised RGB, after augmentation and playback, times 4. A video that is shorter than a clip is
    played in a loop, and one difference is its jump.
    Ten random test clips: drawn once for a length, the same for all settings.
    "*2", "*4" in Table 4: weights of logits. Running a setting more often would only average out its draws.

Where paper and released code differ, and which we follow
    No code was released.

Not as published
    The embedded benchmark: a quarter of the width, fewer blocks (R101 has two more in res4 than R50), no pooling behind
    the stem; 16 frames for SlowFast and 8, half of them, for TSM, where the paper has 64 and 16; AdamW, up to 30 epochs
    for phase 1 and 8 for phase 2; TSM's phase 1 until 45 %, as single frames say less there; three random test clips in
    place of ten; half of the held-out videos for validation, half for the test split (profiles.py,
    experiments/vipriors_profiles.py). Branches that start silent stay nearly so in 8 epochs.

Known errors in the published tables
    ID 15 (71.3) is likely 75.3: all else at interval 2 is within a point of interval 1, flip 4.1 above centre.
    TSM R50 has 72.1 in Table 2 and 70.8 in Table 3, which is R101's in Table 2.
    Non-local and TAM lower ELU+POOL (72.8 and 71.2 against 73.1), where the text calls all modules improvements; TSM's
    shift lowers R101. "Replacing ReLU with ELU improved the accuracy" has no row without POOL, SE none at all.
    84.5 of Table 4's first row, of seven tests of two networks with 75.6 at best, cannot be on the same split after the
    same training: such tests add one to four points.
    "Contacted" reads concatenated, "3DResRet50" 3DResNet50; "(Interval)" of Table 4's second row is interval 1.

Symbols
    N clips, T frames, C channels; k side of a kernel; alpha fast over slow frames; L_i logits of setting i; D_t the
    residual frame F_{t+1} - F_t.
"""

from lightning_modules.vipriors.module import Vipriors

__all__ = ["Vipriors"]
