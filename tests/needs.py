"""What tests need beyond Python: they are skipped without it, with one line that says how to get it."""

import os

import pytest

HOW_TO_GET = {
    "bubblewrap": "install bubblewrap (apt install bubblewrap) on a Linux with user namespaces, see docs/grading.md",
    "browser": "install Chromium or Chrome (apt install chromium), or set CHROMIUM to its path",
    "small-disk": "use a Linux whose users may mount file systems in a namespace (unshare --user --mount)",
    "mnist": "set AELIB_DATA to a folder with mnist.npz (aelib data mnist fetches it)",
    "unwritable": "run as a user other than root",
    "git": "install git (apt install git), and test a clone",
}


def missing(need: str, why: str):
    """Skip the running test; fail it if the environment variable AELIB_REQUIRE names the need.

    Args:
        need: a key of HOW_TO_GET. AELIB_REQUIRE is a list of such keys, separated by spaces.
        why: what was looked for and not found.
    """
    line = f"{need}: {why}; {HOW_TO_GET[need]}"
    required = os.environ.get("AELIB_REQUIRE", "").replace(",", " ").split()
    assert set(required) <= set(HOW_TO_GET), f"AELIB_REQUIRE must name some of {', '.join(HOW_TO_GET)}: {required}"
    if need in required:
        pytest.fail(line, pytrace=False)
    pytest.skip(line)
