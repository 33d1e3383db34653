"""Small U-Net on generated scenes, L* to ab: part of `make demo`.

Command: crosschroma train unet_scenes_gray
"""

from dataclasses import replace

from .unet_scenes_nir import experiment as nir

experiment = replace(nir, name="unet_scenes_gray", method=replace(nir.method, domain="gray"))
