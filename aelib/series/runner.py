"""Names of notebooks and the options of `python -m aelib run` in; a published, judged run out."""

import importlib.util
import signal
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from time import monotonic

from aelib.series import document, equations, history, lecture, page, publish, report, results
from aelib.series.attempt import Plan, Stop, attempt
from aelib.series.outcome import Trace, conclude
from aelib.series.progress import Progress
from aelib.series.selection import chosen
from aelib.series.spec import PROFILES, UsageError, check_data, check_given, load_series

BACKENDS = ("tensorflow", "jax", "torch")
HANGUP = signal.SIGHUP
SIGNALS = (signal.SIGINT, signal.SIGTERM, HANGUP)


def plan(names, profile, backend, given):
    """A Plan per notebook; raises UsageError for whatever could be known to fail before a kernel starts."""
    if profile not in PROFILES:
        raise UsageError(f"profile must be one of {', '.join(PROFILES)}; received {profile!r}")
    if backend not in BACKENDS:
        raise UsageError(f"backend must be one of {', '.join(BACKENDS)}; received {backend!r}")
    notebooks = chosen(load_series(), names)
    check_given(notebooks, given)
    values = {notebook.name: notebook.values(profile, given) for notebook in notebooks}
    if not _installed(backend):
        remedy = f'python -m pip install "aelib[{backend}]", or choose another --backend'
        raise UsageError(f"backend {backend} is not installed; {remedy}")
    if not _installed("ipykernel"):
        raise UsageError("no kernel is installed in this environment; pip install ipykernel")
    return [_plan(notebook, values[notebook.name]) for notebook in notebooks]


def run(plans, profile, backend, out, *, jobs=1, deadline=None):
    """Execute and publish the plans under `out`.

    Returns:
        (results.Run, name of the signal that ended it or None). Raises UsageError where `out` cannot be had,
        and OSError where it cannot be written to later.
    """
    with publish.output_folder(out) as folder, publish.scratch_folder(folder) as scratch, _signals() as stop:
        before, statements = history.read(folder), lecture.statements(load_series().values())
        started, begin, run_id = datetime.now().astimezone(), monotonic(), uuid.uuid4().hex
        progress = Progress(sum(len(each.cells) for each in plans))

        def one(each):
            return _run_one(each, run_id, backend, folder, scratch, stop, deadline, progress)

        try:
            with ThreadPoolExecutor(jobs) as pool:
                try:
                    outcomes, cards = zip(*pool.map(one, plans), strict=True)
                except BaseException:
                    stop.set()
                    raise
        finally:
            progress.close()
        seconds = round(monotonic() - begin, 2)
        done = results.Run(run_id, profile, backend, started, seconds, results.versions(backend), list(outcomes))
        runs = [*before, history.entry(results.as_json(done))]
        shown = {each.notebook.name: card for each, card in zip(plans, cards, strict=True)}
        publish.write(folder, history.NAME, history.text(runs))
        publish.write(folder, "index.html", report.index_html(done, shown, runs, statements))
        publish.write(folder, "junit.xml", results.junit_xml(done))
        publish.write(folder, "results.json", results.results_json(done))
        return done, stop.signal


def _run_one(each, run_id, backend, folder, scratch, stop, deadline, progress):
    name, title = each.notebook.name, each.notebook.title
    if stop.is_set():
        outcome = conclude(each.notebook, each.parameters, run_id, each.cells, Trace(stopped=stop.signal))
        return replace(outcome, published=False), report.Card(title)
    place = scratch / name
    place.mkdir()
    progress.begin(name)

    def note(done):
        progress.cell(name, done, len(each.cells))

    trace, outcome, source = attempt(each, run_id, backend, place, stop, deadline, note)
    executed = document.executed(place / "executed.ipynb", source)
    executed = document.published(executed, trace.done, trace.broken, document.private(scratch))
    publish.write(folder, f"{name}.ipynb", document.text(executed))
    outcome, html = _page(executed, outcome, title)
    publish.write(folder, f"{name}.html", html)
    progress.end(name, outcome.status, trace.seconds)
    return outcome, report.Card(title, report.picture(executed, each.notebook.picture))


def _page(executed, outcome, title):
    try:
        return outcome, page.notebook_page(executed, outcome, title)
    except Exception as error:  # what a cell displayed may be anything, and the other notebooks must go on
        cause = f"its page could not be made: {type(error).__name__}: {error}"
        outcome = replace(outcome, status="failed", cause="; ".join(filter(None, [outcome.cause, cause])))
        return outcome, page.failure_page(outcome)


def _plan(notebook, parameters):
    source = document.read(notebook.path)
    found = document.parameter_defaults(source, notebook.name)
    if differing := set(found) ^ {"profile", *notebook.parameters}:
        names = ", ".join(sorted(differing))
        raise UsageError(f"{notebook.name}: its `parameters` cell and series.toml differ in {names}")
    equations.check_equations(source, notebook.name)
    check_data(parameters.get("dataset"))
    return Plan(notebook, source, parameters, document.code_cells(source))


def _installed(module):
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


@contextmanager
def _signals():
    stop = Stop()

    def note(number, frame):
        stop.signal = stop.signal or signal.Signals(number).name
        stop.set()

    # A run under nohup ignores SIGHUP already, and goes on doing so.
    taken = [number for number in SIGNALS if number is not HANGUP or signal.getsignal(HANGUP) != signal.SIG_IGN]
    before = {number: signal.signal(number, note) for number in taken}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
