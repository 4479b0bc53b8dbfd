"""Every operation of the interface has its function before the first request comes."""

import pytest

from reseal.server.routes import HANDLERS, joined


def test_an_operation_without_a_function_is_named_at_import():
    with pytest.raises(LookupError, match="create"):
        joined({name: handler for name, handler in HANDLERS.items() if name != "create"})


def test_a_function_without_an_operation_is_named_at_import():
    with pytest.raises(LookupError, match="craete"):
        joined({**HANDLERS, "craete": HANDLERS["create"]})
