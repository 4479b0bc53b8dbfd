"""The file of a database is moved, deleted or replaced while it is open: that is noticed, and no write is lost."""

from __future__ import annotations

import logging
import os
import shutil
import stat

import pytest

from reseal import SQLiteStore, StoreUnavailable
from reseal.core.model import Scope
from reseal.core.selection import UserPlace
from reseal.testing.material import new_session

PUBLIC = Scope()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sessions.db"


@pytest.fixture
def store(path):
    store = SQLiteStore(path)
    store.open()
    store.insert(PUBLIC, new_session("kept"))
    yield store
    store.close()


def replace(path):
    copy = path.with_name("copy.db")
    shutil.copy(path, copy)
    copy.replace(path)


def move(path):
    path.rename(path.with_name("elsewhere.db"))


def delete(path):
    path.unlink()


def delete_all(path):
    for each in path.parent.glob(f"{path.name}*"):
        each.unlink()


def delete_log(path):
    path.with_name(f"{path.name}-wal").unlink()


def delete_folder(path):
    shutil.rmtree(path.parent)


@pytest.mark.parametrize("fault", [replace, move, delete, delete_all, delete_log, delete_folder])
def test_no_write_is_acknowledged_that_would_be_lost(store, path, fault, caplog):
    fault(path)
    for n in range(3):
        with pytest.raises(StoreUnavailable, match="moved, deleted or replaced"):
            store.insert(PUBLIC, new_session(f"lost-{n}"))
    [line] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert str(path) in line.getMessage()
    assert not path.exists() or fault in {replace, delete_log}


@pytest.mark.parametrize("fault", [replace, move, delete, delete_folder])
def test_nothing_is_read_from_a_file_that_is_gone(store, path, fault):
    fault(path)
    for call in (lambda: store.get(PUBLIC, "kept"), lambda: store.list_user(PUBLIC, "user", UserPlace(), 10)):
        with pytest.raises(StoreUnavailable, match="moved, deleted or replaced"):
            call()


def test_a_file_that_is_put_back_is_used_again(store, path, caplog):
    away = path.with_name("away.db")
    for _ in range(2):
        path.rename(away)
        with pytest.raises(StoreUnavailable):
            store.get(PUBLIC, "kept")
        away.rename(path)
        assert store.get(PUBLIC, "kept").record.user_id == "user"
    assert sum(record.levelno == logging.ERROR for record in caplog.records) == 2  # told each time, not each call


def test_a_write_amid_which_the_file_goes_is_not_acknowledged(store, path, monkeypatch):
    tables = store._tables
    insert = tables.insert

    def insert_and_delete(*arguments):
        path.unlink()
        return insert(*arguments)

    monkeypatch.setattr(tables, "insert", insert_and_delete)
    with pytest.raises(StoreUnavailable, match="moved, deleted or replaced"):
        store.insert(PUBLIC, new_session("lost"))


def test_a_relative_path_is_that_of_the_folder_in_which_it_was_opened(tmp_path, monkeypatch):
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
    monkeypatch.chdir(here)
    store = SQLiteStore("sessions.db")
    store.open()
    monkeypatch.chdir(there)
    store.insert(PUBLIC, new_session("h"))
    assert store.get(PUBLIC, "h").record is not None
    store.close()
    assert list(there.iterdir()) == []
    assert (here / "sessions.db").exists()


def test_a_link_that_leads_elsewhere_meanwhile_is_noticed(tmp_path, path):
    (tmp_path / "one").mkdir()
    path.symlink_to(tmp_path / "one" / "real.db")
    store = SQLiteStore(path)
    store.open()
    store.insert(PUBLIC, new_session("h"))
    path.unlink()
    path.symlink_to(tmp_path / "other.db")
    with pytest.raises(StoreUnavailable, match="moved, deleted or replaced"):
        store.insert(PUBLIC, new_session("i"))
    store.close()


def test_a_link_that_follows_the_file_to_another_folder_is_followed(tmp_path, path):
    (tmp_path / "one").mkdir()
    path.symlink_to(tmp_path / "one" / "real.db")
    store = SQLiteStore(path)
    store.open()
    store.insert(PUBLIC, new_session("h"))
    (tmp_path / "one").rename(tmp_path / "two")
    path.unlink()
    path.symlink_to(tmp_path / "two" / "real.db")
    assert store.insert(PUBLIC, new_session("i")) is not None
    store.close()


def test_nothing_beside_the_file_is_for_others_to_read(store, path, monkeypatch):
    old = os.umask(0)
    try:
        other = SQLiteStore(path.with_name("other.db"))
        other.open()
        other.insert(PUBLIC, new_session("h"))
        made = list(path.parent.glob("other.db*"))
        assert len(made) == 4
        assert {stat.S_IMODE(each.stat().st_mode) for each in made} == {0o600}
        other.close()
    finally:
        os.umask(old)
