"""Notebooks that fail, each in its own way, executed by one run: every fault ends in the right verdict."""

import re
import sys
from xml.etree import ElementTree

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from throwaway import check, make_series, run

METRICS = "application/vnd.aelib.metrics+json"
EMIT = f"""
import os
from IPython.display import display
about = {{"notebook": "{{name}}", "profile": profile, "run_id": RUN_ID, "reached": True, "status": "passed"}}
about["metrics"] = {{"error": VALUE, "trivial": 0.9}}
display({{"{METRICS}": about, "text/plain": "reached"}}, raw=True)
"""
OWN = 'os.environ["AELIB_RUN_ID"]'


def emit(run_id, value):
    return EMIT.replace("RUN_ID", run_id).replace("VALUE", value)


def recorded(source):
    """A cell stored with the output of an earlier run that reached its target."""
    data = {METRICS: {"notebook": "x", "profile": "standard", "run_id": "x", "metrics": {"error": 0.1}}}
    return new_code_cell(source, outputs=[new_output("display_data", data=data)], execution_count=9)


# name: (cells after the parameters cell, which is cell 0; status; cell; words of the cause)
CASES = {
    "passes": (["print(kind)", check()], "passed", None, None),
    "misses": (["rate = 0.75", check()], "missed", None, "error = 0.75 missed its target <= 0.6 by 0.15"),
    "lacks_metric": (
        ['from aelib.series import check\ncheck("{name}", {"other": 1}, profile=profile)'],
        "failed",
        None,
        "error is missing; the target is <= 0.6",
    ),
    "is_nan": ([check('float("nan")')], "failed", None, "error is nan; the target is <= 0.6"),
    "is_inf": ([check('-float("inf")')], "failed", None, "error is -inf; the target is <= 0.6"),
    "is_stale": ([emit("'of-another-run'", "0.1")], "failed", None, "another run"),
    "claims": ([emit(OWN, "0.9")], "missed", None, "error = 0.9 missed its target <= 0.6 by 0.3"),
    "check_deleted": ([recorded("1")], "failed", None, "no metrics of this run were recorded"),
    "check_emptied": ([recorded("")], "failed", None, "no metrics of this run were recorded"),
    "check_skipped": (
        ["1", new_code_cell(check(name="check_skipped"), metadata={"tags": ["skip-execution"]})],
        "failed",
        2,
        "cell 2 was not executed",
    ),
    "raises": (["1", "print('so far')\n1 / 0", check()], "failed", 2, "ZeroDivisionError: division by zero"),
    "raises_after_check": ([check(), "1 / 0"], "failed", 2, "ZeroDivisionError"),
    "shows_error": (
        ["try:\n    1 / 0\nexcept ZeroDivisionError:\n    get_ipython().showtraceback()", check()],
        "failed",
        None,
        "PapermillExecutionError",
    ),
    "exits": (["import sys\nsys.exit(0)", check()], "failed", 1, "left the notebook early"),
    "quits_hard": (
        ["1", "import os\nos._exit(0)", check()],
        "failed",
        2,
        "kernel died in cell 2: it left with exit",
    ),
    "killed": (
        ["import os\nos.kill(os.getpid(), 9)", check()],
        "failed",
        1,
        "died in cell 1: killed by SIGKILL",
    ),
    "memory": (
        [
            "import resource\nresource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33))",
            "block = bytearray(2**36)",
            check(),
        ],
        "failed",
        2,
        "MemoryError",
    ),
    "learns_nan": (
        [
            "import numpy as np\nfrom aelib import models, training",
            "network = models.Autoencoder(models.mlp_encoder((2, 2, 1), 2), models.mlp_decoder((2, 2, 1), 2))\n"
            "network.set_weights([weights * np.nan for weights in network.get_weights()])\n"
            "training.fit(network, np.zeros((64, 2, 2, 1), np.float32), epochs=2)",
            check(),
        ],
        "failed",
        2,
        "FloatingPointError: the loss became nan in epoch 1",
    ),
    "chatters": (["for i in range(200_000):\n    print('line', i)", check()], "passed", None, None),
    "chatters_in_turns": (
        [
            "import sys\nfor i in range(500):\n    print('line', i)\n    print('oops', i, file=sys.stderr)\n"
            "    sys.stdout.flush()\n    sys.stderr.flush()",
            "print('1 %', end='\\r')\nprint('99 %')",
            check(),
        ],
        "passed",
        None,
        None,
    ),
    "explains": (
        [
            new_markdown_cell("# A title\n\n$\\hat{x} < 1$ and $$\\frac{1}{N}\\sum_i x_i$$"),
            "from IPython.display import display\n"
            'display({"image/png": "iVBORw0KGgo="}, metadata={"image/png": {"alt": "Ten digits"}}, raw=True)',
            check(),
        ],
        "passed",
        None,
        None,
    ),
    "prints_path": (
        [
            "import os, sys\nprint(sys.prefix, os.environ)\nos.environ",
            "from IPython.display import HTML\nHTML(f'<p>{sys.prefix} {os.environ}</p>')",
            "raise ValueError(sys.prefix + os.environ['CANARY'])",
        ],
        "failed",
        3,
        "ValueError",
    ),
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults")
    series = make_series(folder / "series", {name: case[0] for name, case in CASES.items()})
    return run(series, folder / "out", "--jobs", 3, CANARY="cage-17/bird")


@pytest.mark.parametrize("name", CASES)
def test_every_fault_ends_in_its_verdict(ran, name):
    _, status, cell, words = CASES[name]
    entry = ran[name]
    assert (entry["status"], entry["cell"]) == (status, cell), entry["cause"]
    assert words in entry["cause"] if words else entry["cause"] is None


@pytest.mark.parametrize("name", CASES)
def test_no_cell_that_did_not_run_is_marked_as_run(ran, name):
    cells = [cell for cell in ran.notebook(name).cells if cell.source and cell.cell_type == "code"]
    cells.pop(1)  # the parameters that papermill injected
    status, broken = CASES[name][1:3]
    broken = len(cells) if broken is None else broken
    marks = [cell.metadata.papermill.status for cell in cells]
    at_the_break = "pending" if name == "check_skipped" else "failed"
    assert marks == (["completed"] * broken + [at_the_break] + ["pending"] * len(cells))[: len(cells)], status
    assert all(
        not cell.outputs and cell.execution_count is None
        for cell in cells
        if cell.metadata.papermill.status == "pending"
    )


def test_a_run_with_faults_exits_3_and_names_them_on_the_terminal(ran):
    assert ran.code == 3
    assert "killed failed in" in ran.stdout and "killed by SIGKILL" in ran.stdout
    assert ran.stdout.rstrip().endswith("index.html")
    assert "Traceback" not in ran.stdout + ran.stderr


def test_a_failed_notebook_is_published_as_failed_with_what_it_showed(ran):
    page = ran.page("raises")
    assert "<strong>failed</strong>: cell 2 raised ZeroDivisionError" in page
    assert "so far" in page and "papermill" not in page
    assert not any("papermill-error-cell-tag" in cell.metadata.get("tags", []) for cell in ran.notebook("raises").cells)


def test_a_long_output_is_cut_and_says_so(ran):
    for text in (ran.page("chatters"), (ran.out / "chatters.ipynb").read_text(encoding="utf-8")):
        assert len(text) < 1_000_000
        assert "line 0" in text and "line 199999" in text and "lines," in text and "left out" in text


def test_a_great_many_outputs_are_cut_and_a_bar_shows_its_last_state(ran):
    _, many, bar, _ = (
        cell for cell in ran.notebook("chatters_in_turns").cells if "injected-parameters" not in cell.metadata.tags
    )
    shown = [output.text for output in many.outputs]
    assert len(shown) < 110 and {"line 0\n", "oops 499\n"} <= set(shown)
    assert any("outputs left out" in text for text in shown)
    assert bar.outputs[0].text == "99 %\n"


def test_pages_need_no_network_and_no_script(ran):
    for page in (ran.page("explains"), ran.page("index")):
        assert "<script" not in page and 'src="http' not in page and 'href="http' not in page
    assert ran.page("explains").count("<math") == 2 and "\\frac" not in ran.page("explains")


def test_an_image_keeps_its_alternative_text(ran):
    assert re.search('<img [^>]*alt="Ten digits"', ran.page("explains"))


def test_published_files_hold_no_path_or_environment_value_of_this_machine(ran):
    for path in ran.out.iterdir():
        assert sys.prefix not in path.read_text(encoding="utf-8"), path.name
        assert str(ran.out) not in path.read_text(encoding="utf-8"), path.name
        assert "cage-17" not in path.read_text(encoding="utf-8"), path.name


def test_nothing_but_the_published_files_is_left(ran):
    pages = {f"{name}.{kind}" for name in CASES for kind in ("ipynb", "html")}
    assert {path.name for path in ran.out.iterdir()} == pages | {
        "index.html",
        "junit.xml",
        "results.json",
        "history.json",
        ".aelib-run.lock",
    }


def test_junit_counts_what_results_say(ran):
    suites = {suite.get("name"): suite for suite in ElementTree.parse(ran.out / "junit.xml").getroot()}
    assert suites["passes"].get("errors") == suites["passes"].get("failures") == "0"
    assert suites["misses"].find("testcase[@name='error']/failure").get("message") == ran["misses"]["cause"]
    assert "SIGKILL" in suites["killed"].find("testcase[@name='executes']/error").get("message")
