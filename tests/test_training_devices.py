"""Training on several devices gives the numbers of one."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

TRAIN = """
import json, sys
import keras, numpy as np
from aelib import initializers, models, training
if sys.argv[1] == "parallel":
    keras.distribution.set_distribution(keras.distribution.DataParallel())
    assert len(keras.distribution.list_devices()) == 8
images = np.random.default_rng(0).random((int(sys.argv[2]), 28, 28, 1), "float32") ** 2
model = initializers.data_dependent(models.lecture_autoencoder(), images)
try:
    settings = {"epochs": 4, "batch_size": int(sys.argv[3]), "learning_rate": 0.01, "seed": 0, "verbose": 0}
    history = training.fit(model, images, **settings).history
    print(json.dumps({"mse": history["mse"], "devices": len(model.trainable_weights[0].value.sharding.device_set)}))
except ValueError as error:
    print(json.dumps(str(error)))
"""


def trained(kind, count, batch_size):
    environment = {"KERAS_BACKEND": "jax", "XLA_FLAGS": "--xla_force_host_platform_device_count=8"}
    done = subprocess.run(
        [sys.executable, "-c", TRAIN, kind, str(count), str(batch_size)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.backend
@pytest.mark.only_on("jax")  # the one backend on which Keras shares batches among devices
def test_eight_devices_give_the_loss_of_one():
    one, eight = trained("single", 240, 80), trained("parallel", 240, 80)
    assert (one["devices"], eight["devices"]) == (1, 8)
    np.testing.assert_allclose(eight["mse"], one["mse"], rtol=0, atol=1e-6)
    assert one["mse"][-1] < one["mse"][0]


@pytest.mark.backend
@pytest.mark.only_on("jax")  # the one backend on which Keras shares batches among devices
@pytest.mark.parametrize(("count", "batch_size", "received"), [(240, 50, "50 and 40"), (244, 80, "80 and 4")])
def test_a_batch_that_does_not_divide_is_refused(count, batch_size, received):
    words = f"batch_size must give batches that 8 devices can share equally; received {received}"
    assert trained("parallel", count, batch_size) == words
