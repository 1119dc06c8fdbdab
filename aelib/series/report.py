"""A run, its notebooks' pictures, the runs before it and the lecture's map in; index.html out."""

import base64
import binascii
import io
from dataclasses import dataclass

from aelib.series import charts
from aelib.series.page import environment
from aelib.series.verdict import number

WIDE = 720  # pixels of a card's picture


@dataclass(frozen=True)
class Card:
    """What index.html shows of a notebook beside its outcome.

    picture: (address, alternative text) or None. solutions: the address of the page of its solutions or None.
    """

    title: str
    picture: tuple[str, str] | None = None
    solutions: str | None = None


def index_html(run, cards, runs, statements):
    """The page of a run: the verdict, a card per notebook, the lecture's map.

    Args:
        run: results.Run.
        cards: {name of a notebook: Card}, of those in the run.
        runs: the history, this run at its end.
        statements: the lecture's map, a list of entries of Notebook.lecture.
    """
    reached = sum(one.reached for outcome in run.outcomes for one in outcome.targets)
    total = sum(len(outcome.targets) for outcome in run.outcomes)
    return (
        environment()
        .get_template("index.html")
        .render(
            run=run,
            reached=reached,
            total=total,
            cards=cards,
            statements=statements,
            published={outcome.name: outcome.metrics for outcome in run.outcomes if outcome.published},
            number=number,
            chart=charts.target_chart,
            drift=lambda name, judged: charts.history_chart(
                judged.metric, comparable_values(runs, name, judged.metric), judged.target
            ),
            earlier=lambda name: runs_of(runs, name)[:-1][::-1],
        )
    )


def runs_of(runs, name):
    """Return [(run, its entry for a notebook)] of the runs that executed it, in their order."""
    return [(run, notebook) for run in runs for notebook in run["notebooks"] if notebook["name"] == name]


def comparable_values(runs, name, metric):
    """Return the values of a metric in the runs with the profile, backend and parameters of the last, in order."""
    settings = [
        ((run["profile"], run["backend"], notebook["parameters"]), notebook["metrics"])
        for run, notebook in runs_of(runs, name)
    ]
    return [metrics[metric] for setting, metrics in settings if setting == settings[-1][0] and metric in metrics]


def picture(executed, cell_id):
    """(address, alternative text) of the first picture that a cell shows, made small; None where there is none."""
    for cell in executed.cells:
        for output in cell.get("outputs", []) if cell.get("id") == cell_id else []:
            data = output.get("data", {}).get("image/png")
            if data:
                alt = output.metadata.get("image/png", {}).get("alt") or "A picture without a description"
                return _small(data), alt
    return None


def _small(data):
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(base64.b64decode(data))) as image:
            shown = image.convert("RGBA")  # a figure is transparent, for light and dark pages
            shown.thumbnail((WIDE, WIDE), Image.Resampling.LANCZOS)
    except (UnidentifiedImageError, OSError, binascii.Error):
        # Whatever a cell called a picture: its page shows it, or a broken one, as it is.
        return f"data:image/png;base64,{data}"
    buffer = io.BytesIO()
    shown.quantize(128, method=Image.Quantize.FASTOCTREE).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
