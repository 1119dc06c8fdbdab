"""The names of aelib 0.2: each works, with a DeprecationWarning that names the present one."""

import importlib
import json
import re
import zipfile

import keras
import numpy as np
import pytest
from helpers import autoencoder, blobs, images_like, refusal

import aelib.corruption
import aelib.sparsity
from aelib import corruption, initializers, layers, metrics, models, regularizers, training

MOVED = {
    "aelib.sparsity.Dictionary": "aelib.layers.Dictionary",
    "aelib.sparsity.SparsityPenalty": "aelib.layers.SparsityPenalty",
    "aelib.sparsity.TopK": "aelib.layers.TopK",
    "aelib.sparsity.UnrolledEncoder": "aelib.layers.UnrolledEncoder",
    "aelib.sparsity.KLSparsity": "aelib.regularizers.KLSparsity",
    "aelib.sparsity.L1Sparsity": "aelib.regularizers.L1Sparsity",
    "aelib.sparsity.l0": "aelib.regularizers.l0",
    "aelib.training.centred_start": "aelib.initializers.data_dependent",
    "aelib.training.History": "keras.callbacks.History",
}
LAYERS = {"Gaussian": "ClippedGaussianNoise", "Masking": "MaskingNoise", "SaltAndPepper": "SaltAndPepperNoise"}


def find(path):
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def names(*words):
    """Expect a DeprecationWarning that has some words in this order, the last ones at its end."""
    return pytest.warns(DeprecationWarning, match=".*".join(map(re.escape, words)) + "$")


@pytest.mark.parametrize("old", MOVED)
def test_a_name_that_moved_is_found_under_its_former_one(old):
    with names(old, "deprecated", f"use {MOVED[old]}") as caught:
        assert find(old) is find(MOVED[old])
    assert caught[0].filename == __file__


def test_a_name_is_imported_from_its_former_module():
    with names("aelib.sparsity.TopK", "aelib.layers.TopK"):
        from aelib.sparsity import TopK
    assert TopK is layers.TopK


@pytest.mark.parametrize("module", ["aelib.sparsity", "aelib.training", "aelib.corruption"])
def test_a_name_that_never_was_is_an_attribute_error(module):
    with pytest.raises(AttributeError, match=f"module '{module}' has no attribute 'Nothing'"):
        find(f"{module}.Nothing")


def test_a_name_that_is_gone_says_what_to_use():
    with pytest.raises(AttributeError, match=r"aelib.training.ImageFiles was removed .*PyDataset, .*DataLoader"):
        find("aelib.training.ImageFiles")


@pytest.mark.parametrize("old", LAYERS)
def test_a_layer_of_noise_works_under_its_former_name(old):
    with names(f"aelib.corruption.{old} ", f"use aelib.layers.{LAYERS[old]}"):
        make = getattr(aelib.corruption, old)
    with names(f"aelib.corruption.{old}", f"use aelib.layers.{LAYERS[old]}") as caught:
        layer = make(0.25, seed=3)
    assert caught[0].filename == __file__
    assert isinstance(layer, getattr(layers, LAYERS[old]))
    images = images_like()
    expected = getattr(layers, LAYERS[old])(0.25, seed=3)(images, training=True)
    found = layer(images, training=True)
    np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (found, expected)))


def test_the_former_names_of_arguments_are_taken():
    images = blobs()
    with names("gaussian(sigma=...)", "use stddev=..."):
        found = corruption.gaussian(images, sigma=0.2)
    np.testing.assert_array_equal(found, corruption.gaussian(images, stddev=0.2))
    with pytest.warns(DeprecationWarning):
        assert aelib.corruption.Gaussian(sigma=0.2).amount == 0.2
    with names("data_dependent(deviation=...)", "use stddev=..."), names("output_deviation", "use output_stddev=..."):
        model = initializers.data_dependent(autoencoder(), images, deviation=1.0, output_deviation=0.1)
    expected = initializers.data_dependent(autoencoder(), images, stddev=1.0, output_stddev=0.1)
    np.testing.assert_array_equal(model.get_weights()[0], expected.get_weights()[0])


@pytest.mark.parametrize("name", ["mse", "mse_per_image", "psnr", "ssim", "explained_variance"])
def test_the_former_names_of_the_arguments_of_a_metric_are_taken(name):
    metric, first, second = getattr(metrics, name), blobs(), blobs(seed=1)
    old = "data" if name == "explained_variance" else "images"
    with names(f"{name}({old}=...)", "use y_true=..."), names(f"{name}(reconstruction=...)", "use y_pred=..."):
        found = metric(**{old: first, "reconstruction": second})
    np.testing.assert_array_equal(found, metric(first, second))


def test_the_former_names_of_the_arguments_of_fit_are_taken(passed_on):
    given = [blobs(seed=seed) for seed in range(4)]
    with names("fit(images=...)", "x=..."), names("target", "y=..."), names("validation", "validation_data=..."):
        training.fit(autoencoder(), images=given[0], target=given[1], validation=(given[2], given[3]), epochs=1)
    for found, expected in zip(passed_on, given, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_an_argument_given_by_both_names_is_refused():
    message = refusal(lambda: corruption.gaussian(blobs(), sigma=0.1, stddev=0.1), TypeError)
    assert message == "gaussian() takes stddev or its former name sigma; received both"


def test_rows_of_a_dictionary_are_its_atoms():
    dictionary = layers.Dictionary(9)
    dictionary.build((None, 4))
    with names("Dictionary.rows()", "use Dictionary.atoms") as caught:
        rows = dictionary.rows()
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (rows, dictionary.atoms)))


def test_glorot_start_draws_from_the_range_of_the_formula_times_a_factor_and_clears_biases():
    with names("aelib.training.glorot_start", "use the argument kernel_initializer of aelib.models"):
        start = training.glorot_start
    model = start(models.lecture_autoencoder(), factor=4, seed=1)
    for layer in model.encoder.layers[1:4]:
        kernel, bias = layer.get_weights()
        limit = 4 * np.sqrt(6 / sum(kernel.shape))
        assert 0.99 * limit < np.abs(kernel).max() <= limit * (1 + 1e-6)
        assert kernel.std() == pytest.approx(limit / np.sqrt(3), rel=0.02)
        assert not bias.any()


def test_fast_settings_are_those_of_the_recipe():
    model = autoencoder()
    model(blobs(2))
    with names("aelib.training.fast_settings", "use aelib.training.recipe(model=...)"):
        settings = training.fast_settings
    recipe = training.recipe(steps=40, model=model)
    assert settings(model, 4, 10) == {name: recipe[name] for name in ("jit_compile", "steps_per_execution")}


# Files

OLD_MODULES = {
    "Gaussian": "aelib.corruption",
    "Masking": "aelib.corruption",
    "SaltAndPepper": "aelib.corruption",
    "SparsityPenalty": "aelib.sparsity.penalties",
    "L1Sparsity": "aelib.sparsity.penalties",
    "TopK": "aelib.sparsity.layers",
    "Dictionary": "aelib.sparsity.layers",
    "UnrolledEncoder": "aelib.sparsity.layers",
    "DepthToSpace": "aelib.models",
}


def as_written_by_the_former_release(config):
    """Return a configuration with the modules and argument names that aelib 0.2 wrote."""
    if isinstance(config, list):
        return [as_written_by_the_former_release(one) for one in config]
    if not isinstance(config, dict):
        return config
    config = {name: as_written_by_the_former_release(one) for name, one in config.items()}
    if config.get("class_name") in OLD_MODULES:
        config["module"] = OLD_MODULES[config["class_name"]]
        assert config["registered_name"] == f"aelib>{config['class_name']}"
        if config["class_name"] == "Gaussian":
            config["config"]["sigma"] = config["config"].pop("stddev")
    return config


@pytest.mark.backend
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_file_of_the_former_release_is_read(tmp_path):
    shape, dictionary = (8, 8, 1), layers.Dictionary(64)
    noise = [getattr(corruption, name)(0.25, seed=index) for index, name in enumerate(LAYERS)]
    flat = [keras.layers.Flatten(), layers.UnrolledEncoder(dictionary, 12, 3), layers.TopK(2)]
    image = [dictionary, keras.layers.Reshape((4, 4, 4)), layers.DepthToSpace()]
    model = models.Autoencoder(
        keras.Sequential([keras.Input(shape), *noise, *flat]),
        keras.Sequential([keras.Input((12,)), *image]),
        layers.SparsityPenalty(regularizers.L1Sparsity(0.25)),
    )
    images = blobs(4)
    answer = model.reconstruct(images)
    model.save(tmp_path / "present.keras")
    with zipfile.ZipFile(tmp_path / "present.keras") as present, zipfile.ZipFile(tmp_path / "old.keras", "w") as old:
        for name in present.namelist():
            content = present.read(name)
            if name == "config.json":
                content = json.dumps(as_written_by_the_former_release(json.loads(content)))
                for former in set(OLD_MODULES) - {"L1Sparsity"}:
                    assert f'"module": "{OLD_MODULES[former]}", "class_name": "{former}"' in content
                assert '"sigma": 0.25' in content and "stddev" not in content
            old.writestr(name, content)
    loaded = keras.saving.load_model(tmp_path / "old.keras")
    np.testing.assert_array_equal(loaded.reconstruct(images), answer)
    assert loaded.penalty.regularizer.weight == 0.25
    degraded = loaded.encoder.layers[0](images, training=True)
    np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (degraded, noise[0](images, training=True))))
