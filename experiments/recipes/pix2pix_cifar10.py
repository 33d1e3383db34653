"""pix2pix for ab on CIFAR-10, whose photographs of 32 pixels are enlarged to 64.

Students' projects enlarge them to 256, where all 8 levels fit (--train-view.size 256
--eval-view.size 256 --method.levels 8) at 16 times the cost; the critic is theirs, four halvings.

Command: crosschroma train pix2pix_cifar10 --root DIR
Time:    wants a GPU
Result:  none
"""

from ...datasets.cifar10 import Cifar10
from ...datasets.loading.views import EvalView, TrainView
from ...models.pix2pix import Pix2Pix
from ..experiment import Experiment, Training

experiment = Experiment(
    name="pix2pix_cifar10",
    method=Pix2Pix.Config(domain="gray", levels=6, discriminator="patch94"),
    data=Cifar10(min_chroma=10.0),
    train_view=TrainView(size=64),
    eval_view=EvalView(size=64),
    training=Training(
        steps=20_000,
        batch_size=16,
        precision="bf16-mixed",
        schedule="linear",
        result="last",
        validate_every=2000,
        checkpoint_every=1000,
    ),
)
