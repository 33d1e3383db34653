"""Small instance-aware colorization of generated scenes, which know where their objects are.

Command: crosschroma train instance_aware_scenes
Time:    not run yet
Result:  not run yet
"""

from ...datasets.loading.views import EvalView, TrainView
from ...datasets.scenes.adapter import Scenes
from ...models.base.stages import RatedStage
from ...models.instance_aware.method import InstanceAware
from ..experiment import Experiment, Training

experiment = Experiment(
    name="instance_aware_scenes",
    method=InstanceAware.Config(
        width=16,
        crop_size=64,
        stages=(
            RatedStage(name="full", steps=200, lr=2e-3),
            RatedStage(name="instance", steps=150, lr=1e-3),
            RatedStage(name="fusion", steps=50, lr=1e-3),
        ),
    ),
    data=Scenes(size=128, count_validation=16, count_test=32),
    train_view=TrainView(size=128),
    eval_view=EvalView(size=128),
    training=Training(
        steps=400,
        batch_size=8,
        schedule="cosine",
        warmup=10,
        result="last",
        validate_every=50,
        checkpoint_every=50,
    ),
)
