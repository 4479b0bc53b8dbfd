"""TLS between an application, the service and its database (security: S86)."""

import shutil
import ssl
import subprocess
import warnings
from datetime import timedelta

import httpx
import pytest

from reseal import AsyncRemote, Remote, Settings
from reseal.core.errors import ConfigurationError, StoreUnavailable
from reseal.server import tls
from reseal.server.config import ServiceSettings
from reseal.server.stores import make_store
from tests.server.running import PATIENCE, running
from tests.support.certificates import Authority
from tests.support.postgres import cluster

SETTINGS = Settings(api_domain="http://localhost:8000")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def authority(folder):
    return Authority(folder)


@pytest.fixture(scope="module")
def stranger(folder):
    return Authority(folder, "stranger")


@pytest.fixture(scope="module")
def serve(tmp_path_factory):
    """Run a service with a certificate; each is started once."""
    folder, started = tmp_path_factory.mktemp("service"), {}

    def serve(certificate, key, clients=None):
        files = {"RESEAL_TLS_CERTIFICATE_FILE": str(certificate), "RESEAL_TLS_KEY_FILE": str(key)}
        if clients is not None:
            files["RESEAL_TLS_CLIENT_CA_FILE"] = str(clients)
        if certificate not in started:
            entered = running(folder, **files)
            started[certificate] = entered, entered.__enter__()
        return started[certificate][1]

    yield serve
    for entered, _ in started.values():
        entered.__exit__(None, None, None)


@pytest.fixture(scope="module")
def service(serve, authority):
    return serve(*authority.issue())


def remote(service, context, host="localhost"):
    transport = httpx.AsyncHTTPTransport(verify=context)
    return AsyncRemote(SETTINGS, f"https://{host}:{service.port}", transport=transport, timeout_s=PATIENCE)


async def refusal(service, context, host="localhost"):
    """Give the one message that a refused connection leads to."""
    with pytest.raises(StoreUnavailable) as refused:
        await remote(service, context, host).open()
    return str(refused.value)


async def test_who_trusts_the_authority_has_sessions_over_tls(service, authority):
    async with remote(service, authority.context()) as sessions:
        tokens = await sessions.create("u")
        assert (await sessions.get(tokens.claims.sid)).user_id == "u"


def test_sync_code_has_them_too(service, authority, stranger):
    for trusted in (authority, stranger):
        transport = httpx.HTTPTransport(verify=trusted.context())
        sessions = Remote(SETTINGS, f"https://localhost:{service.port}", transport=transport, timeout_s=PATIENCE)
        if trusted is authority:
            with sessions:
                assert sessions.create("u").claims.sub == "u"
        else:
            with pytest.raises(StoreUnavailable, match="certificate of https://localhost"):
                sessions.open()


async def test_another_authority_is_refused(service, stranger):
    why = "unable to get local issuer certificate"
    assert f"the certificate of https://localhost:{service.port} is refused ({why})" in await refusal(
        service, stranger.context()
    )


async def test_what_the_machine_trusts_is_not_enough(service):
    assert "is refused (" in await refusal(service, ssl.create_default_context())


async def test_another_host_is_refused(service, authority):
    told = await refusal(service, authority.context(), "127.0.0.1")
    assert "certificate is not valid for '127.0.0.1'" in told


async def test_an_expired_certificate_is_refused(serve, authority):
    service = serve(*authority.issue(lifetime=timedelta(days=-1)))
    assert "is refused (certificate has expired)" in await refusal(service, authority.context())


async def test_plain_http_is_not_answered(service):
    with service.connect() as connection:
        connection.sendall(b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"Hello" not in b"".join(iter(lambda: connection.recv(100), b""))


def test_versions_before_tls_1_2_are_refused(service, authority):
    def offer(version):
        context = authority.context()
        context.set_ciphers("ALL:@SECLEVEL=0")  # so that it is not the client who refuses
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = version
            context.maximum_version = version
        with service.connect() as connection, context.wrap_socket(connection, server_hostname="localhost") as secured:
            return secured.version()

    assert offer(ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        with pytest.raises(OSError):
            offer(version)


async def test_where_clients_need_a_certificate_nobody_gets_through_without_one_of_the_authority(
    serve, authority, stranger
):
    service = serve(*authority.issue("localhost", lifetime=timedelta(days=2)), clients=authority.file)
    own = authority.issue("application")
    async with remote(service, authority.context(*own)) as sessions:
        assert (await sessions.create("u")).claims.sub == "u"
    before = service.handled()
    for context in (authority.context(), authority.context(*stranger.issue("application"))):
        assert "the service did not answer" in await refusal(service, context)
    assert service.handled() == before


# -- what the owner of the configuration is told --------------------------------------------------------------------


def told(**files):
    with pytest.raises(ConfigurationError) as refused:
        tls.context(ServiceSettings(**files))
    [problem] = refused.value.problems
    return problem


def test_files_that_do_not_fit_are_told_before_anything_is_started(authority, stranger, folder):
    certificate, key = map(str, authority.issue())
    _, other = map(str, stranger.issue())
    assert "KEY_VALUES_MISMATCH" in told(tls_certificate_file=certificate, tls_key_file=other)
    (folder / "empty").touch()
    assert "cannot be used" in told(tls_certificate_file=str(folder / "empty"), tls_key_file=key)
    clients = {"tls_client_ca_file": str(folder / "empty")}
    assert "cannot be used" in told(tls_certificate_file=certificate, tls_key_file=key, **clients)
    assert "belong together" in told(tls_certificate_file=certificate)
    assert "needs 'tls_certificate_file'" in told(tls_client_ca_file=certificate)
    assert "cannot be read (No such file" in told(tls_certificate_file=str(folder / "none"), tls_key_file=key)


def test_an_encrypted_key_is_told_and_nobody_is_asked_for_its_password(authority, folder):
    certificate, key = authority.issue()
    locked = folder / "locked.key"
    command = ["openssl", "pkcs8", "-topk8", "-in", key, "-out", locked, "-passout", "pass:canary"]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    assert "the key is encrypted" in told(tls_certificate_file=str(certificate), tls_key_file=str(locked))


# -- the database ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def database(authority, tmp_path_factory):
    """A PostgreSQL with a certificate for localhost."""
    certificate, key = authority.issue()
    with cluster() as own:
        for file in (certificate, key):
            copied = own.folder / "data" / file.name
            shutil.copyfile(file, copied)
            shutil.chown(copied, *owner(own.folder))
            copied.chmod(0o600)
        own.settings += f" -c ssl=on -c ssl_cert_file={certificate.name} -c ssl_key_file={key.name}"
        own.restart()
        yield own


def owner(path):
    return path.stat().st_uid, path.stat().st_gid


def store(database, trusted, host="localhost"):
    query = f"&sslmode=verify-full&sslrootcert={trusted.file}"
    uri = database.uri(host=f"{host}:{database.port}", more=query)
    return make_store(ServiceSettings(database_uri=uri))


async def test_the_database_is_believed_if_its_certificate_is_of_the_authority(database, authority):
    opened = store(database, authority)
    await opened.open()
    try:
        with database.admin() as admin:
            rows = admin.execute(
                "SELECT s.ssl FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) "
                "WHERE a.client_addr IS NOT NULL AND a.pid <> pg_backend_pid()"
            ).fetchall()
        assert rows
        assert {encrypted for (encrypted,) in rows} == {True}
    finally:
        await opened.close()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_a_database_whose_certificate_is_of_somebody_else_or_for_another_host_is_refused(
    database, authority, stranger, host
):
    with pytest.raises(StoreUnavailable) as refused:
        await store(database, stranger if host == "localhost" else authority, host).open()
    assert "canary" not in str(refused.value)
