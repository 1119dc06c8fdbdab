"""What a test needs beyond Python: it is skipped, with one line that says how to get it, where that is missing."""

import os

import pytest

HOW_TO_GET = {
    "bubblewrap": "docs/grading.md says what a sandbox needs",
    "browser": "install Chromium or Chrome (apt install chromium), or set CHROMIUM to its path",
    "small-disk": "use a Linux whose users may mount file systems in a namespace (unshare --user --mount)",
    "mnist": "set AELIB_DATA to a folder with mnist.npz (aelib data mnist fetches it)",
    "unwritable": "use a system with a folder that this user cannot write to",
}


def missing(need: str, why: str):
    """Skip the running test; fail it where the environment variable AELIB_REQUIRE names the need.

    Args:
        need: a key of HOW_TO_GET. AELIB_REQUIRE is a list of such keys, separated by blanks.
        why: what was looked for and not found.
    """
    line = f"{need}: {why}; {HOW_TO_GET[need]}"
    if need in os.environ.get("AELIB_REQUIRE", "").split():
        pytest.fail(line, pytrace=False)
    pytest.skip(line)
