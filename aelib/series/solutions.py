"""Execute the worked solutions and publish a page of each: python -m aelib.series.solutions [--out FOLDER].

A solution is a notebook in the folder `solutions` of the series. It has no targets: it passes if all of it runs.
"""

import os
import uuid
from pathlib import Path

import click

from aelib._files import output_folder, scratch_folder, write_atomically
from aelib.series import document, equations, page
from aelib.series.execution import execute_notebook
from aelib.series.outcome import Outcome, Plan
from aelib.series.spec import Notebook, Profile, UsageError, series_folder

NO_TARGETS = Profile({}, ())


def publish(out: str | Path, backend: str = "tensorflow", parameters: dict | None = None) -> list[Outcome]:
    """Execute the solutions, and write each with its outputs, a page of each and a list of them to a folder.

    Args:
        out: the folder.
        backend: "tensorflow", "jax" or "torch".
        parameters: values of parameters that all solutions have, such as `epochs`; their own defaults if None.

    Returns:
        An outcome for each solution: "passed" if every cell was executed, or why not.

    Raises:
        UsageError: there are no solutions, or the folder cannot be written to.
    """
    paths = sorted((series_folder() / "solutions").glob("*.ipynb"))
    if not paths:
        raise UsageError(f"no notebooks in {series_folder() / 'solutions'}")
    plans = [_plan(path, parameters or {}) for path in paths]
    with output_folder(out) as folder, scratch_folder(folder) as scratch:
        outcomes = [_publish_one(plan, backend, folder, Path(scratch)) for plan in plans]
        listed = [(plan.notebook, outcome) for plan, outcome in zip(plans, outcomes, strict=True)]
        html = page.environment().get_template("solutions.html").render(listed=listed)
        write_atomically(folder / "index.html", html)
    return outcomes


def _plan(path, parameters):
    source = document.read(path)
    equations.check_equations(source, f"solutions/{path.name}")
    title = source.cells[0].source.partition("\n")[0].lstrip("# ")
    notebook = Notebook(
        name=path.stem,
        title=title,
        folder=path.parent,
        further=False,
        parameters={},
        profiles={"standard": NO_TARGETS},
        picture=None,
        lecture=(),
    )
    return Plan(notebook, source, {"profile": "standard", **parameters})


def _publish_one(plan, backend, folder, scratch):
    """Execute a solution, write its page and the notebook, and return its outcome."""
    name = plan.notebook.name
    (scratch / name).mkdir()
    outcome, executed = execute_notebook(plan, uuid.uuid4().hex, backend, scratch / name)
    if len(plan.parameters) == 1:  # the profile, which the run needs and no solution has: not worth a cell
        executed.cells = [one for one in executed.cells if "injected-parameters" not in one.metadata.get("tags", [])]
    write_atomically(folder / f"{name}.ipynb", document.text(executed))
    write_atomically(folder / f"{name}.html", page.notebook_page(executed, outcome, plan.notebook.title))
    return outcome


@click.command()
@click.option("--out", default="reports/solutions", show_default=True, help="Folder for the pages.")
@click.option(
    "--backend", default="tensorflow", envvar="KERAS_BACKEND", show_default=True, help="tensorflow, jax or torch."
)
def main(out, backend):
    """Execute the worked solutions and publish a page of each; exit code: 0, or 3 if one did not finish."""
    try:
        outcomes = publish(os.path.expanduser(out), backend)
    except UsageError as error:
        raise click.UsageError(str(error)) from None
    for outcome in outcomes:
        click.echo(f"{outcome.name}: {outcome.status} in {outcome.seconds:.0f} s {outcome.cause or ''}".rstrip())
    click.echo(os.path.join(out, "index.html"))
    raise SystemExit(max(outcome.exit_code for outcome in outcomes))


if __name__ == "__main__":
    main()
