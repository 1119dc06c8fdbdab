"""The command line: aelib list | run | sweep | data | release | grade | bundle, or python -m aelib."""

import os
import re
import sys
import traceback

import click

from aelib import __version__
from aelib import _terminal as terminal
from aelib._requirements import RequiringCommand
from aelib.series.spec import UsageError

PROFILE = "quick, standard or full."
BACKEND = "tensorflow, jax or torch; the environment variable KERAS_BACKEND sets it, too."
PARAMETER = "Set a parameter of the notebook; aelib list shows them."
DEADLINE = "Stop a notebook that takes longer; no limit by default."
GRID = "A parameter (or backend) and its values; 0..9 means 0 to 9. Several grids are combined."
WORKERS = "Points to run in parallel; by default half the cores."
ASSIGNMENT = "Name of the assignment; needed if the file names do not contain it."
TIME_LIMIT = "Time per submission; a single step gets at most half of the time left."
MEMORY_LIMIT = "Memory per submission, including all processes that it starts."
TRUST = "Run submissions without a sandbox; their code then has all your permissions."
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110, "show_default": True}


class _Unfinished(click.ClickException):
    """Work that started but did not finish."""


class _LocalPath(click.ParamType):
    """A path on this machine, with ~ expanded."""

    name = "path"

    def convert(self, value, param, context):
        name = param.opts[0] if isinstance(param, click.Option) else param.metavar
        if not value.strip():
            raise click.UsageError(f"{name} must be a path; received an empty string")
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", value):
            raise click.UsageError(f"{name} must be a path on this machine; received the URL {value[:200]!r}")
        path = os.path.expanduser(value)
        if path.startswith("~"):
            raise click.UsageError(f"{name} must be a path; received {value[:200]!r}, whose user has no home folder")
        return path


@click.group(cls=terminal.Group, invoke_without_command=True, context_settings=CONTEXT)
@click.version_option(__version__, message="aelib %(version)s")
@click.pass_context
def cli(context):
    """Autoencoders in guided notebooks: execute and check them, fetch their data, hand out and grade assignments."""
    if context.invoked_subcommand is None:
        terminal.echo(context.get_help())


def _out(default, help, metavar="FOLDER"):
    return click.option("--out", default=default, type=_LocalPath(), metavar=metavar, help=help)


def _finite(context, option, value):
    if value is not None and not value < float("inf"):
        raise click.UsageError(f"--deadline must be a finite number of seconds; received {value}")
    return value


def _run_options(command):
    """Add the options that `run` and `sweep` share."""
    options = (
        click.option("--profile", default="standard", metavar="NAME", help=PROFILE),
        click.option("--backend", default="tensorflow", envvar="KERAS_BACKEND", metavar="NAME", help=BACKEND),
        click.option("-p", "given", nargs=2, multiple=True, metavar="NAME VALUE", help=PARAMETER),
        click.option(
            "--deadline", type=click.FloatRange(0, min_open=True), callback=_finite, metavar="SECONDS", help=DEADLINE
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@cli.command("list")
@click.argument("notebooks", nargs=-1, metavar="[NOTEBOOK ...]")
def list_(notebooks):
    """Show notebooks (all by default) with their parameters, profiles and targets."""
    from aelib.series import catalog, spec

    series = spec.load_series()
    terminal.echo(catalog.describe(catalog.select_notebooks(series, notebooks or series)))


@cli.command(cls=RequiringCommand, extra="run", systems="Linux, macOS or WSL")
@click.argument("notebooks", nargs=-1, metavar="[NOTEBOOK ...]")
@click.option("--all", "everything", is_flag=True, help="Execute the further notebooks, too.")
@terminal.verbosity_options("Print a line for every cell, with its time.")
@_run_options
@_out("reports", "Folder for the report.")
@click.option("--jobs", default=1, type=click.IntRange(min=1), help="Notebooks to run in parallel.")
def run(notebooks, everything, profile, backend, given, deadline, out, jobs):
    """Execute notebooks of the series (the chapters by default), check their targets, and publish a report.

    NOTEBOOK is a name, its beginning, a word in it, or a path: 01, compression, notebooks/01_compression.ipynb.

    Exit code: 0 every target reached; 1 a target missed; 2 bad usage; 3 a notebook did not finish; 130 or 143
    interrupted.
    """
    if everything and notebooks:
        raise click.UsageError(f"--all runs every notebook; leave out --all, or {' '.join(notebooks)[:200]}")
    # Imported here, so that help and usage errors need not wait for papermill and nbconvert.
    from aelib.series import results, runner, spec

    plans = runner.plan(spec.load_series() if everything else notebooks, profile, backend, given)
    try:
        done, signal = runner.run(plans, profile, backend, out, jobs=jobs, deadline=deadline)
    except OSError as error:
        raise _Unfinished(f"the report could not be written: {error}") from error
    terminal.echo(results.verdict_text(done, terminal.paint))
    terminal.echo(f"\n{os.path.join(out, 'index.html')}")
    return {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}.get(signal, done.exit_code)


@cli.command(cls=RequiringCommand, extra="sweep", systems="Linux, macOS or WSL")
@click.argument("notebook", metavar="NOTEBOOK")
@click.option("--grid", "grids", multiple=True, required=True, metavar="NAME=V1,V2,...", help=GRID)
@terminal.verbosity_options("Also print the metrics of every point.")
@_run_options
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help=WORKERS)
@click.option("--scheduler", metavar="ADDRESS", help="Dask cluster to use instead; its workers need the same aelib.")
@_out("sweeps", "Folder for the table.")
def sweep(notebook, grids, profile, backend, given, deadline, workers, scheduler, out):
    """Execute a notebook at every point of a grid, and write one table and a plot.

    Finished points are kept in the folder and not executed again, until the notebook, the library or a
    version changes.

    Exit code: 0 every target reached; 1 a target missed; 2 bad usage; 3 a point did not finish; 130 interrupted.
    """
    if workers and scheduler:
        raise click.UsageError("--workers and --scheduler cannot be used together")
    from aelib.series import sweep as sweeps
    from aelib.series import sweep_table

    planned, points = sweeps.plan(notebook, grids, profile, backend, given)
    try:
        rows = sweeps.sweep(planned, points, profile, out, workers=workers, scheduler=scheduler, deadline=deadline)
    except ConnectionError as error:
        raise _Unfinished(str(error)) from error
    except OSError as error:
        raise _Unfinished(f"the table could not be written: {error}") from error
    terminal.echo(sweep_table.summary(rows, [point.grid_values for point in points], terminal.paint))
    terminal.echo(f"\n{os.path.join(out, planned.name)}.csv")
    return sweep_table.exit_code(rows)


@cli.command()
@click.argument("names", nargs=-1, metavar="[NAME ...]")
def data(names):
    """Download and verify the named data sets; without a name, list them."""
    from aelib.data import NAMES, describe, fetch

    for name in names:
        if name not in NAMES:
            raise click.UsageError(f"no data set {name!r}; available: {', '.join(NAMES)}")
    for name in names or NAMES:
        terminal.echo(fetch(name) if names else describe(name))


@cli.command(cls=RequiringCommand, extra="run", module="aelib.classroom.release")
@click.argument("assignments", nargs=-1, metavar="[ASSIGNMENT ...]")
@_out("release", "A new folder, or a zip if the name ends in .zip.", metavar="PATH")
def release(assignments, out):
    """Write the student version of assignments (all by default), with everything needed to run it."""
    from aelib.classroom.release import release as write_release

    for path in write_release(assignments, out):
        terminal.echo(path)


@cli.command(cls=RequiringCommand, extra="classroom", module="aelib.classroom.grade_class", systems="Linux or WSL")
@click.argument("submissions", type=_LocalPath(), metavar="SUBMISSIONS")
@click.option("--assignment", "name", metavar="NAME", help=ASSIGNMENT)
@terminal.verbosity_options()
@_out("grades", "Folder for the grades.")
@click.option("--jobs", default=1, type=click.IntRange(min=1), help="Submissions to grade in parallel.")
@click.option("--time-limit", default=600.0, type=click.FloatRange(1, 86400), metavar="SECONDS", help=TIME_LIMIT)
@click.option("--memory-limit", default=4096, type=click.IntRange(min=128), metavar="MB", help=MEMORY_LIMIT)
@click.option("--trust-submissions", is_flag=True, help=TRUST)
def grade(submissions, name, out, jobs, time_limit, memory_limit, trust_submissions):
    """Grade the notebooks of a class.

    SUBMISSIONS is a folder with a folder, zip or notebook for each student, or a zip of such a folder.

    Exit code: 0 every submission was graded, whatever the grade; 2 bad usage; 130 interrupted.
    """
    from aelib.classroom.grade_class import grade_class
    from aelib.classroom.sandbox import Limits

    grade_class(submissions, name, out, jobs, Limits(time_limit, memory_limit * 2**20, trust_submissions))


@cli.command()
@_out("autoencoders.zip", "A new folder, or a zip if the name ends in .zip.", metavar="PATH")
def bundle(out):
    """Write the notebooks and the library to a folder or zip from which students can install them."""
    from aelib.bundle import bundle as write_bundle

    terminal.echo(write_bundle(out))


def main():
    """Run the command line. A usage error is one line and exit code 2; failing output never changes the exit code."""
    terminal.guard()
    try:
        code = cli.main(prog_name="aelib", standalone_mode=False)
    except click.ClickException as error:
        terminal.error(error.format_message())
        code = 3 if isinstance(error, _Unfinished) else 2
    except UsageError as error:
        terminal.error(error)
        code = 2
    except (click.Abort, KeyboardInterrupt):
        code = 130
    except Exception:
        # Python's own exit code for a crash is 1, which here says that a target was missed.
        traceback.print_exc()
        code = 3
    sys.exit(code or 0)


if __name__ == "__main__":
    main()
