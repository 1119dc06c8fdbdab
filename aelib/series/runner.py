"""Run notebooks of the series: check what was asked, execute, judge, and write the report."""

import importlib.util
import json
import signal
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from time import monotonic

from aelib._files import output_folder, scratch_folder, write_atomically
from aelib.data import NAMES, fetch, pictures
from aelib.data.files import folder as data_folder
from aelib.series import document, equations, page, report, results
from aelib.series.catalog import select_notebooks
from aelib.series.execution import Stop, execute_notebook
from aelib.series.outcome import ExecutionRecord, Plan, outcome_of
from aelib.series.parameters import check_given
from aelib.series.progress import Progress
from aelib.series.spec import UsageError, check_profile, load_series

BACKENDS = ("tensorflow", "jax", "torch")


def plan(names, profile: str, backend: str, given) -> list[Plan]:
    """Return a Plan per notebook; raise UsageError for whatever could be known to fail before a kernel starts.

    Args:
        names: names or paths of notebooks; the chapters if there are none.
        profile: "quick", "standard" or "full".
        backend: "tensorflow", "jax" or "torch".
        given: (name, text) pairs, the parameters that differ from the profile's.
    """
    check_profile(profile)
    if backend not in BACKENDS:
        raise UsageError(f"backend must be one of {', '.join(BACKENDS)}; received {backend!r}")
    notebooks = select_notebooks(load_series(), names)
    check_given(notebooks, given)
    values = [notebook.values(profile, given) for notebook in notebooks]
    if importlib.util.find_spec(backend) is None:
        remedy = f'python -m pip install "aelib[{backend}]", or choose another --backend'
        raise UsageError(f"backend {backend} is not installed; {remedy}")
    return [_plan_of(notebook, parameters) for notebook, parameters in zip(notebooks, values, strict=True)]


def run(plans: list[Plan], profile: str, backend: str, out, *, jobs=1, deadline=None):
    """Execute plans, `jobs` at a time, each within a deadline in seconds, and write the report to the folder `out`.

    Returns:
        (results.Run, name of the signal that ended it or None).

    Raises:
        UsageError: `out` cannot be had.
        OSError: `out` cannot be written to later.
    """
    with output_folder(out) as folder, scratch_folder(folder) as scratch, _signals() as stop:
        history = results.read_history(folder)
        statements = [statement for notebook in load_series().values() for statement in notebook.lecture]
        started, begin, run_id = datetime.now().astimezone(), monotonic(), uuid.uuid4().hex
        with Progress(sum(len(plan.cells) for plan in plans)) as progress, ThreadPoolExecutor(jobs) as pool:
            run_one = partial(_run_one, run_id, backend, folder, Path(scratch), stop, deadline, progress)
            try:
                outcomes, cards = zip(*pool.map(run_one, plans), strict=True)
            except BaseException:
                stop.set()
                raise
        seconds = round(monotonic() - begin, 2)
        done = results.Run(run_id, profile, backend, started, seconds, results.versions(backend), list(outcomes))
        history.append(results.history_entry(done))
        cards = {plan.notebook.name: card for plan, card in zip(plans, cards, strict=True)}
        write_atomically(folder / results.HISTORY, results.history_json(history))
        write_atomically(folder / "index.html", report.index_html(done, cards, history, statements))
        write_atomically(folder / "junit.xml", results.junit_xml(done))
        write_atomically(folder / "results.json", json.dumps(results.as_json(done), indent=2, allow_nan=False))
        return done, stop.signal


def _plan_of(notebook, parameters):
    source = document.read(notebook.path)
    differing = document.parameter_names(source) ^ {"profile", *notebook.parameters}
    if differing:
        names = ", ".join(sorted(differing))
        raise UsageError(f"{notebook.name}: its `parameters` cell and series.toml differ in {names}")
    equations.check_equations(source, notebook.name)
    data_folder()
    if parameters.get("dataset") in NAMES:
        fetch(parameters["dataset"])
    plan = Plan(notebook, source, parameters)
    for chosen in plan.folders:
        pictures(chosen)
    return plan


def _run_one(run_id, backend, folder, scratch, stop, deadline, progress, plan):
    """Execute a plan and write its page; return its outcome and its card for the index."""
    name, title = plan.notebook.name, plan.notebook.heading
    if stop.is_set():
        record = ExecutionRecord(stopped=stop.signal)
        outcome = outcome_of(plan, run_id, record)
        return replace(outcome, published=False), report.Card(title)
    (scratch / name).mkdir()
    progress.begin(name)
    outcome, executed = execute_notebook(
        plan,
        run_id,
        backend,
        scratch / name,
        stop=stop,
        deadline=deadline,
        on_cell=lambda done: progress.cell(name, done, len(plan.cells)),
    )
    write_atomically(folder / f"{name}.ipynb", document.text(executed))
    try:
        html = page.notebook_page(executed, outcome, title)
    except Exception as error:  # what a cell displayed may be anything, and the other notebooks must go on
        cause = f"its page could not be made: {type(error).__name__}: {error}"
        outcome = replace(outcome, status="failed", cause="; ".join(filter(None, [outcome.cause, cause])))
        html = page.failure_page(outcome)
    write_atomically(folder / f"{name}.html", html)
    progress.end(name, outcome.status, outcome.seconds)
    solutions = f"solutions/{name}.html"
    published = solutions if (folder / solutions).exists() else None
    return outcome, report.Card(title, report.picture(executed, plan.notebook.picture), published)


@contextmanager
def _signals():
    """Give a Stop that is set by the first signal that asks the run to end."""
    stop = Stop()

    def set_stop(number, frame):
        stop.signal = stop.signal or signal.Signals(number).name
        stop.set()

    # A run under nohup ignores SIGHUP already, and goes on doing so.
    hangup = () if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN else (signal.SIGHUP,)
    handlers = {number: signal.signal(number, set_stop) for number in (signal.SIGINT, signal.SIGTERM, *hangup)}
    try:
        yield stop
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
