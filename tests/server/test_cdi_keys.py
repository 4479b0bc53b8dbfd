"""Signing keys through the interface: fresh, next, retired, published (core interface, section 5)."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode

import pytest
from cryptography.hazmat.primitives.serialization import load_der_public_key

from reseal import AsyncMemoryStore
from reseal.core.errors import StoreUnavailable
from reseal.testing import ManualClock
from reseal.testing._async.faulty import AsyncFaultyStore
from reseal.testing.clock import STARTED
from tests.server.material import DAY, HOUR, MINUTE, SECOND, Core, core, opened

INTERVAL = 168 * HOUR
JWKS = "/.well-known/jwks.json"
SIGN = {"algorithm": "RS256", "jwksDomain": "https://api.example", "payload": {}, "validity": 60}


EACH_ALGORITHM = pytest.mark.parametrize("algorithm", ["ES256", "RS256"])


async def kids(it, algorithm):
    return [key["kid"] for key in (await it.get(JWKS))["keys"] if key["alg"] == algorithm]


def signing_with(algorithm, **config):
    return core(access_token_signing_algorithm=algorithm, **config)


async def signing_kid(it):
    return opened((await it.create())["accessToken"]["token"])[0]["kid"]


async def test_a_fresh_service_publishes_a_dynamic_and_a_static_key_of_each_algorithm():
    async with signing_with("ES256") as it:
        keys = (await it.get(JWKS, cdi=None))["keys"]
        assert [list(key) for key in keys[:2]] == [["kty", "kid", "n", "e", "alg", "use"]] * 2
        assert [list(key) for key in keys[2:]] == [["kty", "kid", "crv", "x", "y", "alg", "use"]] * 2
        assert [key["kid"][:2] for key in keys] == ["d-", "s-", "d-", "s-"]
        assert [keys[0]["kid"], keys[2]["kid"]] == [f"d-{it.clock.wall()}", f"d-{it.clock.wall()}-es256"]
        for key in keys[:2]:
            assert (key["kty"], key["alg"], key["use"], key["e"]) == ("RSA", "RS256", "sig", "AQAB")
            modulus = urlsafe_b64decode(key["n"] + "==")
            assert (len(modulus), "=" in key["n"]) == (256, False)
            assert modulus[0] >= 128
        for key in keys[2:]:
            assert (key["kty"], key["alg"], key["use"], key["crv"]) == ("EC", "ES256", "sig", "P-256")
        assert await it.get("/recipe/jwt/jwks") == {"keys": keys, "status": "OK"}


async def test_with_the_defaults_there_are_two_rsa_keys_which_every_sdk_can_read():
    async with core() as it:
        keys = (await it.get(JWKS))["keys"]
        assert all(key["kty"] == "RSA" and key["n"] and key["e"] for key in keys)
        assert [(key["kid"][:2], key["alg"]) for key in keys] == [("d-", "RS256"), ("s-", "RS256")]
        assert await signing_kid(it) == keys[0]["kid"]


@pytest.mark.parametrize(("before", "after"), [("RS256", "ES256"), ("ES256", "RS256")])
@pytest.mark.parametrize("dynamic", [True, False])
async def test_another_algorithm_is_published_before_it_signs_and_ends_no_token(before, after, dynamic):
    clock = ManualClock()
    store = AsyncMemoryStore(clock)
    old = Core(store=store, clock=clock, access_token_signing_algorithm=before)
    await old.service.open()
    token = (await old.create(useDynamicSigningKey=dynamic))["accessToken"]["token"]
    clock.advance(30 * MINUTE)
    it = Core(store=store, clock=clock, access_token_signing_algorithm=after)
    await it.service.open()
    assert (await it.verify(token))["status"] == "OK"
    first = (await it.create(useDynamicSigningKey=dynamic))["accessToken"]["token"]
    assert opened(first)[0]["alg"] == "RS256", "what everybody knows already"
    assert len({key["alg"] for key in (await it.get(JWKS))["keys"]}) == 2
    clock.advance(MINUTE)
    second = (await it.create(useDynamicSigningKey=dynamic))["accessToken"]["token"]
    assert opened(second)[0]["alg"] == after
    for core_of_either in (old, it):
        for each in (token, first, second):
            assert (await core_of_either.verify(each))["status"] == "OK"


async def test_keys_of_an_algorithm_that_is_left_go_once_their_tokens_have_ended_and_do_not_come_back():
    clock = ManualClock()
    store = AsyncMemoryStore(clock)
    es256 = {"store": store, "clock": clock, "access_token_signing_algorithm": "ES256"}
    await Core(**es256).service.open()
    it = Core(store=store, clock=clock)
    await it.service.open()
    left = await kids(it, "ES256")
    clock.advance(INTERVAL + 2 * HOUR - 1)
    assert await kids(it, "ES256") == left
    clock.advance(MINUTE)
    assert await kids(it, "ES256") == []
    assert not {*left} & {key.kid for key in await store.keys("public")}
    again = Core(**es256)
    await again.service.open()
    assert [kid[:2] for kid in await kids(again, "ES256")] == ["d-", "s-"]
    assert not {*left} & {*await kids(again, "ES256")}


async def test_no_private_part_is_ever_published():
    async with core() as it:
        for path in (JWKS, "/recipe/jwt/jwks"):
            for key in (await it.get(path))["keys"]:
                assert not key.keys() & {"d", "p", "q", "dp", "dq", "qi", "k"}


@EACH_ALGORITHM
async def test_the_next_key_is_published_a_minute_before_it_signs(algorithm):
    async with signing_with(algorithm) as it:
        first = await signing_kid(it)
        it.clock.advance(INTERVAL - MINUTE - 1)
        assert len(await kids(it, algorithm)) == 2
        it.clock.advance(20 * SECOND)
        published = await kids(it, algorithm)
        assert len(published) == 3
        assert published[1] == first, "newest first"
        assert await signing_kid(it) == first
        it.clock.advance(MINUTE)
        assert await signing_kid(it) == published[0] != first


@EACH_ALGORITHM
async def test_a_key_verifies_until_its_last_token_has_ended(algorithm):
    async with signing_with(algorithm, access_token_validity=24 * 3600) as it:
        first = await signing_kid(it)
        it.clock.advance(INTERVAL - MINUTE)
        second, _, static = await kids(it, algorithm)
        token = (await it.create())["accessToken"]["token"]
        assert opened(token)[0]["kid"] == first
        it.clock.advance(DAY)
        assert (await it.verify(token))["status"] == "OK"
        assert await kids(it, algorithm) == [second, first, static]
        it.clock.advance(DAY + MINUTE)
        assert first not in await kids(it, algorithm)
        shown = await it.verify(token)
        assert shown["message"].endswith("Key not found")


@pytest.mark.parametrize("idle", [HOUR, 3 * HOUR, 3 * INTERVAL])
async def test_a_service_that_nobody_called_while_its_key_was_due_signs_with_a_key_that_verifies(idle):
    async with core() as it:
        await it.create()
        it.clock.advance(INTERVAL + idle)
        for wait in (0, MINUTE - 1, 1, HOUR - MINUTE):
            token = (await it.create())["accessToken"]["token"]
            it.clock.advance(wait)
            assert opened(token)[0]["kid"] in await kids(it, "RS256")
            assert (await it.verify(token))["status"] == "OK"


async def test_the_list_of_a_handshake_is_newest_first_and_truthful():
    async with core() as it:
        first = await it.post("/recipe/handshake", {}, cdi="2.9")
        (entry,) = first["jwtSigningPublicKeyList"]
        created = it.clock.wall()
        assert entry["publicKey"] == first["jwtSigningPublicKey"]
        assert (entry["createdAt"], entry["expiryTime"]) == (created, created + INTERVAL + 2 * HOUR)
        assert first["jwtSigningPublicKeyExpiryTime"] == created + INTERVAL
        assert load_der_public_key(b64decode(entry["publicKey"], validate=True)).key_size == 2048
        it.clock.advance(INTERVAL - MINUTE)
        overlap = await it.post("/recipe/handshake", {}, cdi="2.9")
        assert overlap["jwtSigningPublicKey"] == first["jwtSigningPublicKey"]
        assert overlap["jwtSigningPublicKeyList"] == [entry], "a key is listed once it signs"
        it.clock.advance(MINUTE)
        after = await it.post("/recipe/handshake", {}, cdi="2.9")
        newer, older = after["jwtSigningPublicKeyList"]
        assert older == entry
        assert newer["publicKey"] == after["jwtSigningPublicKey"] != entry["publicKey"]
        assert newer["createdAt"] == it.clock.wall(), "as old as the first token that it can have signed"


async def test_without_dynamic_keys_old_versions_see_the_static_one_for_ten_years():
    async with core(access_token_signing_key_dynamic=False) as it:
        shown = await it.post("/recipe/handshake", {}, cdi="2.20")
        assert shown["jwtSigningPublicKeyExpiryTime"] == it.clock.wall() + 315_360_000_000
        assert len(shown["jwtSigningPublicKeyList"]) == 1
        created = await it.create(cdi="2.20")
        assert (await it.verify(created["accessToken"]["token"], cdi="2.20"))["status"] == "OK"
        assert (await signing_kid(it)).startswith("d-"), "newer callers choose themselves"


async def test_the_jwks_may_be_cached_until_the_next_key():
    async with core() as it:
        answer = await it.call("GET", JWKS)
        seconds = (INTERVAL - MINUTE) // SECOND
        assert answer.headers["cache-control"] == f"max-age={seconds}, must-revalidate"
        it.clock.advance(INTERVAL - MINUTE - 500)
        assert (await it.call("GET", JWKS)).headers["cache-control"] == "max-age=1, must-revalidate"


@pytest.mark.parametrize("late", [0, 7, 3 * INTERVAL])
async def test_of_services_that_notice_at_once_that_a_key_is_due_one_publishes_it(late):
    clock = ManualClock()
    data = AsyncMemoryStore(clock)
    barrier = asyncio.Barrier(2)
    stores = [AsyncFaultyStore(data), AsyncFaultyStore(data)]
    services = [Core(store=store, clock=clock, access_token_signing_algorithm="ES256") for store in stores]
    for it in services:
        await it.service.open()
    clock.advance(INTERVAL - MINUTE + late)
    for store in stores:
        store.before("keys", barrier.wait)  # both find it due
        store.before("add_key", barrier.wait)
    async with asyncio.timeout(10):
        await asyncio.gather(*(kids(it, "RS256") for it in services))
    for algorithm in ("RS256", "ES256"):
        published = await kids(services[0], algorithm)
        assert [kid[:2] for kid in published] == ["d-", "d-", "s-"]
        assert published == await kids(services[1], algorithm)


async def test_two_services_over_one_store_share_their_keys():
    clock = ManualClock()
    store = AsyncMemoryStore(clock)
    one, two = Core(store=store, clock=clock), Core(store=store, clock=clock)
    for it in (one, two):
        await it.service.open()
    assert await kids(one, "RS256") == await kids(two, "RS256")
    token = (await one.create())["accessToken"]["token"]
    assert (await two.verify(token))["status"] == "OK"
    clock.advance(INTERVAL)
    fresh = (await one.create())["accessToken"]["token"]
    assert (await two.verify(fresh))["status"] == "OK"


async def test_a_token_under_another_services_newest_key_is_verified():
    clock = ManualClock()
    store = AsyncMemoryStore(clock)
    one, two = Core(store=store, clock=clock), Core(store=store, clock=clock)
    for it in (one, two):
        await it.service.open()
    clock.advance(INTERVAL - MINUTE)
    await kids(one, "RS256")
    await two.service.directory.find("public", "public")
    clock.advance(MINUTE)
    for cdi in ("2.20", "5.4"):
        token = (await one.create(cdi=cdi))["accessToken"]["token"]
        assert (await two.verify(token))["status"] == "OK"


async def test_a_token_with_an_unknown_key_makes_the_store_busy_only_now_and_then():
    clock = ManualClock()
    store, reads = AsyncMemoryStore(clock), []
    keys = store.keys

    async def counted(app_id):
        reads.append(app_id)
        return await keys(app_id)

    store.keys = counted
    it = Core(store=store, clock=clock)
    await it.service.open()
    header = b'{"kid":"d-1","typ":"JWT","version":"5","alg":"RS256"}'
    token = f"{urlsafe_b64encode(header).decode().rstrip('=')}.e30.AA"
    clock.advance(1_000)
    reads.clear()
    for _ in range(50):
        assert (await it.verify(token))["message"].endswith("Key not found")
    assert len(reads) == 1


async def test_each_app_has_keys_of_its_own():
    async with core() as it:
        await it.put("/recipe/multitenancy/app/v2", {"appId": "a"})
        public, other = (await it.get(JWKS))["keys"], (await it.get(f"/appid-a{JWKS}"))["keys"]
        assert not {key.get("n", key.get("x")) for key in public} & {key.get("n", key.get("x")) for key in other}


# -- an application's own tokens ------------------------------------------------------------------------------------


async def test_an_application_has_its_own_claims_signed():
    async with core() as it:
        it.clock.advance(999)
        claims = {"sub": "x", "nothing": None, "iat": 1, "exp": 2}
        shown = await it.post("/recipe/jwt", SIGN | {"payload": claims})
        assert shown.keys() == {"status", "jwt"}
        header, body = opened(shown["jwt"])
        assert list(header) == ["typ", "alg", "kid"]
        assert header["alg"] == "RS256"
        assert header["kid"].startswith("s-")
        now = it.clock.wall() // 1000
        assert body == {"sub": "x", "nothing": None, "iss": "https://api.example", "iat": now, "exp": now + 60}
        named = await it.post("/recipe/jwt", SIGN | {"payload": {"iss": "me"}})
        assert opened(named["jwt"])[1]["iss"] == "me"


async def test_the_key_of_an_applications_token_can_be_chosen_from_2_21_on():
    async with core() as it:
        for cdi, static, prefix in (("5.4", False, "d-"), ("2.21", True, "s-"), ("2.20", False, "s-")):
            shown = await it.post("/recipe/jwt", SIGN | {"useStaticSigningKey": static}, cdi=cdi)
            assert opened(shown["jwt"])[0]["kid"].startswith(prefix)


async def test_only_rs256_is_signed_for_an_application():
    async with core() as it:
        for algorithm in ("rs256", "none", "HS256", "ES256", ""):
            shown = await it.post("/recipe/jwt", SIGN | {"algorithm": algorithm})
            assert shown == {"status": "UNSUPPORTED_ALGORITHM_ERROR"}


async def test_the_validity_of_an_applications_token_has_bounds():
    async with core() as it:
        answer = await it.call("POST", "/recipe/jwt", SIGN | {"validity": -1})
        assert answer.problem == (400, "validity must be greater than or equal to 0")
        for validity in (0, 0.9):
            answer = await it.call("POST", "/recipe/jwt", SIGN | {"validity": validity})
            assert answer.status == 400
            assert answer.text.startswith("validity must be at least 1 second")
        for validity in (2**53, 2**64, 10**30):
            answer = await it.call("POST", "/recipe/jwt", SIGN | {"validity": validity})
            assert answer.problem == (400, "Field name 'validity' is invalid in JSON input")


@pytest.mark.parametrize("depth", [100, 900, 5000])
async def test_deep_claims_are_signed_or_refused_but_never_fail(depth):
    async with core() as it:
        text = json.dumps(SIGN).replace('"payload": {}', f'"payload": {{"a":{"[" * depth}{"]" * depth}}}')
        answer = await it.call("POST", "/recipe/jwt", text.encode())
        assert answer.status in {200, 400}


async def test_while_one_request_reads_the_keys_again_the_others_go_on():
    clock = ManualClock()
    store, answers = AsyncFaultyStore(AsyncMemoryStore(clock)), asyncio.Event()
    it = Core(store=store, clock=clock)
    await it.service.open()
    token = (await it.create())["accessToken"]["token"]
    clock.advance(MINUTE)
    reading = asyncio.Event()

    async def hold():
        reading.set()
        await answers.wait()

    store.before("keys", hold)
    waiting = asyncio.create_task(it.verify(token))
    await reading.wait()
    async with asyncio.timeout(10):
        assert (await it.verify(token))["status"] == "OK"
    assert not waiting.done()
    answers.set()
    assert (await waiting)["status"] == "OK"


@pytest.mark.parametrize("apart", [0, 7, -7])
async def test_services_that_begin_at_the_same_moment_create_each_first_key_once(apart):
    clocks, data = (ManualClock(), ManualClock(STARTED + apart)), AsyncMemoryStore(ManualClock())
    barrier = asyncio.Barrier(2)
    services = []
    for clock in clocks:
        store = AsyncFaultyStore(data)
        store.before("keys", barrier.wait)  # both find nothing
        store.before("add_key", barrier.wait)
        store.before("keys", barrier.wait)  # both find the refresh key of one of them, and nothing else
        store.before("add_key", barrier.wait)
        services.append(Core(store=store, clock=clock, access_token_signing_algorithm="ES256"))
    async with asyncio.timeout(10):
        await asyncio.gather(*(it.service.open() for it in services))
    for algorithm in ("RS256", "ES256"):
        assert await kids(services[0], algorithm) == await kids(services[1], algorithm)
        assert [kid[:2] for kid in await kids(services[0], algorithm)] == ["d-", "s-"]
    for one, other in (services, services[::-1]):
        for cdi in ("2.20", "5.4"):
            created = await one.create(cdi=cdi)
            assert (await other.verify(created["accessToken"]["token"], cdi=cdi))["status"] == "OK"
            assert (await other.refresh(created["refreshToken"]["token"], cdi=cdi))["status"] == "OK"


@pytest.mark.parametrize("written", [1, 2, 3, 4])
@pytest.mark.parametrize("later", [0, 2 * INTERVAL])
async def test_who_dies_while_creating_the_first_keys_leaves_the_rest_to_the_next(written, later):
    clock = ManualClock()
    data = AsyncMemoryStore(clock)
    dying = AsyncFaultyStore(data)
    for _ in range(written):
        dying.before("add_key", _nothing)
    dying.refuse("add_key")
    with pytest.raises(StoreUnavailable):
        await Core(store=dying, clock=clock, access_token_signing_algorithm="ES256").service.open()
    clock.advance(later)
    it = Core(store=data, clock=clock, access_token_signing_algorithm="ES256")
    await it.service.open()
    for algorithm in ("RS256", "ES256"):
        assert [kid[:2] for kid in await kids(it, algorithm)][-2:] == ["d-", "s-"]
    begun = {key.algorithm: key.created_at for key in await data.keys("public") if key.kid.startswith("d-")}
    assert begun == dict.fromkeys(("RS256", "ES256"), clock.wall())
    assert (await it.verify((await it.create())["accessToken"]["token"]))["status"] == "OK"


async def _nothing():
    """The next call succeeds."""
