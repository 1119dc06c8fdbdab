"""The command line: python -m aelib run | sweep | data | release | grade."""

import os
import sys
import traceback

import click


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def cli():
    """Autoencoders in guided notebooks: execute and check them, fetch their data, hand out and grade assignments."""


def _asks_for_a_run(command):
    """The options that `run` and `sweep` share."""
    shared = (
        click.option("--profile", default="standard", metavar="NAME", help="quick, standard (the default) or full."),
        click.option(
            "--backend",
            default=lambda: os.environ.get("KERAS_BACKEND") or "tensorflow",
            metavar="NAME",
            help="tensorflow, jax or torch; $KERAS_BACKEND or tensorflow by default.",
        ),
        click.option(
            "-p",
            "given",
            nargs=2,
            multiple=True,
            metavar="NAME VALUE",
            help="A parameter's value; series.toml lists them.",
        ),
        click.option(
            "--deadline",
            type=click.FloatRange(min=0, min_open=True),
            callback=_finite,
            metavar="SECONDS",
            help="End a notebook that takes longer; without it there is no limit.",
        ),
    )
    for option in reversed(shared):
        command = option(command)
    return command


def _finite(context, option, value):
    if value is not None and not value < float("inf"):
        raise click.UsageError(f"--deadline must be a number of seconds; received {value}")
    return value


@cli.command()
@click.argument("notebooks", nargs=-1, metavar="[NOTEBOOK ...]")
@_asks_for_a_run
@click.option("--out", default="reports", show_default=True, metavar="FOLDER", help="Where the report goes.")
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(min=1), help="Notebooks at a time.")
def run(notebooks, profile, backend, given, deadline, out, jobs):
    """Execute notebooks of the series (all of them by default), check their targets, publish a report.

    Exit code: 0 every target reached; 1 a target missed; 2 bad usage; 3 a notebook did not finish; 130 or 143
    interrupted.
    """
    # Here, so that help and mistakes need not wait for papermill and nbconvert.
    from aelib.series import results, runner

    plans = runner.plan(notebooks, profile, backend, given)
    try:
        done, signal = runner.run(plans, profile, backend, out, jobs=jobs, deadline=deadline)
    except OSError as error:
        return _refuse(f"the report could not be written: {error}", 3)
    click.echo(results.verdict_text(done))
    click.echo(f"\n{os.path.join(out, 'index.html')}")
    return {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}.get(signal, done.exit_code)


@cli.command()
@click.argument("notebook", metavar="NOTEBOOK")
@click.option(
    "--grid",
    "grids",
    multiple=True,
    required=True,
    metavar="NAME=V1,V2,...",
    help="A parameter, or backend, and the values it takes; 0..9 stands for ten. Several grids are combined.",
)
@_asks_for_a_run
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help="On this machine; a half per core by default.")
@click.option("--scheduler", metavar="ADDRESS", help="Of a Dask cluster, instead: its workers need this checkout.")
@click.option("--out", default="sweeps", show_default=True, metavar="FOLDER", help="Where the table goes.")
def sweep(notebook, grids, profile, backend, given, deadline, workers, scheduler, out):
    """Execute a notebook at every point of a grid, on Dask; leave one table of it and a plot.

    A point that reached its end is kept in the folder and not done again, until the notebook, the library or a
    version changes.

    Exit code: 0 every target reached; 1 a target missed; 2 bad usage; 3 a point did not finish; 130 interrupted.
    """
    if workers and scheduler:
        raise click.UsageError("--workers and --scheduler exclude each other")
    from aelib.series import sweep as sweeps
    from aelib.series import table

    planned, points = sweeps.plan(notebook, grids, profile, backend, given)
    try:
        rows = sweeps.sweep(planned, points, profile, out, workers=workers, scheduler=scheduler, deadline=deadline)
    except sweeps.LostScheduler as error:
        return _refuse(error, 3)
    except OSError as error:
        return _refuse(f"the table could not be written: {error}", 3)
    click.echo(table.text(rows, [one.varied for one in points]))
    click.echo(f"\n{os.path.join(out, planned.name)}.csv")
    return sweeps.exit_code(rows)


@cli.command()
@click.argument("names", nargs=-1, metavar="[NAME ...]")
def data(names):
    """Fetch and verify the named sets of images; without a name, list what there is."""
    from aelib.data import NAMES, DataError, describe, fetch

    for name in names:
        if name not in NAMES:
            raise click.UsageError(f"no data {name!r}; there are {', '.join(NAMES)}")
    try:
        for name in names or NAMES:
            click.echo(fetch(name) if names else describe(name))
    except DataError as error:
        return _refuse(error)
    return 0


@cli.command()
@click.argument("assignments", nargs=-1, metavar="[ASSIGNMENT ...]")
@click.option("--out", default="release", show_default=True, metavar="FOLDER", help="A new folder for the students.")
def release(assignments, out):
    """Make the student version of assignments (all of them by default), with what they need to run."""
    from aelib.classroom.release import release as make

    for path in make(assignments, out):
        click.echo(path)
    return 0


@cli.command()
@click.argument("submissions", metavar="SUBMISSIONS")
@click.option("--assignment", "name", metavar="NAME", help="Which one it is; needed where it cannot be told.")
@click.option("--out", default="grades", show_default=True, metavar="FOLDER", help="Where the grades go.")
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(min=1), help="Submissions at a time.")
@click.option(
    "--time-limit",
    default=600.0,
    show_default=True,
    type=click.FloatRange(min=1, max=86400),
    metavar="SECONDS",
    help="For all of a submission; a single step gets half of what is left.",
)
@click.option(
    "--memory-limit",
    default=4096,
    show_default=True,
    type=click.IntRange(min=128),
    metavar="MB",
    help="For a submission and all that it starts.",
)
@click.option("--trust-submissions", is_flag=True, help="Run them without a sandbox: they can do whatever you can.")
def grade(submissions, name, out, jobs, time_limit, memory_limit, trust_submissions):
    """Grade the notebooks of a class: a folder with a folder (or zip, or notebook) per student, or a zip of that.

    Exit code: 0 every submission has its grade, whatever it is; 2 bad usage; 130 interrupted.
    """
    from aelib.classroom import command

    return command.grade(submissions, name, out, jobs, time_limit, memory_limit, trust_submissions)


def main():
    """Run the command line; a user's mistake is one line and exit code 2."""
    from aelib.series.spec import UsageError

    try:
        code = cli.main(standalone_mode=False)
    except click.ClickException as error:
        code = _refuse(error.format_message())
    except UsageError as error:
        code = _refuse(error)
    except (click.Abort, KeyboardInterrupt):
        code = 130
    except Exception:
        # Python's own exit code for a crash is 1, which here says that a target was missed.
        traceback.print_exc()
        code = 3
    sys.exit(code)


def _refuse(message, code=2):
    click.echo("error: " + " ".join(str(message).split()), err=True)
    return code


if __name__ == "__main__":
    main()
