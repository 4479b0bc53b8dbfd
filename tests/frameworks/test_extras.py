"""An extra brings what its modules import, and no module imports more."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
MODULES = {
    "django": ["reseal.django.middleware", "reseal.django.urls", "reseal.django.admin", "reseal.django.dropin"],
    "flask": ["reseal.flask"],
    "litestar": ["reseal.litestar"],
    "starlette": ["reseal.starlette"],
    "fastapi": ["reseal.fastapi"],
    "postgres": ["reseal.stores.postgres", "reseal._async.stores.postgres"],
    "remote": ["reseal._async.remote", "reseal._sync.remote"],
    None: ["reseal", "reseal.asgi", "reseal.wsgi"],
}
DJANGO = """
import django, django.conf
apps = [f"django.contrib.{name}" for name in ("admin", "auth", "contenttypes", "messages", "sessions")]
given = {"api_domain": "https://www.example.com", "database_uri": "memory:"}
django.conf.settings.configure(SECRET_KEY="a" * 50, INSTALLED_APPS=[*apps, "reseal.django"], RESEAL=given)
django.setup()
"""
BEFORE = {"django": DJANGO}
"""What an import presumes."""

SCRIPT = """
import importlib, sys

class Refusal:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {refused!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Refusal())
{before}
for name in {modules!r}:
    importlib.import_module(name)
"""


def needed(requirements: list[str], extra: str = "") -> set[str]:
    """Name the distributions that an installer would bring, with all that they need."""
    found: set[str] = set()
    for written in requirements:
        requirement = Requirement(written)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        found.add(name)
        inner = distribution(name).requires or []
        for each in requirement.extras or {""}:
            found |= needed(inner, each)
    return found


@pytest.mark.parametrize("extra", MODULES)
def test_the_modules_of_an_extra_need_no_package_beyond_it(extra):
    extras = PROJECT["optional-dependencies"]
    brought = needed([*PROJECT["dependencies"], *(extras[extra] if extra else [])]) | {"reseal"}
    refused = {
        package
        for package, owners in packages_distributions().items()
        if package not in sys.stdlib_module_names and not {canonicalize_name(owner) for owner in owners} & brought
    }
    script = SCRIPT.format(refused=refused, modules=MODULES[extra], before=BEFORE.get(extra, ""))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


def test_an_extra_of_a_framework_is_that_framework_alone():
    extras = PROJECT["optional-dependencies"]
    for framework in ("django", "fastapi", "flask", "litestar", "starlette"):
        assert [Requirement(written).name for written in extras[framework]] == [framework]
