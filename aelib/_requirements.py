"""Check, before a subcommand does anything, for what it needs that may not be installed."""

import importlib.util
import sys

import click

from aelib import _terminal as terminal

# The packages that a subcommand needs, by the extra that installs them. They are listed here because a checkout that is
# not installed has no metadata to read them from; a test compares them with pyproject.toml.
RUN = ("ipykernel", "jinja2", "latex2mathml", "nbclient", "nbconvert", "nbformat", "nh3", "papermill", "psutil", "tqdm")
EXTRAS = {
    "run": RUN,
    "sweep": (*RUN, "dask", "distributed", "pandas", "pyarrow"),
    "classroom": (*RUN, "copydetect"),
}


class RequiringCommand(terminal.Command):
    """A subcommand that checks first for the packages of an extra, a module of aelib and the operating system."""

    def __init__(self, *args, extra=None, module=None, systems=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.extra, self.module, self.systems = extra, module, systems

    def invoke(self, context):
        if self.systems and sys.platform == "win32":
            raise click.UsageError(f"aelib {self.name} needs {self.systems}; this is Windows")
        if self.module and not importlib.util.find_spec(self.module):
            raise click.UsageError(f"aelib {self.name} is for instructors and not part of a student's copy of aelib")
        if missing := [name for name in EXTRAS.get(self.extra, ()) if not importlib.util.find_spec(name)]:
            remedy = f'run python -m pip install "aelib[{self.extra}]"'
            raise click.UsageError(f"aelib {self.name} needs {', '.join(missing)}, not installed here; {remedy}")
        return super().invoke(context)
