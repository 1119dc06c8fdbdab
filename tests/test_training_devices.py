"""Training on several devices gives the numbers of one; Adam on PyTorch is the Adam of Keras."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from aelib import models, training

TRAIN = """
import json, sys
import keras, numpy as np
from aelib import models, training
if sys.argv[1] == "parallel":
    keras.distribution.set_distribution(keras.distribution.DataParallel())
    assert len(keras.distribution.list_devices()) == 8
images = np.random.default_rng(0).random((int(sys.argv[2]), 28, 28, 1), "float32") ** 2
model = training.centred_start(models.lecture_autoencoder(), images)
try:
    history = training.fit(model, images, epochs=4, batch_size=int(sys.argv[3]), learning_rate=0.01, verbose=False)
    print(json.dumps({"mse": history.mse, "devices": len(model.trainable_weights[0].value.sharding.device_set)}))
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


@pytest.mark.backend
@pytest.mark.only_on("torch")  # the others fuse Adam when they compile
@pytest.mark.parametrize("decay", [0.0, 0.05])
def test_the_fused_update_is_the_update_of_keras(monkeypatch, decay):
    images = np.random.default_rng(0).random((60, 8, 8, 1), "float32")

    def fitted():
        encoder = models.mlp_encoder((8, 8, 1), 2, (16,))
        model = models.Autoencoder(encoder, models.mlp_decoder((8, 8, 1), 2, (16,)))
        model.build((None, 8, 8, 1))
        training.glorot_start(model, factor=4)
        given = {"batch_size": 20, "learning_rate": 0.02, "weight_decay": decay, "verbose": False}
        history = training.fit(model, images, epochs=20, **given)
        return history.mse, model.get_weights(), model.optimizer

    fused, weights, optimizer = fitted()
    assert optimizer._parallel_update_step.__name__ == "_fused_step"
    monkeypatch.setattr(
        "aelib.training.recipe.adam", lambda rate, decay: keras.optimizers.Adam(rate, weight_decay=decay)
    )
    plain, expected, optimizer = fitted()
    assert optimizer._parallel_update_step.__name__ == "_parallel_update_step"
    np.testing.assert_allclose(fused, plain, rtol=1e-5)
    for one, other in zip(weights, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)
