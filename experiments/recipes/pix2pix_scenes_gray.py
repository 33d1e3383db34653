"""Small pix2pix on generated scenes, L* to ab: part of `make demo`.

Command: crosschroma train pix2pix_scenes_gray
Time:    about 45 s on two cores of an Intel Xeon
Result:  25.5 dB PSNR, 7.3 degrees AE on 32 scenes
"""

from dataclasses import replace

from .pix2pix_scenes_nir import experiment as nir

experiment = replace(nir, name="pix2pix_scenes_gray", method=replace(nir.method, domain="gray"))
