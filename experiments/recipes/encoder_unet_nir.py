"""``encoder_unet_vcip_all`` with photographs of other things, in simulated NIR, among its pairs.

VCIP shows country, fields, forest and mountains only. These are the weights that come with the
package, for NIR pictures of anything.

Command: crosschroma train encoder_unet_nir
Time:    not run yet
Result:  not run yet
"""

from dataclasses import replace

from ...datasets.imagenet import ImageNetSample
from ...datasets.simulated_nir import PairsAndSimulated
from .encoder_unet_vcip_all import experiment as pairs_only

experiment = replace(
    pairs_only,
    name="encoder_unet_nir",
    data=PairsAndSimulated(pairs=pairs_only.data, photos=ImageNetSample(), share=0.5),
)
