"""What the attacks need: an app with its real keys in the test's hand, and a table of hostile text."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any

import msgspec
import pytest

from reseal import Engine, Event, MemoryStore, Settings, TryRefreshToken, Unauthorised
from reseal.core.keys import REFRESH_KID, SigningKey, Wrapping, b64url, load
from reseal.core.tokens import TokenPair
from reseal.testing import ManualClock

API = "https://api.example.com"
SECRET_KEY = "a-key-that-lives-outside-the-database-0123456789"
JWK_PUBLIC = {
    "EC": {"kty", "kid", "alg", "use", "crv", "x", "y"},
    "RSA": {"kty", "kid", "alg", "use", "n", "e"},
    "OKP": {"kty", "kid", "alg", "use", "crv", "x"},
}


def settings(**changes: Any) -> Settings:
    return Settings(**({"api_domain": API, "database_uri": "memory:"} | changes))


def unb64(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def stored_keys(store: MemoryStore, given: Settings) -> dict[str, SigningKey]:
    """Read the private keys as a holder of the store and of ``secret_key`` can."""
    wrapping = Wrapping(given.secret_key.reveal() if given.secret_key else None)
    app = given.scope.app_id
    return {key.kid: load(key, wrapping.open(app, key)) for key in store.keys(app) if key.kid != REFRESH_KID}


def refresh_key(store: MemoryStore, given: Settings) -> bytes:
    wrapping = Wrapping(given.secret_key.reveal() if given.secret_key else None)
    app = given.scope.app_id
    return next(wrapping.open(app, key) for key in store.keys(app) if key.kid == REFRESH_KID)


class App:
    """An open engine with one live session, its signing key, and all events so far."""

    def __init__(self, store: MemoryStore | None = None, clock: ManualClock | None = None, **changes: Any) -> None:
        self.clock = clock or ManualClock()
        self.store = store or MemoryStore(self.clock)
        self.events: list[Event] = []
        self.settings = settings(**changes)
        self.engine = Engine(self.settings, self.store, clock=self.clock, on_event=self.events.append)
        self.engine.open()
        self.pair: TokenPair = self.engine.create("user-1", {"role": "reader"}, {"note": "kept inside"})

    @property
    def now(self) -> int:
        return self.clock.wall() // 1000

    @cached_property
    def key(self) -> SigningKey:
        """The newest key as it was when the test first asked: loading one takes long."""
        return stored_keys(self.store, self.settings)[self.engine.jwks()["keys"][0]["kid"]]

    @property
    def header(self) -> dict[str, Any]:
        header: dict[str, Any] = json.loads(unb64(self.key.header))
        return header

    def members(self, **raw: str | None) -> bytes:
        """The good claims with members replaced by raw JSON text, or left out (``None``)."""
        good = json.loads(unb64(self.pair.access_token.split(".")[1]))
        texts = {name: json.dumps(value, separators=(",", ":")) for name, value in good.items()} | raw
        return ("{" + ",".join(f'"{name}":{text}' for name, text in texts.items() if text is not None) + "}").encode()

    def sign(self, body: bytes | None = None, header: str | bytes | dict[str, Any] | None = None) -> str:
        """Sign anything with the app's real key."""
        if isinstance(header, dict):
            header = json.dumps(header, separators=(",", ":"))
        if isinstance(header, str):
            header = header.encode("utf-8", "surrogatepass")
        segment = self.key.header if header is None else b64url(header)
        message = f"{segment}.{b64url(self.members() if body is None else body)}"
        return f"{message}.{b64url(self.key.sign(message.encode()))}"

    def accepts(self, token: str) -> bool:
        """Say whether a token passes; a refusal must be the right one, and leave no trace (else it does not count)."""
        told = len(self.events)
        try:
            claims = self.engine.verify(token)
        except TryRefreshToken as error:
            shown = f"{error!s}{error!r}{error.args}{error.reason}"
            return len(self.events) > told or (len(token) >= 16 and token in shown)
        assert isinstance(msgspec.to_builtins(claims.jwt_payload()), dict)
        return True

    def refuses_refresh(self, token: str) -> bool:
        """Say whether a refresh is refused without an accusation and without touching the session."""
        before = self.store.get(self.settings.scope, self.pair.claims.sid).record
        with pytest.raises(Unauthorised) as caught:
            self.engine.refresh(token)
        assert caught.value.reason.value in {"malformed", "unknown_session"}
        return self.store.get(self.settings.scope, self.pair.claims.sid).record == before


def handle_of(pair: TokenPair) -> str:
    return pair.claims.sid


def secret_of(refresh_token: str) -> bytes:
    return unb64(refresh_token.split(".")[3])


@contextmanager
def opened(engine: Engine) -> Iterator[Engine]:
    engine.open()
    try:
        yield engine
    finally:
        with suppress(Exception):
            engine.close()


HOSTILE = tuple(
    dict.fromkeys(
        (
            "",
            " ",
            "  leading and trailing  ",
            "\t",
            "\n",
            "\r\n",
            "\0",
            "nul\0inside",
            "\x01\x02\x03\x1b",
            "\x7f",
            "\x80\x9f",
            "line one\nline two",
            'line one\r\n{"event": "token_theft"}',
            "header: injected\r\nSet-Cookie: sAccessToken=x",
            "\x1b[31mred\x1b[0m",
            "\x1b]0;title\x07",
            "\x1b[2J\x1b[H",
            "separator\u2028and\u2029paragraph",
            "next\u0085line",
            "\ufeffmark in front",
            "\u200bzero\u200cwidth\u200d",
            "\u202eright to left",
            "\u2066isolated\u2069",
            "e\u0301",
            "\u00e9",
            "\ufb01ligature",
            "\u0130stanbul \u0131",
            "stra\u00dfe STRASSE",
            "\u03c3\u03c2\u03a3",
            "\U0001f511\U0001f3ff",
            "\U0001f469\u200d\U0001f4bb",
            "\U000e0041tag",
            "\u0627\u0644\u0645\u0641\u062a\u0627\u062d",
            "\u9375\u76d7\u96e3",
            "\u00a0\u3000",
            "\ufffd",
            "\uffff",
            "Z" + "\u0335\u0336\u0337" * 40,
            "null",
            "None",
            "undefined",
            "true",
            "NaN",
            "-0",
            "1e400",
            "0x7fffffffffffffff",
            "[]",
            "{}",
            '{"$ne": null}',
            '{"__proto__": {"admin": true}}',
            "__proto__",
            "constructor",
            "hasOwnProperty",
            "__class__",
            "{0.__class__.__init__.__globals__}",
            "{user_id}",
            "%(user_id)s",
            "%s%n%x%d",
            "${7*7}",
            "{{7*7}}",
            "#{7*7}",
            "<%= 7*7 %>",
            "${jndi:ldap://127.0.0.1/a}",
            "' OR 1=1 --",
            '" OR ""="',
            "'; DROP TABLE session; --",
            "') UNION SELECT secret FROM app_key --",
            "1; ATTACH DATABASE '/tmp/x' AS x",
            "x' AND randomblob(1000000000) --",
            "\\' OR 1=1 /*",
            ":app_id",
            "?1",
            "@name",
            "../../../../etc/passwd",
            "..\\..\\windows\\win.ini",
            "/dev/zero",
            "/proc/self/environ",
            "file:///etc/shadow",
            "C:\\con\\con",
            "~root",
            "|id",
            ";id",
            "`id`",
            "$(id)",
            "& ping -c 1 127.0.0.1 &",
            "-rf",
            "--help",
            "*",
            "?",
            "<script>alert(1)</script>",
            '"><img src=x onerror=alert(1)>',
            "javascript:alert(1)",
            "<!--#exec cmd=id-->",
            "<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
            "]]>",
            "&lt;&#x0;",
            "%00",
            "%2e%2e%2f",
            "%c0%ae",
            "+ADw-script+AD4-",
            "\\u0000\\ud800",
            "\\",
            '"',
            "'",
            "`",
            ",",
            ";",
            "=",
            ".",
            "..",
            "...",
            "a.b.c",
            "r1.a.0.b.c",
            "refresh",
            "*)(uid=*))(|(uid=*",
            "(a+)+$",
            "a" * 40 + "!",
            "x" * 512,
        )
    )
)
"""Text that has made trouble for parsers, shells, databases, terminals and templates. Our own collection."""
