"""Connections to MariaDB over TLS: verified as the URI says, in both colours, and never in the clear instead."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from shutil import copy, rmtree

import pytest

from reseal._async.stores.mariadb import AsyncMariaDBStore
from reseal._sync.stores.mariadb import MariaDBStore
from reseal.core.errors import StoreUnavailable
from reseal.core.secret import Secret
from reseal.stores.mariadb import address
from tests.support import mariadb as maria
from tests.support.certificates import Authority

PAM = "--plugin-load-add=auth_pam_v1", "--pam-use-cleartext-plugin=ON"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("stranger"), "stranger")


@pytest.fixture(scope="module")
def encrypted(authority):
    """A server with a certificate for 127.0.0.1, which refuses what is not encrypted."""
    folder = Path(tempfile.mkdtemp(prefix="reseal-tls-"))
    folder.chmod(0o755)
    try:
        certificate, key = (Path(copy(each, folder)) for each in authority.issue("127.0.0.1"))
        key.chmod(0o644)
        ours = f"--ssl-cert={certificate}", f"--ssl-key={key}", "--require-secure-transport=ON"
        with maria.server(*ours, *PAM) as own:
            own.sql("CREATE USER by_pam IDENTIFIED VIA pam")
            yield own
    finally:
        rmtree(folder)


def open_both(uri):
    """Open a store of each colour, and read the cipher that it speaks."""
    sync, ciphers = MariaDBStore(uri, connect_timeout_s=3), []
    sync.open()
    ciphers.append(sync._server.run(lambda link: link.wire.query("SHOW STATUS LIKE 'Ssl_cipher'"))[0][0][1])
    sync.close()

    async def opened():
        store = AsyncMariaDBStore(uri, connect_timeout_s=3)
        await store.open()
        ciphers.append(
            (await store._server.run(lambda link: link.wire.query("SHOW STATUS LIKE 'Ssl_cipher'")))[0][0][1]
        )
        await store.close()

    asyncio.run(opened())
    return ciphers


@pytest.mark.parametrize("mode", ["REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"])
def test_the_server_that_is_meant_is_spoken_to_in_cipher(encrypted, authority, mode):
    more = f"?ssl-mode={mode}&ssl-ca={authority.file}"
    assert all(open_both(encrypted.uri(encrypted.database(), more)))


@pytest.mark.parametrize(("mode", "host"), [("VERIFY_CA", "127.0.0.1"), ("VERIFY_IDENTITY", "127.0.0.1")])
def test_a_server_with_the_certificate_of_a_stranger_is_refused(encrypted, stranger, mode, host):
    uri = encrypted.uri("x", f"?ssl-mode={mode}&ssl-ca={stranger.file}", f"{host}:{encrypted.port}")
    refused_by_both(uri)


def test_a_certificate_for_another_host_is_refused_where_the_identity_counts(encrypted, authority):
    host = f"localhost:{encrypted.port}"
    assert all(open_both(encrypted.uri(encrypted.database(), f"?ssl-mode=VERIFY_CA&ssl-ca={authority.file}", host)))
    refused_by_both(encrypted.uri("x", f"?ssl-ca={authority.file}", host))


def test_a_server_without_tls_is_refused_where_it_is_required(mariadb):
    refused_by_both(mariadb.uri(mariadb.database(), "?ssl-mode=REQUIRED"))


def test_what_is_not_encrypted_is_refused_by_such_a_server(encrypted):
    refused_by_both(encrypted.uri("x", "?ssl-mode=DISABLED"))


def test_a_server_whose_certificate_is_not_checked_does_not_get_the_password_in_clear_text(encrypted):
    uri = encrypted.uri("x", "?ssl-mode=REQUIRED").replace("reseal:", "by_pam:", 1)
    refused_by_both(uri, "the server wants the password in clear text")


@pytest.mark.parametrize(("more", "may"), [
    ("?ssl-mode=VERIFY_IDENTITY", True), ("?ssl-mode=VERIFY_CA", True), ("?ssl-mode=REQUIRED", False),
    ("?ssl-mode=DISABLED", False), ("", False), ("?socket=/run/mysqld/mysqld.sock", True),
])  # fmt: skip
def test_only_a_checked_certificate_or_a_socket_may_get_the_password_in_clear_text(more, may):
    read = address.read(Secret(f"mysql://reseal:pw@127.0.0.1/x{more}"))
    assert read.may_send_clear_text(read.hosts[0]) is may


def test_a_server_that_asks_for_the_password_itself_does_not_get_it_without_encryption(mariadb):
    mariadb.sql("INSTALL SONAME 'auth_pam_v1'; CREATE USER by_dialog IDENTIFIED VIA pam")
    try:
        uri = mariadb.uri("x").replace("reseal:", "by_dialog:", 1)
        refused_by_both(uri, "the server wants the password in clear text")
    finally:
        mariadb.sql("DROP USER by_dialog; UNINSTALL SONAME 'auth_pam_v1'")


def refused_by_both(uri, why=""):
    for open_one in (MariaDBStore(uri, connect_timeout_s=3).open,
                     lambda: asyncio.run(AsyncMariaDBStore(uri, connect_timeout_s=3).open())):  # fmt: skip
        with pytest.raises(StoreUnavailable, match=f"cannot be reached.*{why}") as raised:
            open_one()
        assert maria.PASSWORD not in str(raised.value)
