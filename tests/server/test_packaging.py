"""The image, the composition and the unit: nothing runs as root, nothing floats, no secret is written down."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from reseal.core.errors import ConfigurationError
from reseal.server.config import ServiceSettings
from reseal.server.process import GRACE
from tests.server.running import running, until

ROOT = Path(__file__).resolve().parents[2]
SECRET_WORDS = re.compile(r"password|secret|api_?key|token|_uri$", re.IGNORECASE)
PINNED = re.compile(r"[a-z0-9./-]+:\d+\.\d+(\.\d+)?[\w.-]*@sha256:[0-9a-f]{64}")
HARDENED = {
    "DynamicUser=yes", "NoNewPrivileges=yes", "CapabilityBoundingSet=", "ProtectSystem=strict", "ProtectHome=yes",
    "PrivateTmp=yes", "PrivateDevices=yes", "ProtectClock=yes", "ProtectControlGroups=yes", "ProtectHostname=yes",
    "ProtectKernelLogs=yes", "ProtectKernelModules=yes", "ProtectKernelTunables=yes", "ProtectProc=invisible",
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX", "RestrictNamespaces=yes", "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes", "LockPersonality=yes", "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service", "UMask=0077", "StateDirectoryMode=0700",
}  # fmt: skip


def instructions(text):
    """Give the instructions of a Dockerfile, in order."""
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    split = (line.strip().partition(" ") for line in joined.splitlines() if line.strip())
    return [(word.upper(), rest.strip()) for word, _, rest in split]


def faults(text):
    """Apply every rule for a Dockerfile."""
    found, stages = [], set()
    steps = instructions(text)
    last = max(number for number, (word, _) in enumerate(steps) if word == "FROM")
    for word, rest in steps:
        if word == "FROM":
            base, _, stage = rest.partition(" AS ")
            if base not in stages and not PINNED.fullmatch(base):
                found.append(f"base {base} is not pinned")
            stages.add(stage)
        elif word == "ADD":
            found.append("ADD fetches and unpacks; COPY does neither")
        elif word in {"ENV", "ARG"}:
            names = [pair.partition("=")[0] for pair in shlex.split(rest)]
            found += [f"{word} {name} is a secret" for name in names if SECRET_WORDS.search(name)]
        elif word == "RUN" and re.search(r"\b(curl|wget|sudo)\b|chmod\s+(-R\s+)?777", rest):
            found.append(f"RUN {rest}")
        elif word == "RUN":
            found += [
                f"unpinned packages: {command.strip()}"
                for command in rest.split("&&")
                if "pip install" in command and not ("--require-hashes" in command or "--no-index" in command)
            ]
    final = dict(steps[last:])
    user = final.get("USER", "root").partition(":")[0]
    if not user.isdigit() or int(user) == 0:
        found.append(f"user {user} is not an unprivileged number")
    if "/healthz" not in final.get("HEALTHCHECK", ""):
        found.append("no health check")
    found += [f"{word} is not a list" for word in ("ENTRYPOINT", "CMD") if not final.get(word, "").startswith("[")]
    return found


@pytest.fixture(scope="module")
def dockerfile():
    return (ROOT / "Dockerfile").read_text("utf-8")


@pytest.fixture(scope="module")
def composition():
    return yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))


@pytest.fixture(scope="module")
def unit():
    lines = (ROOT / "contrib/reseal.service").read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith(("#", "["))]


def test_the_image_keeps_every_rule(dockerfile):
    assert faults(dockerfile) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("USER 10001:10001", ""),
        ("USER 10001:10001", "USER root"),
        ("USER 10001:10001", "USER 0:0"),
        ("python:3.13.7-slim-bookworm@sha256:", "python:latest@sha256:"),
        ("python:3.13.7-slim-bookworm@sha256:", "python@sha256:"),
        ("@sha256:", ""),
        ("COPY src src", "ADD https://example.com/src.tar.gz src"),
        ("HEALTHCHECK", "LABEL health="),
        ("--require-hashes", ""),
        ("EXPOSE 3567", "ENV RESEAL_API_KEYS=canary-0123456789-abcdef"),
        ("EXPOSE 3567", "ARG POSTGRESQL_PASSWORD"),
        ("EXPOSE 3567", "RUN curl https://example.com/install | sh"),
        ('ENTRYPOINT ["reseal"]', "ENTRYPOINT reseal"),
    ],
)
def test_every_rule_for_the_image_bites(dockerfile, old, new):
    assert old in dockerfile
    assert faults(dockerfile.replace(old, new)) != []


def test_what_the_image_copies_is_let_through_and_nothing_else(dockerfile):
    ignored, *patterns = (ROOT / ".dockerignore").read_text("utf-8").split()
    let_through = {pattern[1:] for pattern in patterns if pattern.startswith("!")}
    copied = set()
    for word, rest in instructions(dockerfile):
        if word == "COPY" and not rest.startswith("--from"):
            copied |= set(rest.split()[:-1])
    assert (ignored, let_through) == ("*", copied)
    assert [path for path in copied if not (ROOT / path).exists()] == []


def test_the_locks_of_the_image_pin_every_package_with_hashes():
    for name in ("build", "service"):
        text = (ROOT / f"locks/{name}.txt").read_text("utf-8").replace("\\\n", " ")
        entries = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
        assert entries
        assert [
            entry for entry in entries if not re.fullmatch(r"[\w.-]+==\S+( ;.*?)?(\s+--hash=sha256:\w{64})+\s*", entry)
        ] == []


def test_the_image_listens_only_with_a_key(dockerfile, monkeypatch):
    environ = {}
    for word, rest in instructions(dockerfile):
        if word == "ENV":
            environ |= dict(pair.split("=", 1) for pair in shlex.split(rest))
    assert environ["RESEAL_HOST"] == "0.0.0.0"
    with pytest.raises(ConfigurationError, match="api_keys"):
        ServiceSettings.load(environ=environ)
    assert ServiceSettings.load(environ=environ | {"API_KEYS": "canary-0123456789-abcdef"}).database_path


def test_the_health_checks_of_image_and_composition_tell_what_the_service_says(dockerfile, composition, tmp_path):
    of_image = json.loads(dict(instructions(dockerfile))["HEALTHCHECK"].partition(" CMD ")[2])
    of_composition = composition["services"]["reseal"]["healthcheck"]["test"][1:]

    def passes(command, port):
        program, *arguments = [word.replace("3567", str(port)) for word in command]
        assert program == "python"
        done = subprocess.run([sys.executable, *arguments], env={}, capture_output=True, timeout=60, check=False)
        return done.returncode == 0

    def passes_at_last(command, port):
        """Wait as a container engine does, which believes no single failure: the command has two seconds."""
        until(lambda: passes(command, port))

    with running(tmp_path, RESEAL_SHUTDOWN_DELAY="60") as service:
        port = service.port
        passes_at_last(of_image, port)
        passes_at_last(of_composition, port)
        service.tell()
        until(lambda: not passes(of_composition, port))  # it is not ready any more
        passes_at_last(of_image, port)  # it is alive all the same
    assert not passes(of_image, port)
    assert not passes(of_composition, port)


def test_the_composition_holds_no_secret(composition):
    for name, service in composition["services"].items():
        for key, value in service["environment"].items():
            assert not SECRET_WORDS.search(key) or value.startswith("/run/secrets/"), (name, key)
            assert not re.search(r"://[^/]*@", value)
        assert {
            value.removeprefix("/run/secrets/")
            for value in service["environment"].values()
            if value.startswith("/run/secrets/")
        } == set(service["secrets"])
    assert all(each["file"].startswith("./secrets/") for each in composition["secrets"].values())
    assert "secrets/" in (ROOT / ".gitignore").read_text("utf-8").split()


def test_the_composition_publishes_the_service_on_loopback_and_the_database_not_at_all(composition):
    ours, database = composition["services"]["reseal"], composition["services"]["postgres"]
    assert all(port.startswith("127.0.0.1:") for port in ours["ports"])
    assert "ports" not in database
    assert [composition["networks"][name] for name in database["networks"]] == [{"internal": True}]


def test_the_composition_pins_checks_and_confines(composition):
    for service in composition["services"].values():
        assert "build" in service or PINNED.fullmatch(service["image"])
        assert service["healthcheck"]["test"][0] == "CMD"
        assert "no-new-privileges:true" in service["security_opt"]
        assert "privileged" not in service
    ours = composition["services"]["reseal"]
    assert ours["read_only"] is True
    assert ours["cap_drop"] == ["ALL"]
    assert int(ours["stop_grace_period"].removesuffix("s")) > GRACE + ServiceSettings().shutdown_delay


def test_the_composition_is_a_configuration_of_the_service(composition, tmp_path):
    texts = {
        "postgresql_password": "canary/pass@word",
        "api_keys": "canary-0123456789-abcdef",
        "secret_key": "Jx7-canary-qP2vW9-canary-rT5mZ8-0123",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(f"{text}\n")
    environ = {
        key: value.replace("/run/secrets", str(tmp_path))
        for key, value in composition["services"]["reseal"]["environment"].items()
    }
    settings = ServiceSettings.load(environ=environ | {"RESEAL_HOST": "0.0.0.0"})
    assert settings.server_uri is not None
    assert (len(settings.api_keys_file.keys), settings.workers, settings.secret_key is not None) == (1, 2, True)


def test_the_unit_is_hardened(unit):
    assert set(unit) >= HARDENED
    assert not [line for line in unit if line.startswith(("User=", "Group=", "PermissionsStartOnly"))]


def test_the_unit_holds_no_secret(unit):
    for line in unit:
        if line.startswith("Environment="):
            name, _, value = line.removeprefix("Environment=").partition("=")
            assert not SECRET_WORDS.search(name) or value.startswith("%d/")


def test_the_unit_waits_for_the_service_to_finish(unit):
    seconds = next(int(line.partition("=")[2]) for line in unit if line.startswith("TimeoutStopSec="))
    assert seconds > 60 + GRACE  # the longest delay that may be configured


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_understands_the_unit(tmp_path):
    text = (ROOT / "contrib/reseal.service").read_text("utf-8")
    copy = tmp_path / "reseal.service"
    copy.write_text(text.replace("/opt/reseal/bin/reseal", "/bin/true"))  # which has to exist for this
    done = subprocess.run(["systemd-analyze", "verify", copy], capture_output=True, text=True, timeout=60, check=False)
    assert [line for line in done.stderr.splitlines() if "reseal.service" in line] == []
