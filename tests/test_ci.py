"""The workflows are safe for forks and current for maintainers, and the scripts that they call work."""

import json
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from aelib.series.spec import load_series

ROOT = Path(__file__).resolve().parents[1]
GITHUB = ROOT / ".github"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
# YAML reads the key `on` as true.
WORKFLOWS = {
    path.stem: {"on" if key is True else key: value for key, value in yaml.safe_load(path.read_text("utf-8")).items()}
    for path in sorted((GITHUB / "workflows").glob("*.yml"))
}
JOBS = [
    pytest.param(job, id=f"{workflow}-{name}")
    for workflow, content in WORKFLOWS.items()
    for name, job in content["jobs"].items()
]
STEPS = [step for job in JOBS for step in job.values[0].get("steps", [])]
# The newest major versions in October 2026; dependabot raises the versions in the workflows and never lowers them.
OLDEST_MAJOR = {
    "actions/checkout": 7,
    "actions/setup-python": 7,
    "actions/upload-artifact": 7,
    "actions/download-artifact": 8,
    "actions/upload-pages-artifact": 5,
    "actions/deploy-pages": 5,
}
CALLED = "./.github/workflows/"

summary = runpy.run_path(str(GITHUB / "summarize.py"))["summary"]
make_site = runpy.run_path(str(GITHUB / "site.py"))["make"]
lowest_versions = runpy.run_path(str(ROOT / "tests" / "lowest_versions.py"))


def supported_pythons():
    versions = [text.rsplit(" ", 1)[1] for text in PYPROJECT["project"]["classifiers"] if "Python :: 3." in text]
    return sorted(versions, key=Version)


def test_a_commit_is_tested_once_and_workflows_can_be_started_by_hand():
    assert WORKFLOWS["ci"]["on"] == {"push": {"branches": ["main"]}, "pull_request": None, "workflow_dispatch": None}
    assert set(WORKFLOWS["weekly"]["on"]) == {"schedule", "workflow_dispatch"}


def test_only_the_run_of_a_pull_request_is_cancelled_by_a_newer_one():
    for name in ("ci", "weekly"):
        assert "github.ref" in WORKFLOWS[name]["concurrency"]["group"]
    assert WORKFLOWS["ci"]["concurrency"]["cancel-in-progress"] == "${{ github.event_name == 'pull_request' }}"
    assert WORKFLOWS["weekly"]["concurrency"]["cancel-in-progress"] is False
    # Set at the job, because the workflow also starts, and skips everything, after each pull request.
    assert WORKFLOWS["pages"]["jobs"]["deploy"]["concurrency"]["cancel-in-progress"] is False


def test_a_workflow_may_read_the_repository_and_only_the_deployment_may_write():
    for name, content in WORKFLOWS.items():
        assert content["permissions"] == {"contents": "read"}, name
        for job, body in content["jobs"].items():
            writes = {scope for scope, access in body.get("permissions", {}).items() if access != "read"}
            assert writes == ({"pages", "id-token"} if (name, job) == ("pages", "deploy") else set()), (name, job)


def test_no_code_of_a_pull_request_runs_with_the_rights_of_the_repository():
    assert not any("pull_request_target" in content["on"] for content in WORKFLOWS.values())
    condition = WORKFLOWS["pages"]["jobs"]["site"]["if"]
    assert "workflow_run.event != 'pull_request'" in condition
    assert "workflow_run.head_branch == github.event.repository.default_branch" in condition
    assert "workflow_run.head_repository.full_name == github.repository" in condition
    checkouts = [step for step in STEPS if step.get("uses", "").startswith("actions/checkout@")]
    assert checkouts and all(step["with"]["persist-credentials"] is False for step in checkouts)
    # An expression in a script is pasted into it before the shell reads it; a variable of the environment is not.
    assert not [step["run"] for step in STEPS if "${{" in step.get("run", "")]


@pytest.mark.parametrize("job", JOBS)
def test_a_job_has_a_time_limit_or_calls_a_workflow_of_this_repository(job):
    if "uses" in job:
        assert job["uses"].removeprefix(CALLED).removesuffix(".yml") in WORKFLOWS
    else:
        assert 0 < job["timeout-minutes"] <= 180


@pytest.mark.parametrize("job", JOBS)
def test_a_job_that_fails_is_red(job):
    assert not any("continue-on-error" in settings for settings in [job, *job.get("steps", [])])


def test_actions_are_pinned_to_a_current_major():
    used = [step["uses"] for step in STEPS if "uses" in step]
    assert used
    for text in used:
        action, _, version = text.partition("@v")
        assert version.isdigit() and int(version) >= OLDEST_MAJOR[action], text


def test_every_python_of_a_workflow_is_supported_and_both_ends_are_tested():
    ends = [supported_pythons()[0], supported_pythons()[-1]]
    assert WORKFLOWS["ci"]["jobs"]["tests"]["strategy"]["matrix"]["python"] == ends
    assert WORKFLOWS["weekly"]["jobs"]["newest"]["strategy"]["matrix"]["python"] == ends
    named = [
        step["with"]["python-version"] for step in STEPS if step.get("uses", "").startswith("actions/setup-python")
    ]
    assert set(named) == {*ends, "${{ matrix.python }}"}
    allowed = Requirement(f"python{PYPROJECT['project']['requires-python']}").specifier
    before, after = (f"3.{int(end.split('.')[1]) + step}" for end, step in zip(ends, (-1, 1), strict=True))
    assert all(end in allowed for end in ends) and before not in allowed and after not in allowed


def test_systems_and_backends():
    jobs = WORKFLOWS["ci"]["jobs"]
    assert {jobs[name]["runs-on"] for name in ("tests", "macos", "windows")} == {
        "ubuntu-latest",
        "macos-latest",
        "windows-latest",
    }
    (series,) = WORKFLOWS["series"]["jobs"].values()
    assert series["strategy"]["matrix"]["backend"] == ["tensorflow", "jax", "torch"]
    callers = [WORKFLOWS["ci"], WORKFLOWS["weekly"]]
    for caller in callers:
        assert caller["jobs"]["series"]["uses"] == f"{CALLED}series.yml"
        # A called workflow gets at most what its caller has.
        assert caller["jobs"]["series"]["permissions"] == series["permissions"]
    assert WORKFLOWS["pages"]["on"]["workflow_run"]["workflows"] == [caller["name"] for caller in callers]


def test_the_workflows_run_the_whole_series():
    runs = [step["run"] for step in STEPS if "make report" in step.get("run", "")]
    assert len(runs) == 3 and all("NOTEBOOKS=--all" in run for run in runs)
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert "aelib run $(NOTEBOOKS) --profile $(PROFILE)" in makefile and "aelib run --all --profile quick" in makefile
    assert WORKFLOWS["weekly"]["jobs"]["ends"]["strategy"]["matrix"]["notebook"] == list(load_series())


def test_the_files_that_a_workflow_names_exist():
    texts = [*WORKFLOWS["ci"]["env"].values(), *(step["run"] for step in STEPS if "run" in step)]
    named = set(re.findall(r"(?<![\w/.-])(?:\.github|\.ci|tests|notebooks)/[\w./-]*\w", "\n".join(texts)))
    assert {".ci/run", "tests/test_models.py", ".github/site.py"} <= named
    assert not [path for path in named if not (ROOT / path).is_file()]


def test_a_report_is_uploaded_and_summarized_also_after_a_missed_target():
    (series,) = WORKFLOWS["series"]["jobs"].values()
    run = next(number for number, step in enumerate(series["steps"]) if "make report" in step.get("run", ""))
    after = series["steps"][run + 1 :]
    assert [step["with"]["name"] for step in after if "uses" in step] == [
        "report-${{ matrix.backend }}",
        "history-${{ matrix.backend }}",
    ]
    assert all("!cancelled()" in step["if"] for step in after)
    # A job that exceeds its time limit is cancelled, and would upload nothing.
    assert series["steps"][run]["timeout-minutes"] < series["timeout-minutes"]
    restored = next(step for step in series["steps"][:run] if "history.json" in step.get("run", ""))
    assert "history-$KERAS_BACKEND" in restored["run"] and "-d reports" in restored["run"]


def test_the_summary_counts_every_case_and_lists_those_that_failed(tmp_path):
    junit = tmp_path / "junit.xml"
    junit.write_text(
        "<testsuites><testsuite><testcase classname='one' name='executes'/><testcase classname='one' name='mse'>"
        "<failure message='0.03 | not &lt;= &#10; 0.02'/></testcase><testcase name='skip'><skipped/></testcase>"
        "<testcase name='broken'><system-out>text</system-out><error>cause</error></testcase></testsuite></testsuites>"
    )
    text = summary(junit, "Targets")
    assert "1 passed, 1 failed, 1 skipped, 1 error" in text
    assert "| one mse | failed | 0.03 \\| not &lt;= 0.02 |" in text and "| broken | error | cause |" in text
    assert text.count("\n| ") == 4 and "executes" not in text


def test_the_summary_of_a_run_without_a_report_says_so_and_does_not_fail(tmp_path):
    target = tmp_path / "summary.md"
    command = [sys.executable, str(GITHUB / "summarize.py"), "junit.xml", "Targets"]
    for _ in range(2):
        subprocess.run(command, cwd=tmp_path, env={"GITHUB_STEP_SUMMARY": str(target)}, check=True)
    assert target.read_text("utf-8").count("No junit.xml") == 2


def report(folder, reached, status="passed"):
    folder.mkdir(parents=True)
    (folder / "index.html").write_text("<h1>Targets</h1><h1>other</h1>")
    (folder / "history.json").write_text(folder.name)
    notebook = {"name": "01_compression", "status": status, "targets": [{"reached": value} for value in reached]}
    (folder / "results.json").write_text(json.dumps({"notebooks": [notebook]}))


def test_the_site_shows_the_outcome_on_each_backend(tmp_path):
    report(tmp_path / "in" / "report-tensorflow", [True, True])
    report(tmp_path / "in" / "report-torch", [True, False], "timeout")
    assert make_site(tmp_path / "in", tmp_path / "site", "0123456789abcdef")
    page = (tmp_path / "site" / "index.html").read_text("utf-8")
    assert page.count("Commit 0123456789.") == 1 and "tensorflow: 2 of 2 targets reached; jax: no report" in page
    assert '<a href="torch/index.html">torch</a>: 1 of 2 targets reached, 01_compression timeout' in page
    assert (tmp_path / "site" / "history.json").read_text() == "report-tensorflow"
    assert (tmp_path / "site" / "torch" / "history.json").read_text() == "report-torch"


def test_without_a_report_of_tensorflow_another_backend_has_the_front_page(tmp_path):
    report(tmp_path / "in" / "report-jax", [True])
    assert make_site(tmp_path / "in", tmp_path / "site", "0123456789")
    assert "tensorflow: no report; jax: 1 of 1" in (tmp_path / "site" / "index.html").read_text("utf-8")


def test_without_any_report_there_is_no_site(tmp_path):
    assert not make_site(tmp_path / "in", tmp_path / "site", "0123456789")
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize("options", [[], ["--build"]])
def test_every_requirement_that_applies_here_gets_a_pin_that_it_allows(options):
    command = [sys.executable, str(ROOT / "tests" / "lowest_versions.py"), *options]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    pins = dict(line.split("==") for line in printed)
    assert len(pins) == len(printed)
    extras = PYPROJECT["project"]["optional-dependencies"].values()
    texts = PYPROJECT["build-system"]["requires"] if options else sum(extras, PYPROJECT["project"]["dependencies"])
    applying = [one for one in map(Requirement, texts) if one.marker is None or one.marker.evaluate({"extra": ""})]
    for requirement in applying:
        if requirement.name != PYPROJECT["project"]["name"]:
            assert requirement.specifier.contains(pins[requirement.name.lower()]), requirement
            # The pin is the lowest version that the requirement names.
            bounds = [spec.version for spec in requirement.specifier if spec.operator in (">=", "==")]
            assert Version(pins[requirement.name.lower()]) in map(Version, bounds), requirement
    assert set(pins) == {one.name.lower() for one in applying} - {PYPROJECT["project"]["name"]}


def pins_of(*requirements):
    project = {"name": "own", "dependencies": list(requirements), "optional-dependencies": {"more": ["own[more]"]}}
    return lowest_versions["pins"]({"build-system": {"requires": []}, "project": project})


def test_the_higher_of_two_lower_bounds_is_pinned_and_other_systems_are_left_out():
    pins = pins_of("Some_Name>=1.9,<3", "some-name>=1.10", "other==2.*", "absent>=1; python_version < '3'")
    assert pins == {"some-name": Version("1.10"), "other": Version("2")}


@pytest.mark.parametrize("requirement", ["some", "some<2", "some>1", "some!=1", "some>=1,!=1"])
def test_a_requirement_without_a_lower_bound_to_install_is_refused(requirement):
    with pytest.raises(ValueError, match="some"):
        pins_of(requirement)


def test_dependabot_watches_actions_and_packages_monthly_in_groups():
    updates = yaml.safe_load((GITHUB / "dependabot.yml").read_text("utf-8"))["updates"]
    assert {update["package-ecosystem"] for update in updates} == {"github-actions", "pip"}
    assert all(update["schedule"]["interval"] == "monthly" and update["groups"] for update in updates)
