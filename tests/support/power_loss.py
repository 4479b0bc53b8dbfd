r"""Power loss: what a disk may hold of a program's files at any moment, from the system calls that strace saw.

A write is certain once ``fsync`` of its file has returned that began after it; of the others any sectors may be there.
A name is certain once ``fsync`` of its folder has returned; of later names the first ones may be there, in order.
If ``fsync`` fails, the system forgets what it could not write: no later ``fsync`` makes that certain.
"""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

SECTOR: Final = 512
"""Bytes that a disk writes as a whole."""
_CALLS: Final = "openat,write,pwrite64,fsync,fdatasync,ftruncate,unlink,rename"
_NOT_MODELLED: Final = "writev,pwritev,pwritev2,fallocate,copy_file_range,sendfile,unlinkat,renameat,renameat2,link"
_LINE: Final = re.compile(r"(?P<name>\w+)\((?P<given>.*)\)\s+= (?P<result>-?\d+)(?P<of><[^>]*>)?")
_BYTES: Final = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_OPENED: Final = re.compile(r"^(\d+)<((?:\\x[0-9a-f]{2})*)>")
_NUMBER: Final = re.compile(r"\b(\d+)$")
_OFFSET: Final = re.compile(r", (\d+), (\d+)$")


class Change(NamedTuple):
    """Something that a program did, at a place in the order of all that it did."""

    at: int
    kind: str
    """``write``, ``cut``, ``create``, ``remove``, ``rename``, ``sync``, ``fail`` (of a sync) or ``say``."""
    name: str = ""
    """Of the file, within its folder; empty for the folder itself."""
    data: bytes = b""
    number: int = 0
    """Offset, size, or for ``sync`` and ``fail`` the place at which it began."""


class Recording:
    """What a program did to the files of one folder, and what it said meanwhile."""

    def __init__(self, trace: str, folder: Path) -> None:
        self._folder = f"{folder.resolve()}/"
        self.changes = sorted(self._read(trace))

    @property
    def end(self) -> int:
        return self.changes[-1].at + 1

    def said(self, before: int) -> list[str]:
        """Return the lines that the program had printed at a moment."""
        text = b"".join(change.data for change in self.changes if change.kind == "say" and change.at < before)
        return text.decode().splitlines()

    def restore(self, before: int, folder: Path, chance: random.Random) -> None:
        """Write into an empty folder what the disk may hold if power is lost at a moment."""
        disk = _Disk(chance)
        for change in self.changes:
            if change.at >= before:
                break
            disk.apply(change)
        for name, content in disk.survivors(chance).items():
            (folder / name).write_bytes(content)

    def _read(self, trace: str) -> Iterator[Change]:
        begun: dict[str, tuple[int, str]] = {}
        for place, line in enumerate(trace.splitlines()):
            pid, _, rest = line.partition(" ")
            rest, began = rest.lstrip(), place
            if rest.endswith("<unfinished ...>"):
                begun[pid] = place, rest.removesuffix("<unfinished ...>").rstrip()
                continue
            if rest.startswith("<... "):
                began, start = begun.pop(pid)
                rest = start + rest.partition("resumed>")[2]
            if found := _LINE.match(rest):
                is_fine = not found["result"].startswith("-")
                if is_fine or found["name"] in {"fsync", "fdatasync"}:
                    made = self._changes(found["name"], found["given"], began, place)
                    yield from made if is_fine else (change._replace(kind="fail") for change in made)

    def _changes(self, call: str, given: str, began: int, ended: int) -> Iterator[Change]:
        texts = [bytes.fromhex(text.replace("\\x", "")) for text in _BYTES.findall(given)]
        opened = _OPENED.match(given)
        name = self._inside(bytes.fromhex(opened[2].replace("\\x", "")).decode(errors="replace")) if opened else None
        if call == "write" and opened and opened[1] == "1":
            yield Change(began, "say", data=texts[0])
        elif call == "openat" and "O_CREAT" in given:
            if created := self._inside(texts[0].decode()):
                yield Change(ended, "create", created)
        elif call in {"unlink", "rename"}:
            names = [self._inside(text.decode()) for text in texts]
            if names[0]:
                new = (names[1] or "").encode() if call == "rename" else b""
                yield Change(ended, "rename" if call == "rename" else "remove", names[0], new)
        elif name is not None:
            yield self._to_file(call, name, texts, given, began, ended)

    @staticmethod
    def _to_file(call: str, name: str, texts: list[bytes], given: str, began: int, ended: int) -> Change:
        if call == "pwrite64":
            offset = _OFFSET.search(given)
            assert offset is not None
            return Change(began, "write", name, texts[0], int(offset[2]))
        if call == "ftruncate":
            size = _NUMBER.search(given)
            assert size is not None
            return Change(began, "cut", name, number=int(size[1]))
        assert call in {"fsync", "fdatasync"}, f"{call} of {name} is not modelled"
        return Change(ended, "sync", name, number=began)

    def _inside(self, path: str) -> str | None:
        """Return a path's name within the folder, if it leads there."""
        if f"{path}/" == self._folder:
            return ""
        return path.removeprefix(self._folder) if path.startswith(self._folder) else None


class _File:
    def __init__(self) -> None:
        self.certain = bytearray()
        self.pending: list[Change] = []

    def sync(self, began: int) -> None:
        done = [change for change in self.pending if change.at < began]
        for change in done:
            _apply(self.certain, change.kind, change.data, change.number)
        self.pending = self.pending[len(done) :]

    def fail(self, began: int, chance: random.Random) -> None:
        """Have some of the pending sectors reach the disk, and the others never."""
        done = [change for change in self.pending if change.at < began]
        self.pending = self.pending[len(done) :]
        self._partly(self.certain, done, chance.choice([0.0, 0.5, 1.0]), chance)

    def survivor(self, chance: random.Random) -> bytes:
        content = bytearray(self.certain)
        self._partly(content, self.pending, chance.choice([0.0, 0.5, 0.9, 1.0]), chance)
        return bytes(content)

    @staticmethod
    def _partly(content: bytearray, changes: list[Change], share: float, chance: random.Random) -> None:
        for change in changes:
            if change.kind == "cut":
                if chance.random() < share:
                    _apply(content, "cut", b"", change.number)
                continue
            for first in range(0, len(change.data), SECTOR):
                if chance.random() < share:
                    _apply(content, "write", change.data[first : first + SECTOR], change.number + first)


class _Disk:
    """The names of a folder, those that are certain and those that may be, and its files."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._certain: dict[str, _File] = {}
        self._now: dict[str, _File] = {}
        self._pending: list[tuple[int, dict[str, _File]]] = []

    def apply(self, change: Change) -> None:
        if change.kind in {"write", "cut"}:
            self._now[change.name].pending.append(change)
        elif change.kind == "sync" and change.name:
            self._now[change.name].sync(change.number)
        elif change.kind == "sync":
            done = [names for at, names in self._pending if at < change.number]
            self._certain = done[-1] if done else self._certain
            self._pending = self._pending[len(done) :]
        elif change.kind == "fail" and change.name:
            self._now[change.name].fail(change.number, self._chance)
        elif change.kind not in {"fail", "say"}:
            self._rename(change)

    def survivors(self, chance: random.Random) -> dict[str, bytes]:
        names = chance.choice([self._certain, *(names for _, names in self._pending)])
        return {name: file.survivor(chance) for name, file in names.items()}

    def _rename(self, change: Change) -> None:
        if change.kind == "create":
            if change.name in self._now:
                return
            self._now = {**self._now, change.name: _File()}
        else:
            file = self._now[change.name]
            others = {name: each for name, each in self._now.items() if name != change.name}
            self._now = {**others, change.data.decode(): file} if change.kind == "rename" else others
        self._pending.append((change.at, self._now))


def _apply(content: bytearray, kind: str, data: bytes, number: int) -> None:
    if kind == "cut":
        del content[number:]
    end = number + len(data)
    content.extend(bytes(max(0, end - len(content))))
    content[number:end] = data


def record(code: str, folder: Path, *arguments: str, fault: str = "") -> Recording:
    """Run Python code to its end, and record what it does to the files directly in a folder.

    ``fault``: which system calls fail, and how, as strace wants it: ``fsync:error=EIO:when=20+5``.
    """
    if shutil.which("strace") is None:
        pytest.fail("strace is not installed: apt-get install strace")
    trace = folder.with_name(f"{folder.name}.trace")
    command = ["strace", "-f", "-y", "-xx", "-s", str(2**20), "--seccomp-bpf", "-e", "signal=none", "-o", str(trace)]
    command += [
        "-e",
        f"trace={_CALLS},{_NOT_MODELLED}",
        *(["-e", f"inject={fault}"] if fault else []),
        sys.executable,
        "-c",
        code,
        *arguments,
    ]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return Recording(trace.read_text(), folder)
