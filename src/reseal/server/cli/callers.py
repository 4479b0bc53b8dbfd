"""API keys: generate one, or hash an existing one, and write its entry for ``api_keys_file``.

An entry is one line of YAML with the hash of the key, so that a stolen file grants no access.
"""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any, Final

from reseal.server.api_keys import RIGHTS, api_keys, check_text, digest_of
from reseal.server.cli.arguments import command, group
from reseal.server.cli.exits import DONE, CommandFailed
from reseal.server.cli.output import show
from reseal.server.live_keys import read_keys
from reseal.settings.problems import InvalidValueError

_BYTES: Final = 24


def add(commands: Any) -> None:
    """Declare these commands."""
    keys = group(commands, "api-keys", "Make API keys and their entries for api_keys_file.")
    _described(command(keys, "new", new_key))
    _described(command(keys, "hash", hash_key))


def new_key(options: Namespace) -> int:
    """Generate a key. It is shown once; its entry holds only the hash."""
    key = os.urandom(_BYTES).hex()
    entry = _entry(key, options)
    if options.add_to is not None:
        _append(Path(options.add_to), entry)
    show([{"key": key} | ({} if options.add_to else {"entry": entry})], options)
    return DONE


def hash_key(options: Namespace) -> int:
    """Read a key from standard input and write its entry."""
    key = sys.stdin.read().strip()
    if not key:
        raise CommandFailed("standard input holds no key: is the variable set that it comes from?")
    entry = _entry(key, options)
    if options.add_to is not None:
        _append(Path(options.add_to), entry)
    else:
        show([{"entry": entry}], options)
    return DONE


def _described(parser: ArgumentParser) -> None:
    parser.add_argument("--name", required=True, metavar="NAME", help="whose key it is; the log shows it")
    parser.add_argument("--may", choices=tuple(RIGHTS), default="admin", help="what it may do; admin if absent")
    parser.add_argument("--app", action="append", metavar="ID", help="for this app alone; may be repeated")
    parser.add_argument("--tenant", action="append", metavar="ID", help="for this tenant alone; may be repeated")
    parser.add_argument("--add-to", metavar="FILE", help="add the entry to this api_keys_file")


def _entry(key: str, options: Namespace) -> str:
    """Return the entry of a key. Raises ``CommandFailed`` if the service would not accept it."""
    limits = {"may": options.may, "apps": options.app, "tenants": options.tenant}
    members = {"name": options.name, "sha256": digest_of(key).hex(), **{k: v for k, v in limits.items() if v}}
    try:
        check_text(key)
        api_keys([members])
    except InvalidValueError as invalid:
        raise CommandFailed(f"{invalid.reason('the key')}: {invalid.advice}") from None
    return "- " + json.dumps(members)  # JSON is YAML


def _append(path: Path, entry: str) -> None:
    """Replace the file by one with the entry appended; a service never reads half of it. Raises ``CommandFailed``."""
    before, mode, facts = "", 0o600, None
    try:
        if path.exists():
            before, facts = path.read_text("utf-8-sig"), path.stat()
            mode = stat.S_IMODE(facts.st_mode)
        lines = [_listed(line) for line in re.split(r"[,\r\n]+", before)] if _is_plain(before) else [before.rstrip()]
        beside = path.with_name(f".{path.name}.new")
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as file:
            file.write("\n".join([*(line for line in lines if line), entry, ""]))
            file.flush()
            os.fsync(file.fileno())
            if facts is not None:
                os.fchown(file.fileno(), facts.st_uid, facts.st_gid)
        read_keys(beside)
        beside.replace(path)
    except (OSError, ValueError) as error:
        raise CommandFailed(
            f"{path} cannot be changed ({getattr(error, 'strerror', None) or 'not UTF-8 text'})"
        ) from None
    except InvalidValueError as invalid:
        beside.unlink()
        raise CommandFailed(f"{path} was not changed: with this entry it {invalid.why}: {invalid.advice}") from None


def _is_plain(text: str) -> bool:
    return not re.search(r"^\s*-\s", text, re.MULTILINE)


def _listed(key: str) -> str:
    """Convert a key of a plain list to a YAML entry."""
    return f"- {json.dumps(key.strip())}" if key.strip() else ""
