"""Rules about the code itself: how secrets are compared (S65) and which cryptography there is (S90)."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import reseal

SOURCE = Path(reseal.__file__).parent
INVENTORY = Path(__file__).parents[2] / "docs" / "reference" / "crypto-inventory.md"
GENERATED = {"_sync", "testing"}
MODULES = sorted(path for path in SOURCE.rglob("*.py") if not GENERATED & set(path.relative_to(SOURCE).parts))
WITH_GENERATED = sorted(path for path in SOURCE.rglob("*.py") if "testing" not in path.relative_to(SOURCE).parts)

SECRETIVE = re.compile(
    r"(hash|digest|mac|secret|token|csrf|signature|pepper|presented|password|nonce)s?$", re.IGNORECASE
)
ALLOWED = {
    ("client.py", "found != self.tokens"): "a client's own tokens, to see whether they have changed",
    ("core/access_token.py", "b64url(signature) != signature_text"): (
        "both sides are of the presented token, and its signature has been found good"
    ),
    ("core/audit_verification.py", "hash_of(self._hash, row.entry) != row.hash"): (
        "hashes without a key, of rows that whoever verifies can read"
    ),
    ("stores/batching.py", "batch[leader][1].presented_hash == batch[n][1].presented_hash"): (
        "both hashes were presented, by callers of one batch; neither is the store's"
    ),
}
"""Comparisons that look like those of secrets, each with the reason why it is none."""

CRYPTOGRAPHIC = {"cryptography", "hashlib", "hmac", "secrets", "random", "uuid", "ssl", "crypt", "zlib", "binascii"}
FOREIGN = {"Crypto", "Cryptodome", "nacl", "jwt", "jose", "authlib", "joserfc", "ecdsa", "rsa", "passlib", "OpenSSL"}
CHANCE = {
    ("random.uniform", "_async/stores/postgres_server.py"): "spreads retries in time; nobody gains by guessing it",
    ("random.uniform", "server/partitioning.py"): "spreads retries in time; nobody gains by guessing it",
    ("random.uniform", "_async/stores/mariadb_server.py"): "spreads retries in time; nobody gains by guessing it",
    ("random.random", "webhooks/running.py"): "spreads retries in time; nobody gains by guessing it",
}
"""Where chance is no secret, so that any generator will do; each with its reason."""
NO_ALGORITHM = re.compile(
    r"[ab]2[ab]_base64|Invalid(Tag|Signature)|serialization\..*|(ec|rsa|ed25519)\.\w*(PrivateKey|PublicKey)"
)
"""Encodings, exceptions, file formats and types."""


def where(path):
    return path.relative_to(SOURCE).as_posix()


def last_word(node):
    """The name that an expression ends in: ``record.current_hash`` gives ``current_hash``."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(value=value) | ast.Call(func=ast.Attribute(value=value, attr="encode" | "decode")):
            return last_word(value)
        case ast.Call(func=ast.Name(id=name), args=[argument, *_]) if name not in {"len", "type", "isinstance"}:
            return last_word(argument)
        case ast.Constant(value=str(text)):
            return text
    return ""


def secret_comparisons(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Compare) and any(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops):
            sides = [node.left, *node.comparators]
            if any(SECRETIVE.search(last_word(side)) for side in sides):
                yield ast.unparse(node)


def test_the_rule_finds_what_it_looks_for():
    bad = [
        "a.current_hash == b",
        "token != other",
        "x == mac[:4]",
        "anti_csrf == sent",
        "secret.encode() == y",
        "1 == pepper",
    ]
    for text in bad:
        assert list(secret_comparisons(text)) == [text]
    for text in ("len(token) == 3", "hmac.compare_digest(token, other)", "token is None", "name == other"):
        assert list(secret_comparisons(text)) == []


def test_secrets_are_compared_in_constant_time_only():
    found = {(where(path), text) for path in MODULES for text in secret_comparisons(path.read_text(encoding="utf-8"))}
    assert found - ALLOWED.keys() == set()
    assert {entry for entry in ALLOWED if (SOURCE / entry[0]).exists()} - found == set()
    assert all(ALLOWED.values())


def test_no_secret_is_looked_up_in_a_table_by_its_value():
    """`in` and a dictionary compare as `==` does. Tokens that a verifier remembers are the one exception."""
    found = []
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Compare) and any(isinstance(op, ast.In | ast.NotIn) for op in node.ops):
                left = last_word(node.left)
                if re.search(r"(hash|mac|secret|csrf|signature|pepper)$", left) and not isinstance(
                    node.left, ast.Constant
                ):
                    found.append((where(path), ast.unparse(node)))
    assert found == []


# -- S90: the inventory ---------------------------------------------------------------------------------------------


def imports(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, alias.asname or alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.module, alias.asname or alias.name, alias.name) for alias in node.names)


def algorithms(text):
    """Everything cryptographic that a module names: imported names, and attributes of imported modules."""
    tree, found, modules = ast.parse(text), set(), {"os"}
    for module, bound, name in imports(tree):
        if module.split(".")[0] in CRYPTOGRAPHIC:
            if name is None or name in {"ec", "rsa", "ed25519", "padding", "serialization"}:
                modules.add(bound)
            else:
                found.add(name)
    attributes = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    dotted = {text for text in attributes if re.fullmatch(r"[\w.]+", text)}
    longest = {text for text in dotted if not any(other.startswith(f"{text}.") for other in dotted)}
    found |= {text for text in longest if text.split(".")[0] in modules - {"os"}}
    found |= longest & {"os.urandom", "os.getrandom"}
    return {name for name in found if not NO_ALGORITHM.fullmatch(name)}


def inventory():
    """The pairs of name and module that the table lists."""
    rows = [
        line.split("|")[1:-1] for line in INVENTORY.read_text(encoding="utf-8").splitlines() if line.startswith("| ")
    ]
    cells = [[cell.strip() for cell in row] for row in rows[1:]]
    for cell in cells:
        assert len(cell) == 6
        assert all(cell[:4])
    return {
        (name, module)
        for row in cells
        for name in re.findall(r"`([^`]+)`", row[2])
        for module in re.findall(r"`([^`]+)`", row[3])
    }


def test_the_scan_sees_every_way_to_name_an_algorithm():
    text = (
        "import hashlib\nfrom hashlib import md5\nimport os, random\nhashlib.new('x'); os.urandom(1); random.random()"
    )
    assert algorithms(text) == {"hashlib.new", "md5", "os.urandom", "random.random"}


def test_the_code_uses_what_the_inventory_lists_and_nothing_else():
    found = {(name, where(path)) for path in MODULES for name in algorithms(path.read_text(encoding="utf-8"))}
    assert found - CHANCE.keys() == inventory()
    assert all(CHANCE.values())


@pytest.mark.parametrize("path", WITH_GENERATED, ids=where)
def test_no_other_library_and_no_weak_hash_is_used(path):
    text = path.read_text(encoding="utf-8")
    roots = {module.split(".")[0] for module, _, _ in imports(ast.parse(text))}
    assert not roots & (FOREIGN | {"secrets", "pickle", "marshal", "shelve"})
    original = where(path).replace("_sync/", "_async/")
    assert {name for name in algorithms(text) if "random." in name and (name, original) not in CHANCE} == set()
    names = {name.rpartition(".")[2].lower() for name in algorithms(text)}
    assert not names & {"md5", "sha1", "new", "des", "tripledes", "arc4", "ecb", "cbc", "pkcs1v15encrypt", "oaep"}


def test_digest_names_given_as_text_are_sha_256():
    given = set()
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"hmac.digest", "hmac.new", "hashlib.new"}:
                given.add(ast.unparse(node.args[-1]))
    assert given == {"'sha256'"}
