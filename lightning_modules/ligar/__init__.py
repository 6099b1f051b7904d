"""LIGAR: Lightweight General-purpose Action Recognition. Evgeny Izutov (Intel), arXiv 2108.13153, 2021.

The idea: put a depthwise temporal kernel into MobileNet-V3 and add a global path (local/global diffusion with attention
pooling), so that one small network serves appearance and motion. Train it as a metric-learning problem (cosines with
class centres, AM-Softmax, two push losses). And do not trust that any clip of a video shows the video's
label: keep a score per frame of how well clips were recognised, and sample clips by it (Adaptive Clip Selection).

Reproduced
    Table 1   experiments/ligar_table1.py     sampling strategy and number of test views
    Table 2   experiments/ligar_table2.py     initialisation, joint pre-training with a head per data set among them
    Table 3   experiments/ligar_table3.py     clip selection (and the share of clips that hit the action)
    Table 4   experiments/ligar_table4.py     state of the art; a released checkpoint by --checkpoint FILE --test-only
    The text's other claims on network and training: experiments/ligar_ablations.py
    Live use: experiments/tools/export.py, demo.py; latency: experiments/benchmarks/latency.py
Schematic drawings, nothing to reproduce
    Figure 1 (network), Figure 2 (a wrongly sampled clip)

Where to find it
    network.py                  local path, head; local_global_diffusion.py: the global path (Sec. III)
    losses.py                   Local-Push, Center-Push, AugMix's consistency (IV.ii); ../losses/am_softmax.py
    self_challenging.py         RSC; ../heads/joint.py: a head per data set (IV.i)
    weights.py                  foreign checkpoints: the authors', torchvision's and timm's image weights
    clip_selection.py           eq. 2, from training to data; datamodules/clip_selection.py: eq. 1, from scores to clips
    profiles.py                 the recipe of Sec. V.iii (eq. 3), and the benchmark's
    datamodules/ligar.py        sampling, crops, augmentation

What the paper leaves open, and what we chose
    Eq. 1 can be read four ways, one of which does not normalise. We take the released code's: a frame with a negative
    score weighs nothing, every other weighs 1 plus its score, and a window weighs the sum of its frames.
    Eq. 2 multiplies by P_i, which eq. 1 uses for the sampling probability; the text means the predicted class's. We
    take the largest cosine, as the code does.
    Epochs, momentum, weight decay, loss weights, margins, scale: not in the paper; the released configuration's.
    How 10 views become one answer: the mean of the cosines, as in the code.
    mAP: the precision envelope's area, mean over the classes that have videos (the code counts absent classes as 0).
    Which ActivityNet videos were tested: unknown. Untrimmed videos with their dominant label here.
    Ten views of sparse sampling: never released. View v takes the phase (v + 1/2) / 10 of each of the 16 segments. Sec.
    VI.ii can also be read as ten parts of the video, each sampled by itself; L01 to L03, L13, L15, L16 hang on it.
    How "from scratch" of Table 2 was trained: here through all stages, in the first with the random backbone frozen.
    How many processes share a batch of 24 clips: the code's two GPUs have 12 each for batch statistics and Local-Push;
    one device here has 24.
    Jester's pictures: the code reads boxes cut around the person beforehand; they were not released, and the paper does
    not mention them. The whole frames here, also where released weights are tested.
    Ten views on Jester: the code's sampler by time stamps gives ten times the same clip. Frame interval 1 here.
    A gesture shorter than a clip: that sampler repeats its first and last frame; here it is played in a loop.
    Whether a head of joint training without a clip in the batch moves its batch statistics: it does, except under RSC.

Where paper and released code differ, and which we follow
    Blocks: the paper says MobileNet-V3-Large, the code has an earlier layout; only the code's has the published
    4.47 M parameters and 4.74 GFLOPs. Code.
    Published sizes: 4.47 M counts the 27-class network with batch normalisation folded; 4.74 GFLOPs counts
    multiplications and additions separately and adds element-wise operations (2.37 G multiply-accumulates).
    Readiness of a video for clip selection: at least 70 % of its frames with a score that is not zero in the paper,
    more than 80 % of its frames visited in the code. More than 70 % visited.
    When scores count: "after each forward pass" in the paper; in the code from the next epoch on, when the loader's
    workers are forked again. Next epoch.
    Which frames get a clip's score: those of the segment in the paper; in the code all from the first to the last
    sampled one, those between them included. Code.
    Batch statistics over several GPUs: averaged at each epoch's end in the code; here the first process's are sent
    to all before each step (data parallel training's default).
    The joint pre-training's second stage of the released configuration (15 epochs at 1e-3, parts fixed) is left out.
    Representation self-challenging is described, and off in the configurations for UCF-101, ActivityNet, Jester. Off.
    AugMix and clip selection are both described; no released configuration uses both. Table 3 without AugMix.
    CrossNorm without its pool file is silently off in the code. Here that is an error, and a command makes the file.
    MixUp is described and then replaced by CrossNorm; the code has it off. Off; an ablation.
    Resuming restarts the loss's scale schedule in the code. Here it is a function of the step, for all heads alike.
    2D weights: the authors' own were never released. torchvision's or timm's fit their block table but for block 13 and
    three small gates; network.CANONICAL takes them whole.

Not as published
    The embedded benchmark trains with AdamW for 30 epochs, without flip, rotation and colour (profiles.py).

Known errors in the published tables
    ActivityNet top-5 falls with clip selection (92.77 to 92.70), against the text.
    59.94 and 92.70 on ActivityNet cannot be shares of the 4,926 official validation videos.
    "Similar computation budget" to 3D-MobileNetV2: 4.74 against 0.45 GFLOPs.
    "Superior" on UCF-101 to dearer methods: both rows of Table 4 with a higher printed cost are above LIGAR.
    "Equal testing protocol" with R(2+1)D-BERT: its views are not printed; ten views of LIGAR cost 47.4 GFLOPs.

Symbols
    F frames, N their number; n window (num_frames * frame_interval); S_i window from frame i; v_k frame score;
    P_i probability of a window; tau, T, alpha: progress, length and exponent of the cosine schedule (eq. 3).
"""

from lightning_modules.ligar.module import Ligar

__all__ = ["Ligar"]
