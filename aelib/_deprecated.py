"""Keep renamed public names working for one release, with a DeprecationWarning that names the new one."""

import functools
import importlib
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable)


def warn(old: str, new: str, stacklevel: int = 3) -> None:
    """Warn the caller's caller that a name is deprecated."""
    message = f"{old} is deprecated and will be removed in aelib 0.4; use {new}"
    warnings.warn(message, DeprecationWarning, stacklevel=stacklevel)


def renamed_arguments(**names: str) -> Callable[[Function], Function]:
    """Decorate a function so that it also accepts its former keyword arguments, {former: present}."""

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            for old, new in names.items():
                if old in kwargs:
                    if new in kwargs:
                        raise TypeError(f"{function.__name__}() takes {new} or its former name {old}; received both")
                    warn(f"{function.__name__}({old}=...)", f"{new}=...")
                    kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return wrapper  # type: ignore[return-value]

    return decorate


def renamed_names(
    module: str, names: dict[str, str], *, instead: dict[str, str] | None = None, removed: dict[str, str] | None = None
) -> Callable[[str], Any]:
    """Return a `__getattr__` for a module whose names moved.

    Args:
        module: its `__name__`.
        names: {former name: full path of its replacement}.
        instead: {former name: what the warning says to use}, where that is not the replacement.
        removed: {removed name: what to do instead}.
    """

    def __getattr__(name):
        if name in names:
            warn(f"{module}.{name}", (instead or {}).get(name, names[name]))
            home, _, attribute = names[name].rpartition(".")
            return getattr(importlib.import_module(home), attribute)
        if removed and name in removed:
            raise AttributeError(f"{module}.{name} was removed in aelib 0.3; {removed[name]}")
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return __getattr__


def glorot_start(model, *, factor=1.0, seed=0):
    """Draw the weights of dense layers as Glorot and Bengio (2010) do, times a factor; set their biases to zero."""
    import keras

    from aelib._network import chain

    dense = [layer for layer in chain(model) if isinstance(layer, keras.layers.Dense)]
    for index, layer in enumerate(dense):
        draw = keras.initializers.VarianceScaling(factor**2, "fan_avg", "uniform", seed=seed + index)
        layer.kernel.assign(draw(layer.kernel.shape))
        if layer.use_bias:
            layer.bias.assign(keras.ops.zeros_like(layer.bias))
    return model


def fast_settings(model, steps, epochs):
    """Return the settings of `training.recipe` that are for speed; `steps` are the updates per epoch."""
    from aelib.training import recipe

    settings = recipe(steps=steps * epochs, model=model)
    return {name: settings[name] for name in ("jit_compile", "steps_per_execution")}
