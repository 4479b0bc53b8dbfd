"""The interface of Django's session engines, case by case, in sync code and in async code.

``Async`` calls the async twin of each method, so that each case is written once.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import CreateError, SessionBase, UpdateError
from django.core.management import call_command
from django.test import override_settings
from django.utils import timezone

from reseal.core.errors import InvalidInput, StoreUnavailable
from reseal.core.ids import ANONYMOUS
from reseal.django.engine import SessionStore
from reseal.django.session_keys import handle_of, key_of


class Sync:
    def __init__(self, session_key=None):
        self.store = SessionStore(session_key)

    def __getattr__(self, name):
        return getattr(self.store, name)

    def __contains__(self, key):
        return key in self.store

    def set(self, key, value):
        self.store[key] = value

    def again(self):
        """Open the same session once more, as another request does."""
        return type(self)(self.store.session_key)


class Async(Sync):
    def __getattr__(self, name):
        found = getattr(self.store, f"a{name}", None)
        return getattr(self.store, name) if found is None else async_to_sync(found)

    def __contains__(self, key):
        return self.has_key(key)

    def set(self, key, value):
        async_to_sync(self.store.aset)(key, value)


VARIANTS = [Sync, Async] if hasattr(SessionBase, "aget") else [Sync]
"""Sessions have async methods since Django 5.1."""


@pytest.fixture(params=VARIANTS)
def open_session(request, reseal):
    return request.param


@pytest.fixture
def session(open_session):
    return open_session()


def stored(open_session, **data):
    session = open_session()
    session.update(data)
    session.save()
    return session


class TestDictionary:
    def test_a_new_session_is_untouched(self, session):
        assert (session.store.accessed, session.store.modified) == (False, False)
        assert session.store.is_empty()

    def test_an_absent_key_reads_as_none_or_as_the_default(self, session):
        assert session.get("cat") is None
        assert session.get("cat", "dog") == "dog"
        assert (session.store.accessed, session.store.modified) == (True, False)

    def test_a_value_that_is_set_can_be_taken_out(self, session):
        session.set("cat", "dog")
        assert session.store.modified
        assert session.pop("cat") == "dog"
        assert session.get("cat") is None

    def test_popping_an_absent_key_changes_nothing(self, session):
        assert session.pop("cat", "dog") == "dog"
        assert session.pop("cat", default="dog") == "dog"
        assert (session.store.accessed, session.store.modified) == (True, False)
        with pytest.raises(KeyError):
            session.pop("cat")

    def test_setdefault_keeps_what_is_there(self, session):
        assert session.setdefault("cat", "dog") == "dog"
        assert session.setdefault("cat", "cow") == "dog"
        assert session.store.modified

    def test_update_modifies(self, session):
        session.update({"cat": 1})
        assert session.get("cat") == 1
        assert session.store.modified

    def test_reading_all_of_it_is_an_access(self, session):
        session.set("x", 1)
        session.store.modified = session.store.accessed = False
        assert list(session.keys()) == ["x"]
        assert list(session.values()) == [1]
        assert list(session.items()) == [("x", 1)]
        assert "x" in session
        assert (session.store.accessed, session.store.modified) == (True, False)

    def test_clearing_empties_it(self, session):
        session.set("x", 1)
        session.store.modified = session.store.accessed = False
        session.store.clear()
        assert list(session.items()) == []
        assert (session.store.accessed, session.store.modified) == (True, True)

    def test_the_test_cookie(self, session):
        assert not session.test_cookie_worked()
        session.set_test_cookie()
        assert session.test_cookie_worked()
        session.delete_test_cookie()
        assert not session.test_cookie_worked()


class TestLife:
    def test_saving_begins_a_session_and_keeps_its_data(self, open_session):
        session = stored(open_session, a="b", nested={"c": [1, None, True, 1.5]})
        assert session.exists(session.store.session_key)
        assert dict(session.again().items()) == {"a": "b", "nested": {"c": [1, None, True, 1.5]}}
        assert session.get("a") == "b"

    def test_creating_one_makes_a_key_at_once(self, session):
        session.create()
        assert session.store.modified
        assert session.exists(session.store.session_key)

    def test_deleting_ends_it(self, open_session):
        session = stored(open_session, a=1)
        session.delete(session.store.session_key)
        assert not session.exists(session.store.session_key)
        session.delete("nosuchsession")
        open_session().delete()

    def test_flushing_ends_it_and_forgets_the_data(self, open_session):
        session = stored(open_session, a=1)
        former = session.store.session_key
        session.flush()
        assert not session.exists(former)
        assert session.store.session_key is None
        assert session.store.is_empty()
        assert (session.store.accessed, session.store.modified) == (True, True)

    def test_a_cycled_key_keeps_the_data_and_ends_the_former_session(self, open_session):
        session = stored(open_session, a="c", b="d")
        former = session.store.session_key
        session.cycle_key()
        session.save()
        assert session.store.session_key not in {None, former}
        assert dict(session.again().items()) == {"a": "c", "b": "d"}
        assert not session.exists(former)

    def test_the_key_of_a_cycled_session_can_be_read_before_it_is_saved(self, open_session):
        session = stored(open_session, a=1)
        former = session.store.session_key
        session.cycle_key()
        assert session.store.session_key not in {None, former}
        session.save()
        assert not session.exists(former)

    def test_cycling_loads_the_data_first(self, open_session):
        again = stored(open_session, a=1).again()
        again.cycle_key()
        assert dict(again.items()) == {"a": 1}

    def test_a_cycled_session_that_is_flushed_leaves_none(self, open_session):
        session = stored(open_session, a=1)
        former = session.store.session_key
        session.cycle_key()
        session.flush()
        assert session.store.session_key is None
        assert not session.exists(former)

    @pytest.mark.parametrize("key", ["1", "", "1234567", None])
    def test_a_key_that_can_be_none_is_no_key(self, open_session, key):
        session = open_session(key)
        session.save()
        assert session.store.session_key not in {key, None}
        assert session.get("cat") is None

    def test_an_unknown_key_is_replaced_and_never_used(self, open_session):
        session = open_session("unknownkey")
        session.set("cat", "dog")
        session.save()
        assert session.store.session_key not in {None, "unknownkey"}
        assert not session.exists("unknownkey")

    def test_loading_creates_nothing(self, open_session):
        session = open_session("someunknownkey")
        assert session.load() == {}
        assert session.store.session_key is None
        assert not session.exists(session.store.session_key)

    def test_the_key_cannot_be_set(self, session):
        with pytest.raises(AttributeError):
            session.store.session_key = "another-key"

    def test_an_existing_session_is_not_created(self, open_session):
        session = stored(open_session, a=1)
        with pytest.raises(CreateError):
            session.save(must_create=True)

    def test_an_ended_session_is_not_brought_back(self, open_session):
        session = open_session()
        session.set("a", 1)
        session.save(must_create=True)
        session.again().delete()
        session.set("a", 2)
        with pytest.raises(UpdateError):
            session.save()
        assert session.load() == {}

    def test_an_empty_session_can_be_saved(self, open_session):
        session = stored(open_session, a=1)
        again = session.again()
        again.store.clear()
        again.save()
        assert again.store.session_key == session.store.session_key
        assert dict(session.again().items()) == {}


class TestKey:
    def test_a_key_opens_the_session_and_its_handle_does_not(self, open_session):
        session = stored(open_session, a=1)
        assert dict(session.again().items()) == {"a": 1}
        for known in (session.store.handle, session.store.handle.replace("-", "")):
            assert dict(open_session(known).items()) == {}
            assert not session.exists(known)
            session.delete(known)
        assert session.exists(session.store.session_key)

    def test_no_character_of_a_key_can_be_changed(self, open_session):
        key = stored(open_session, a=1).store.session_key
        assert len(key) == 40  # for which packages keep room
        for place in range(len(key)):
            for other in "-0Az_":
                changed = key[:place] + other + key[place + 1 :]
                assert changed == key or handle_of(changed) is None

    def test_a_key_outlives_a_change_of_the_secret_that_keeps_the_former(self, open_session):
        key = stored(open_session, a=1).store.session_key
        with override_settings(SECRET_KEY="another", SECRET_KEY_FALLBACKS=[settings.SECRET_KEY]):
            assert handle_of(key)
        with override_settings(SECRET_KEY="another"):
            assert handle_of(key) is None

    def test_the_session_of_a_tenant_has_a_key_as_well(self):
        handle = "0813041f-6814-433e-923a-4d6c7a68e4d8_t1"
        assert handle_of(key_of(handle)) == handle


class TestExpiry:
    def test_a_session_lives_as_long_as_reseal_says(self, session, reseal):
        assert session.get_expiry_age() == reseal.settings.idle_ms // 1000
        session.set_expiry(0)
        assert session.get_expiry_age() == reseal.settings.idle_ms // 1000

    @pytest.mark.parametrize("as_date", [False, True])
    def test_an_expiry_of_its_own(self, session, as_date):
        now = timezone.now()
        session.set_expiry(now + timedelta(seconds=10) if as_date else 10)
        assert session.get_expiry_date(modification=now) == now + timedelta(seconds=10)
        assert session.get_expiry_age(modification=now) == 10

    def test_an_expiry_by_a_time_difference(self, session):
        session.set_expiry(timedelta(hours=1))
        assert 3590 < session.get_expiry_age() <= 3600

    def test_an_expiry_that_is_given(self, session):
        now = timezone.now()
        assert session.get_expiry_age(modification=now, expiry=(now + timedelta(seconds=7)).isoformat()) == 7
        assert session.get_expiry_date(modification=now, expiry=7) == now + timedelta(seconds=7)

    def test_an_expiry_taken_back(self, session, reseal):
        session.set_expiry(None)
        session.set_expiry(10)
        session.set_expiry(None)
        assert session.get_expiry_age() == reseal.settings.idle_ms // 1000

    @pytest.mark.parametrize("by_default", [False, True])
    def test_the_end_with_the_browser(self, session, by_default):
        with override_settings(SESSION_EXPIRE_AT_BROWSER_CLOSE=by_default):
            session.set_expiry(10)
            assert not session.get_expire_at_browser_close()
            session.set_expiry(0)
            assert session.get_expire_at_browser_close()
            session.set_expiry(None)
            assert session.get_expire_at_browser_close() is by_default

    def test_a_session_is_over_at_its_own_expiry(self, open_session, clock):
        session = stored(open_session, a=1)
        session.set_expiry(timezone.now() + timedelta(days=-1))
        session.save()
        assert "a" not in session.again()
        assert not session.exists(session.store.session_key)

    def test_the_expiry_is_kept_and_the_end_is_nobodys_data(self, open_session):
        session = stored(open_session, a=1)
        session.set_expiry(300)
        session.save()
        assert dict(session.again().items()) == {"a": 1, "_session_expiry": 300}

    def test_expired_sessions_are_removed_by_the_command(self, open_session, reseal, clock):
        session = stored(open_session, a=1)
        clock.advance(reseal.settings.idle_ms + 25 * 3600 * 1000)
        call_command("clearsessions")
        assert "unknown_session" in str(reseal.sessions.backend.why_ended([session.store.handle]))

    def test_expired_sessions_are_removed_in_async_code(self, open_session):
        open_session().clear_expired()


class TestUser:
    def test_a_visitor_has_a_session_of_nobody(self, open_session, reseal):
        session = stored(open_session, cart=[1])
        assert reseal.sessions.backend.get(session.store.handle).user_id == ANONYMOUS

    def test_a_session_is_that_of_the_user_in_it(self, open_session, reseal):
        session = open_session()
        session.cycle_key()
        session.set(SESSION_KEY, "7")
        session.save()
        assert reseal.sessions.get_all_session_handles_for_user("7") == (session.store.handle,)

    @pytest.mark.parametrize("users", [(None, "7"), ("7", "8"), ("7", None)])
    def test_another_user_gets_another_session(self, open_session, reseal, users):
        before, after = users
        session = open_session()
        session.set(SESSION_KEY, before)
        session.save()
        former = session.store.session_key
        session.set(SESSION_KEY, after)
        session.save()
        assert session.store.session_key != former
        assert not session.exists(former)

    def test_clearing_the_session_of_a_user_leaves_one_of_nobody(self, open_session, reseal):
        session = stored(open_session, **{SESSION_KEY: "7"})
        again = session.again()
        again.store.clear()
        again.save()
        assert reseal.sessions.get_all_session_handles_for_user("7") == ()
        assert reseal.sessions.backend.get(again.store.handle).user_id == ANONYMOUS

    def test_data_that_names_another_user_than_the_session_opens_nothing(self, open_session, reseal):
        session = stored(open_session, **{SESSION_KEY: "7"})
        reseal.sessions.update_session_data(session.store.handle, {SESSION_KEY: "8"})
        assert dict(session.again().items()) == {}
        assert not session.exists(session.store.session_key)

    def test_a_session_that_was_begun_by_hand_stays(self, open_session, reseal):
        handle = reseal.sessions.backend.create("7", None, {"a": 1}).claims.sid
        session = open_session(key_of(handle))
        session.set("b", 2)
        session.save()
        assert session.store.handle == handle
        assert reseal.sessions.get_session_data(handle) == {"a": 1, "b": 2}


class TestTwoRequests:
    def test_each_keeps_what_the_other_has_not_changed(self, open_session):
        session = stored(open_session, a=1, b=1, c=1)
        one, other = session.again(), session.again()
        one.set("a", 2)
        other.set("b", 2)
        other.pop("c")
        one.save()
        other.save()
        assert dict(session.again().items()) == {"a": 2, "b": 2}
        assert dict(other.items()) == {"a": 2, "b": 2}
        other.set("d", 1)
        other.save()
        assert dict(session.again().items()) == {"a": 2, "b": 2, "d": 1}

    def test_of_one_value_the_last_write_counts(self, open_session):
        session = stored(open_session, a=1)
        one, other = session.again(), session.again()
        one.set("a", 2)
        other.set("a", 3)
        one.save()
        other.save()
        assert session.again().get("a") == 3

    def test_a_refresh_between_them_loses_nothing(self, open_session, reseal):
        tokens = reseal.sessions.backend.create(ANONYMOUS, None, {"a": 1})
        session = open_session(key_of(tokens.claims.sid))
        session.set("b", 2)
        reseal.sessions.backend.refresh(tokens.refresh_token)
        session.save()
        assert dict(session.again().items()) == {"a": 1, "b": 2}

    def test_a_session_that_ends_between_them(self, open_session):
        session = stored(open_session, a=1)
        one, other = session.again(), session.again()
        one.set("a", 2)
        other.set("a", 3)
        one.save()
        one.delete()
        with pytest.raises(UpdateError):
            other.save()


class TestValues:
    def test_they_are_what_json_makes_of_them(self, open_session):
        session = stored(open_session, pair=(1, 2), byNumber={1: "x"}, text="ü\u2028")
        assert dict(session.again().items()) == {"pair": [1, 2], "byNumber": {"1": "x"}, "text": "ü\u2028"}

    @pytest.mark.parametrize("value", [object(), timedelta(1)])
    def test_others_are_refused_as_by_django(self, open_session, value):
        with pytest.raises(TypeError, match="JSON serializable"):
            stored(open_session, value=value)

    @pytest.mark.parametrize("value", [float("nan"), 2**70, "\ud800"])
    def test_those_that_would_change_are_refused(self, open_session, value):
        with pytest.raises(InvalidInput, match="JSON"):
            stored(open_session, value=value)

    def test_a_serializer_of_ones_own_that_writes_json(self, open_session):
        with override_settings(SESSION_SERIALIZER="tests.django.dropin.serializers.Dates"):
            session = stored(open_session, at=timezone.now().date())
            assert session.again().get("at") == timezone.now().date()

    def test_encode_and_decode_are_there(self, session):
        encoded = session.store.encode({"a": 1})
        assert session.store.decode(encoded) == {"a": 1}
        assert session.store.decode("not ours") == {}


def test_a_store_that_is_away_is_no_empty_session(open_session, reseal, monkeypatch):
    session = stored(open_session, a=1)
    again = session.again()

    def away(*_args, **_kwargs):
        raise StoreUnavailable

    for call in ("get", "get_many"):
        monkeypatch.setattr(reseal.sessions.backend.inner._store, call, away)
    with pytest.raises(StoreUnavailable):
        again.get("a")
    with pytest.raises(StoreUnavailable):
        session.exists(session.store.session_key)
    monkeypatch.undo()
    assert again.get("a") == 1
