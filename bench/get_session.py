"""The cost of ``get_session`` in CPU time, in process, without a network.

1. A token seen for the first time, against nothing but the signature check of the same bytes by ``cryptography``.
2. A token seen before, in a FastAPI application that is called as ASGI, against the same application without
   sessions. The costs of any FastAPI dependency, and of the installation alone, are measured beside it.

    python bench/get_session.py [--rounds 400] [--tokens 25] [--calls 25] [--algorithm ES256]
"""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from fastapi import Depends, FastAPI, Request
from measure import Variant, difference, median, micro, print_machine, ratio, take_turns

from reseal import AsyncReseal, RequestFacts, SessionHeaders, Settings
from reseal.core.access_token import Verifier
from reseal.core.keys import PublicKey
from reseal.fastapi import Reseal, Session
from reseal.web import presented

FIRST_TIME_TARGET = 1.25
SEEN_BEFORE_TARGET = 8.0
ORIGIN = "https://api.example.com"
BARE = "bare app"
DEPENDENCY = "bare app, empty dependency on the request"
REQUEST = "bare app, handler takes the request"
INSTALLED = "Reseal installed, handler takes the request"
OURS_AS_DEPENDENCY = "Depends(reseal.session())"
OURS_AS_CALL = "await reseal.get_session(request)"
OURS_BEHIND = "the same, Reseal installed after the route"
PAYLOAD = {"role": "admin", "organisation": "6f0b8c1e", "mfa": True}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--tokens", type=int, default=25, help="fresh tokens a round, first part")
    parser.add_argument("--calls", type=int, default=25, help="requests a round, second part")
    parser.add_argument("--algorithm", default="ES256", choices=["ES256", "RS256", "EdDSA"])
    options = parser.parse_args()
    print_machine()
    settings = Settings(api_domain=ORIGIN, database_uri="memory:", access_token_signing_algorithm=options.algorithm)
    asyncio.run(first_time(settings, options.rounds, options.tokens))
    asyncio.run(seen_before(settings, options.rounds, options.calls))


# -- a token seen for the first time ---------------------------------------------------------------------------------


async def first_time(settings: Settings, rounds: int, tokens: int) -> None:
    async with AsyncReseal(settings) as reseal:
        minted = [(await reseal.backend.create(f"user-{n}", PAYLOAD)).access_token for n in range(tokens)]
        seconds = await take_turns(_first_time_variants(reseal, minted), rounds, time.thread_time)
    bare = seconds["signature alone"]
    print(f"A token seen for the first time ({settings.access_token_signing_algorithm}, {len(minted[0])} characters)")
    for name, each in seconds.items():
        print(f"  {name:<46}{micro(median(each))}   {ratio(each, bare):5.2f} ×")
    print(f"  target: at most {FIRST_TIME_TARGET} × the signature alone\n")


def _first_time_variants(reseal: AsyncReseal, minted: list[str]) -> dict[str, Variant]:
    engine: Any = reseal.backend
    ring, audience = engine._keeper.ring, engine._audience
    public = ring.find(minted[0].partition(".")[0]).public
    checks = [_bare_check(public, token) for token in minted]
    forgetful = Verifier(ring, audience, remember=0)
    requests = [_request_headers(reseal.settings, token) for token in minted]
    now = engine._clock.wall() // 1000

    async def signature_alone() -> int:
        for check in checks:
            check()
        return len(checks)

    async def verifier() -> int:
        for token in minted:
            forgetful.verify(token, now)
        return len(minted)

    async def get_session() -> int:
        forget()
        for headers in requests:
            await reseal.get_session(RequestFacts.of("GET", "/feed", headers), SessionHeaders())
        return len(requests)

    async def adapters_get_session() -> int:
        forget()
        for headers in requests:
            await reseal.get_session(RequestFacts("GET", "/feed", tuple(headers)), SessionHeaders())
        return len(requests)

    def forget() -> None:
        engine._verifier.use(ring)
        presented._remembered.cache_clear()

    return {
        "signature alone": signature_alone,
        "Verifier.verify": verifier,
        "reseal.get_session(RequestFacts.of(…), …)": get_session,
        "the same as an ASGI adapter calls it": adapters_get_session,
    }


def _bare_check(public: PublicKey, token: str) -> Callable[[], None]:
    import base64

    message, _, text = token.rpartition(".")
    signature, signed = base64.urlsafe_b64decode(text + "=="), message.encode()
    if isinstance(public, ec.EllipticCurvePublicKey):
        der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
        return lambda: public.verify(der, signed, ec.ECDSA(SHA256()))
    if isinstance(public, rsa.RSAPublicKey):
        return lambda: public.verify(signature, signed, padding.PKCS1v15(), SHA256())
    return lambda: public.verify(signature, signed)


# -- a token seen before, in an application --------------------------------------------------------------------------


async def seen_before(settings: Settings, rounds: int, calls: int) -> None:
    reseal = Reseal(settings)
    apps = {
        BARE: with_feed(FastAPI(), feed),
        DEPENDENCY: with_feed(FastAPI(), feed_with_empty_dependency),
        REQUEST: with_feed(FastAPI(), feed_with_request),
        INSTALLED: with_feed(installed(reseal, FastAPI()), feed_with_request),
        OURS_AS_DEPENDENCY: with_feed(installed(reseal, FastAPI()), feed_with_session(reseal)),
        OURS_AS_CALL: with_feed(installed(reseal, FastAPI()), feed_that_calls(reseal)),
        OURS_BEHIND: installed(reseal, with_feed(FastAPI(), feed_that_calls(reseal))),
    }
    async with reseal.sessions:
        token = (await reseal.sessions.backend.create("user-1", PAYLOAD)).access_token
        headers = _request_headers(settings, token)
        variants = {name: _requests(app, headers, calls) for name, app in apps.items()}
        seconds = await take_turns(variants, rounds, time.thread_time)
    over = {name: difference(each, seconds[BARE]) * 1e6 for name, each in seconds.items()}
    print("A token seen before, FastAPI called in process (ten request headers, four cookies)")
    for name, each in seconds.items():
        print(f"  {name:<46}{micro(median(each))}   + {over[name]:5.1f} µs")
    print(f"  target: at most + {SEEN_BEFORE_TARGET} µs over the bare app")
    print("  without what FastAPI takes for any dependency, or request:")
    print(f"    {'the dependency':<44}{over[OURS_AS_DEPENDENCY] - over[DEPENDENCY]:9.1f} µs")
    print(f"    {'the call':<44}{over[OURS_AS_CALL] - over[REQUEST]:9.1f} µs")
    print(f"    {'the call, Reseal installed after the route':<44}{over[OURS_BEHIND] - over[REQUEST]:9.1f} µs")


def with_feed(app: FastAPI, handler: Callable[..., Any]) -> FastAPI:
    app.get("/feed")(handler)
    return app


def installed(reseal: Reseal, app: FastAPI) -> FastAPI:
    reseal.install(app)
    return app


async def empty(request: Request) -> Request:
    return request


async def feed() -> dict[str, str]:
    return {"feed": "Welcome"}


async def feed_with_empty_dependency(_got: Annotated[Request, Depends(empty)]) -> dict[str, str]:
    return {"feed": "Welcome"}


async def feed_with_request(request: Request) -> dict[str, str]:  # noqa: ARG001 - taking it is what is measured
    return {"feed": "Welcome"}


def feed_with_session(reseal: Reseal) -> Callable[..., Any]:
    async def handler(_session: Annotated[Session, Depends(reseal.session())]) -> dict[str, str]:
        return {"feed": "Welcome"}

    return handler


def feed_that_calls(reseal: Reseal) -> Callable[..., Any]:
    async def handler(request: Request) -> dict[str, str]:
        await reseal.get_session(request)
        return {"feed": "Welcome"}

    return handler


def _requests(app: FastAPI, headers: list[tuple[bytes, bytes]], calls: int) -> Variant:
    """Call an application; each request gets its own bytes, because bytes cache their hash."""

    async def variant() -> int:
        for _ in range(calls):
            await _request(app, [(name, bytes(bytearray(value))) for name, value in headers])
        return calls

    return variant


async def _request(app: Callable[..., Awaitable[None]], headers: list[tuple[bytes, bytes]]) -> None:
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "https",
        "path": "/feed",
        "raw_path": b"/feed",
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": ("192.0.2.7", 50000),
        "server": ("api.example.com", 443),
    }
    await app(scope, _receive, _send)


async def _receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send(message: dict[str, Any]) -> None:
    if message["type"] == "http.response.start" and message["status"] != 200:
        raise RuntimeError(f"the application answered {message['status']}")


def _request_headers(settings: Settings, token: str) -> list[tuple[bytes, bytes]]:
    cookies = (
        f"_ga=GA1.1.1093521367.1719300000; theme=dark; {settings.access_cookie_name}={token}; "
        "intercom-id=1b6c2f8e-7d0a-4c53-9a55-3f9d1f0c2b11"
    )
    return [
        (b"host", b"api.example.com"),
        (b"connection", b"keep-alive"),
        (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
        (b"accept", b"application/json"),
        (b"accept-language", b"en-GB,en;q=0.7,fr;q=0.3"),
        (b"accept-encoding", b"gzip, deflate, br, zstd"),
        (b"referer", b"https://www.example.com/feed"),
        (b"sec-fetch-site", b"same-site"),
        (b"cookie", cookies.encode()),
        (b"x-request-id", b"7f3c9a2e-0b64-4a7e-8f2d-51c7e6a90b13"),
    ]


if __name__ == "__main__":
    main()
