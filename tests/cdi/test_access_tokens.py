"""Tokens are written in pieces and read by them: the result is that of one JSON object, written and read as a whole."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reseal.cdi import access_tokens
from reseal.cdi.access_tokens import PROTECTED, CdiClaims
from reseal.core.errors import TryRefreshToken
from reseal.core.keys import b64url
from tests.cdi.test_verifier import DYNAMIC, STATIC, ring_of

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
PAYLOADS = st.dictionaries(TEXT.filter(lambda name: name != "nbf" and name not in PROTECTED[5]), VALUES, max_size=3)


def claims_of(version, payload, **more):
    one = CdiClaims(
        version=version, handle="handle", user_id='usér "1"', recipe_user_id='usér "1"', tenant_id="public",
        refresh_hash="a" * 64, parent_hash=None, anti_csrf=None, payload=msgspec.json.encode(payload),
        issued_ms=5000, expires_ms=10**12,
    )  # fmt: skip
    return msgspec.structs.replace(one, **more)


def whole(claims):
    own = {"iat": claims.issued_ms // 1000, "exp": claims.expires_ms // 1000, "sub": claims.user_id}
    own |= {"tId": claims.tenant_id, "rsub": claims.recipe_user_id, "sessionHandle": claims.handle}
    own |= {"refreshTokenHash1": claims.refresh_hash, "parentRefreshTokenHash1": claims.parent_hash}
    own |= {"antiCsrfToken": claims.anti_csrf}
    return {name: own[name] for name in own if name in PROTECTED[claims.version]} | json.loads(claims.payload)


def signed(body: bytes, version=5):
    header = msgspec.json.encode({"kid": DYNAMIC.kid, "typ": "JWT", "version": str(version), "alg": "ES256"})
    message = f"{b64url(header)}.{b64url(body)}"
    return f"{message}.{b64url(DYNAMIC.sign(message.encode()))}"


@given(st.sampled_from([3, 4, 5]), PAYLOADS, st.none() | st.just("b" * 64), st.none() | st.just("csrf"))
def test_a_token_is_one_object_whose_first_members_are_its_own(version, payload, parent, anti_csrf):
    claims = claims_of(version, payload, parent_hash=parent, anti_csrf=anti_csrf)
    token = access_tokens.mint(claims, DYNAMIC)
    body = msgspec.json.encode(whole(claims))
    assert token.rpartition(".")[0] == signed(body, version).rpartition(".")[0]
    assert access_tokens.verify(token, ring_of(DYNAMIC, STATIC), 5000) == claims


OWN = whole(claims_of(5, {}))


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(OWN).encode(),
        msgspec.json.encode({"role": 1} | OWN),
        msgspec.json.encode(dict(reversed(OWN.items()))),
        msgspec.json.encode(OWN)[:-1] + b',"role":1,"role":2}',
        msgspec.json.encode(OWN)[:-1] + b',"sub":"somebody else"}',
        msgspec.json.encode(OWN)[:-1] + b', "role":1}',
        msgspec.json.encode(OWN)[:-1] + b',"role":1.00}',
        msgspec.json.encode(OWN) + b" ",
        msgspec.json.encode(OWN).replace(b'"handle"', b'"\\u0068andle"'),
    ],
)
def test_a_token_in_another_form_is_refused_although_it_is_signed(body):
    with pytest.raises(TryRefreshToken) as refused:
        access_tokens.verify(signed(body), ring_of(DYNAMIC, STATIC), 5000)
    assert refused.value.reason == access_tokens.OTHER_FORM


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("value", [[], 1.5, -1, "", None, "absent"])
def test_a_token_without_one_of_its_members_is_refused_by_the_name_of_it(name, value):
    members = {each: OWN[each] for each in OWN if each != name} if value == "absent" else OWN | {name: value}
    allowed = {"": {"sub", "rsub"}, None: {"parentRefreshTokenHash1", "antiCsrfToken"}}
    if not isinstance(value, list) and name in allowed.get(value, ()):
        return
    with pytest.raises(TryRefreshToken) as refused:
        access_tokens.verify(signed(msgspec.json.encode(members)), ring_of(DYNAMIC, STATIC), 5000)
    assert refused.value.reason == f"{access_tokens.INCOMPLETE} {name}"


def test_of_an_object_that_is_no_token_the_first_missing_member_is_named():
    with pytest.raises(TryRefreshToken) as refused:
        access_tokens.verify(signed(b"{}"), ring_of(DYNAMIC, STATIC), 5000)
    assert refused.value.reason == f"{access_tokens.INCOMPLETE} sub"
    with pytest.raises(TryRefreshToken) as refused:
        access_tokens.verify(signed(b"[]"), ring_of(DYNAMIC, STATIC), 5000)
    assert str(refused.value).endswith("Invalid JWT")
