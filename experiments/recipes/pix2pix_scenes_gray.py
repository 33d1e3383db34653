"""Small pix2pix on generated scenes, L* to ab: part of `make demo`.

Command: crosschroma train pix2pix_scenes_gray
Time:    110 s of processor time beside other work
Result:  25.8 dB PSNR, 7.2 degrees AE on 32 scenes
"""

from dataclasses import replace

from .pix2pix_scenes_nir import experiment as nir

experiment = replace(nir, name="pix2pix_scenes_gray", method=replace(nir.method, domain="gray"))
