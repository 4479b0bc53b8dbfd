# Generated from tests/_async/test_forwarding.py by tools/unasync.py; edit that file instead.
"""What passes calls on passes on every call of its port, as it is."""

import inspect
from unittest.mock import Mock

import pytest

from reseal._sync.forwarding import ForwardingSessions, ForwardingStore
from reseal._sync.ports import Sessions, Store

PAIRS = [(Store, ForwardingStore), (Sessions, ForwardingSessions)]
CALLS = [
    pytest.param(port, forwarding, name, id=f"{port.__name__}.{name}")
    for port, forwarding in PAIRS
    for name, _ in inspect.getmembers(port, inspect.isfunction)
    if not name.startswith("_")
]


@pytest.mark.parametrize(("port", "forwarding", "name"), CALLS)
def test_a_call_is_passed_on_with_all_its_arguments(port, forwarding, name):
    inner = Mock(port)
    parameters = list(inspect.signature(getattr(port, name)).parameters.values())[1:]
    by_name = {inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD}
    arguments = [Mock() for each in parameters if each.kind not in by_name]
    named = {each.name: object() for each in parameters if each.kind in by_name}
    result = getattr(forwarding(inner), name)(*arguments, **named)
    result = result if inspect.iscoroutinefunction(getattr(port, name)) else result
    call = getattr(inner, name)
    call.assert_called_once_with(*arguments, **named)
    assert result in (call.return_value, None)


@pytest.mark.parametrize(("port", "forwarding"), PAIRS)
def test_every_member_of_the_port_is_there(port, forwarding):
    wanted = {name for name in dir(port) if not name.startswith("_")}
    assert wanted <= {name for name in dir(forwarding) if not name.startswith("_")}


def test_the_settings_are_those_of_the_sessions_below():
    inner = Mock(Sessions)
    assert ForwardingSessions(inner).settings is inner.settings
