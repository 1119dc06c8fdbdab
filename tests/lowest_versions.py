"""Print `name==lower bound` for every requirement in pyproject.toml that applies here, as constraints for pip.

python tests/lowest_versions.py > lowest.txt
pip install -r requirements.txt -c lowest.txt

With --build, print those of the build requirements, which pip installs in an environment of its own.
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
    """Return the requirements of the package with all extras, or of its build, that apply on this machine."""
    project = pyproject["project"]
    texts = [*project["dependencies"]]
    for extra in project["optional-dependencies"].values():
        texts += extra
    parsed = map(Requirement, pyproject["build-system"]["requires"] if build else texts)
    own = canonicalize_name(project["name"])
    others = [requirement for requirement in parsed if canonicalize_name(requirement.name) != own]
    return [one for one in others if one.marker is None or one.marker.evaluate({"extra": ""})]


def pins(pyproject, build=False):
    """Return {name: lowest version that all its requirements allow}.

    Args:
        pyproject: the content of pyproject.toml.
        build: whether to read the requirements of the build, not of the package.

    Raises:
        ValueError: if a requirement has no lower bound, or one that it does not allow itself.
    """
    lowest = {}
    for requirement in requirements(pyproject, build):
        bounds = [Version(spec.version.removesuffix(".*")) for spec in requirement.specifier if spec.operator in LOWER]
        if not bounds or not requirement.specifier.contains(max(bounds), prereleases=True):
            raise ValueError(f"{requirement} has no lower bound (>=, == or ~=) that can be installed")
        name = canonicalize_name(requirement.name)
        lowest[name] = max([*bounds, lowest.get(name, Version("0"))])
    return lowest


if __name__ == "__main__":
    try:
        lowest = pins(tomllib.loads(PYPROJECT.read_text(encoding="utf-8")), build=sys.argv[1:] == ["--build"])
    except ValueError as error:
        sys.exit(f"{PYPROJECT.name}: {error}")
    for name, version in sorted(lowest.items()):
        print(f"{name}=={version}")
