"""What holds for every published SDK that can do it, whatever its language and age."""

from __future__ import annotations

from tests.sdk.suite.contents import Contents
from tests.sdk.suite.ending import Ending
from tests.sdk.suite.forgery import Forgery
from tests.sdk.suite.headers import Headers
from tests.sdk.suite.hosts import Hosts
from tests.sdk.suite.keys import Keys
from tests.sdk.suite.life import Life
from tests.sdk.suite.tenants import Tenants


class SdkSuite(Life, Contents, Ending, Forgery, Keys, Hosts, Headers, Tenants):
    """To be subclassed with the ``sdks`` to be tried."""

    sdks = ()
