"""Small U-Net on generated scenes, L* to ab: part of `make demo`.

Command: crosschroma train unet_scenes_gray
Time:    about 60 s on two cores of an Intel Xeon
Result:  25.9 dB PSNR, 7.1 degrees AE on 32 scenes
"""

from dataclasses import replace

from .unet_scenes_nir import experiment as nir

experiment = replace(nir, name="unet_scenes_gray", method=replace(nir.method, domain="gray"))
