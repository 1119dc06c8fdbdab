"""Print `name==lower bound` for every requirement in pyproject.toml that applies here, as constraints for pip.

python tests/lowest_versions.py > lowest.txt
pip install -r requirements.txt -c lowest.txt

With --build, of what the build requires, which pip installs in an environment of its own.
"""

import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
LOWER = (">=", "==", "~=")


def requirements(pyproject, build=False):
    """Return the requirements that apply on this machine: of the package and all its extras, or of its build."""
    project = pyproject["project"]
    texts = [*project["dependencies"]]
    for extra in project["optional-dependencies"].values():
        texts += extra
    found = map(Requirement, pyproject["build-system"]["requires"] if build else texts)
    own = canonicalize_name(project["name"])
    return [
        one
        for one in found
        if canonicalize_name(one.name) != own and (one.marker is None or one.marker.evaluate({"extra": ""}))
    ]


def pins(pyproject, build=False):
    """Return {name: lowest version that all its requirements admit}.

    Args:
        pyproject: the content of pyproject.toml.
        build: whether to read the requirements of the build, not of the package.

    Raises:
        ValueError: if a requirement has no lower bound, or one that is not itself admitted.
    """
    lowest = {}
    for requirement in requirements(pyproject, build):
        bounds = [Version(one.version.removesuffix(".*")) for one in requirement.specifier if one.operator in LOWER]
        if not bounds or not requirement.specifier.contains(max(bounds), prereleases=True):
            raise ValueError(f"{requirement} has no lower bound (>=, == or ~=) that can be installed")
        name = canonicalize_name(requirement.name)
        lowest[name] = max([*bounds, lowest.get(name, Version("0"))])
    return lowest


if __name__ == "__main__":
    try:
        found = pins(tomllib.loads(PYPROJECT.read_text(encoding="utf-8")), build=sys.argv[1:] == ["--build"])
    except ValueError as error:
        sys.exit(f"{PYPROJECT.name}: {error}")
    for name, version in sorted(found.items()):
        print(f"{name}=={version}")
