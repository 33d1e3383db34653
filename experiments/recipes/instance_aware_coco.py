"""Instance-aware colorization of COCO, its objects' boxes from the annotations.

The published schedule, in steps of 16 pictures. The paper begins with a trained zhang17:
--method.start FILE.

Command: crosschroma train instance_aware_coco
Time:    wants a GPU
Result:  none; the paper has LPIPS .110, 28.592 dB PSNR and SSIM .944 on val2017 at 256 px,
    with boxes from a detector (read second-hand; later papers measure less for the same model)
"""

from ...datasets.coco import Coco
from ...datasets.loading.views import TrainView
from ...models.instance_aware.method import InstanceAware
from ..experiment import Experiment, Training

_METHOD = InstanceAware.Config()

experiment = Experiment(
    name="instance_aware_coco",
    method=_METHOD,
    data=Coco(min_chroma=10.0),
    train_view=TrainView(size=256),
    training=Training(
        steps=sum(stage.steps for stage in _METHOD.stages),
        batch_size=16,
        schedule="linear",
        result="last",
        validate_every=10_000,
        checkpoint_every=10_000,
    ),
)
