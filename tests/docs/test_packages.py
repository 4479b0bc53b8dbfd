"""What leaves the checkout is whole: the source archive, the wheel, and what they say of themselves."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile

import httpx
import pytest

from tests.docs.pages import ROOT, fenced, links
from tests.server.running import until
from tests.support.archives import unpack
from tests.support.ports import free_port

PACKAGE_PAGE = ROOT / "src/reseal/README.md"
BUILD = "import sys; from hatchling import build; print(getattr(build, sys.argv[1])(sys.argv[2]))"
STRAY = (
    "browser/node_modules/a.js",
    "examples/pages/dist/a.js",
    "docs/a.db",
    "docs/a.db-wal",
    "tests/__pycache__/a.pyc",
    "a.txt",
)


def built(kind, folder, source):
    done = subprocess.run(
        [sys.executable, "-c", BUILD, kind, folder], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder / done.stdout.split()[-1]


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return built("build_sdist", tmp_path_factory.mktemp("archive"), ROOT)


@pytest.fixture(scope="module")
def unpacked(archive, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unpacked")
    unpack(archive, folder)
    return next(folder.iterdir())


def members(archive):
    with tarfile.open(archive) as files:
        return {name.partition("/")[2] for name in files.getnames()}


def test_the_archive_holds_every_test_and_all_that_they_read(archive, unpacked):
    assert members(archive) >= {str(path.relative_to(ROOT)) for path in ROOT.glob("tests/**/*.py")}
    pass_there(unpacked, "tests/docs/test_docs.py", "tests/settings/test_config_doc.py", "-k", "link or config_doc")


@pytest.mark.whole
def test_all_tests_of_the_archive_find_what_they_import(unpacked):
    pass_there(unpacked, "--collect-only")


def pass_there(unpacked, *options):
    environ = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(unpacked / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    done = subprocess.run(command, cwd=unpacked, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr


def test_the_archive_builds_itself_and_the_wheel_without_what_lies_about(archive, unpacked, tmp_path):
    for name in STRAY:
        (unpacked / name).parent.mkdir(parents=True, exist_ok=True)
        (unpacked / name).touch()
    again, elsewhere = tmp_path / "again", tmp_path / "elsewhere"
    assert members(built("build_sdist", again, unpacked)) == members(archive)
    wheels = [
        zipfile.ZipFile(built("build_wheel", folder, source))
        for folder, source in ((again, unpacked), (elsewhere, ROOT))
    ]
    assert wheels[0].namelist() == wheels[1].namelist()


def test_every_link_of_the_readme_leads_somewhere_in_the_archive_too(archive):
    targets = {link.partition("#")[0] for link in links(ROOT / "README.md") if not re.match(r"[a-z]+:|#", link)}
    assert targets - members(archive) == set()


def test_what_a_package_says_of_itself_has_no_link_that_leads_to_a_file():
    for page in (PACKAGE_PAGE, ROOT / "browser/README.md"):
        assert [link for link in links(page) if not re.match(r"https?:|#", link)] == []


def test_the_first_example_runs_as_it_is_pasted_with_the_command_beside_it(tmp_path):
    pages = [page.read_text("utf-8") for page in (ROOT / "README.md", PACKAGE_PAGE)]
    first, second = (next(iter(fenced(page, "python"))) for page in (ROOT / "README.md", PACKAGE_PAGE))
    assert first == second
    assert all('[fastapi]" uvicorn`' in page for page in pages)
    [command] = {re.search(r"^`(uvicorn [^`]*)` starts it", page, re.MULTILINE)[1] for page in pages}
    (tmp_path / "app.py").write_text(first)
    port = free_port()
    started = subprocess.Popen(
        [sys.executable, "-m", *command.split(), "--port", str(port)], cwd=tmp_path, stderr=subprocess.DEVNULL
    )
    try:
        with httpx.Client(base_url=f"http://localhost:{port}") as page:
            until(lambda: answers(page))
            assert page.post("/login").json() == {"status": "OK"}
            assert page.get("/getHomeFeed").json() == ["Welcome, user-1"]
    finally:
        started.terminate()
        started.wait()


def answers(page):
    try:
        return page.get("/docs").status_code == 200
    except httpx.TransportError:
        return False
