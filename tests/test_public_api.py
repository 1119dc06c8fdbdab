"""What every public name of the teaching modules owes its readers: a docstring and type hints."""

import importlib
import inspect
import pkgutil

import pytest

import aelib

COMMAND_LINE = ("__main__", "_terminal", "bundle", "classroom", "series")
TEACHING = [
    name
    for _, name, _ in pkgutil.walk_packages(aelib.__path__, "aelib.")
    if name.split(".")[1] not in COMMAND_LINE and not name.split(".")[-1].startswith("_")
]


def public(module):
    """Yield (name, object) of the functions, classes and methods that a module defines itself."""
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(value):
            yield name, value
        elif inspect.isclass(value):
            yield name, value
            for method, function in vars(value).items():
                # What a base class documents, such as Keras's `call`, needs no words of its own.
                inherited = any(hasattr(base, method) for base in value.__bases__)
                function = getattr(function, "fget", function)
                if inspect.isfunction(function) and not method.startswith("_") and not inherited:
                    yield f"{name}.{method}", function


@pytest.mark.parametrize("module", [*TEACHING, "aelib.series.verdict"])
def test_public_names_have_docstrings_and_functions_type_hints(module):
    for name, value in public(importlib.import_module(module)):
        assert inspect.getdoc(value), f"{module}.{name} has no docstring"
        if inspect.isclass(value):
            continue
        signature = inspect.signature(value)
        untyped = [
            parameter.name
            for parameter in signature.parameters.values()
            if parameter.annotation is parameter.empty and parameter.name not in ("self", "cls")
        ]
        assert not untyped, f"{module}.{name}: no type for {untyped}"
        assert signature.return_annotation is not signature.empty, f"{module}.{name}: no type for what it returns"


def test_the_modules_of_the_teaching_library_are_found():
    assert {"aelib.layers.sparse", "aelib.regularizers", "aelib.training", "aelib.data"} <= set(TEACHING)
