import dataclasses
import re
import subprocess
import sys
from pathlib import Path

from reseal.server.config import ServiceSettings
from reseal.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
KEYS = [key for key in dataclasses.fields(Settings) if key.init]


def test_the_generated_files_are_those_of_the_settings():
    check = [sys.executable, "tools/config_doc.py", "--check"]
    done = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_config_yaml_loads_as_it_is():
    assert Settings.from_yaml(ROOT / "config.yaml") == Settings(api_domain="http://localhost:8000")


def test_config_yaml_uncommented_gives_the_defaults(tmp_path):
    text = re.sub(r"(?m)^# (?=[a-z_]+: )", "", (ROOT / "config.yaml").read_text("utf-8"))
    (tmp_path / "config.yaml").write_text(text, "utf-8")
    assert all(re.search(rf"(?m)^{key.name}: ", text) for key in KEYS)
    assert Settings.from_yaml(tmp_path / "config.yaml") == Settings(api_domain="http://localhost:8000")


def test_every_key_has_its_meaning_and_its_row():
    page = (ROOT / "docs" / "reference" / "configuration.md").read_text("utf-8")
    for key in KEYS:
        assert key.metadata["doc"] in page
        assert f"| `{key.name}` | `RESEAL_{key.name.upper()}` |" in page


def test_the_file_of_the_service_uncommented_gives_the_defaults(tmp_path):
    text = re.sub(r"(?m)^# (?=[a-z_]+: )", "", (ROOT / "config.service.yaml").read_text("utf-8"))
    (tmp_path / "config.yaml").write_text(text, "utf-8")
    keys = [key.name for key in dataclasses.fields(ServiceSettings) if key.init and key.name != "bounds"]
    assert all(re.search(rf"(?m)^{key}: ", text) for key in keys)
    assert ServiceSettings.load(tmp_path / "config.yaml", {}) == ServiceSettings()
