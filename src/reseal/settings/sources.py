"""The sources of settings: a mapping, a YAML file, the environment. Reads and names values; checks none of them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from reseal.core.errors import ConfigurationError
from reseal.settings.problems import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from reseal.settings.fields import Row

PREFIX: Final = "RESEAL_"
CONFIG_VARIABLE: Final = "RESEAL_CONFIG"
"""Names the file that ``Settings.load`` reads if it is called without one."""
_ENVIRONMENT: Final = "the environment"
_BOOLEANS: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,18}")
_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]{1,18}(?:\.[0-9]{0,18})?|\.[0-9]{1,18})(?:[eE][+-]?[0-9]{1,2})?")
_COMPARED: Final = 80


class Layer(NamedTuple):
    """The contents of one source: values by key, the place of each, and the problems of the names."""

    values: dict[str, object]
    places: dict[str, str]
    problems: list[str]


class Vocabulary(NamedTuple):
    """The names that a configuration knows."""

    kinds: Mapping[str, str]
    """Every key with its type."""
    foreign: Callable[[str, str], str | None]
    """Returns the advice for a known key that has no meaning here, given the key and its place."""
    aliases: Mapping[str, str]
    files: Mapping[str, str]
    """Variables that name a file, and the key whose value is in it."""
    reserved: frozenset[str] = frozenset({CONFIG_VARIABLE})
    """Variables with the prefix that are not keys."""


def vocabulary(rows: Mapping[str, Row], foreign: Callable[[str, str], str | None]) -> Vocabulary:
    """Return the names of a form's table."""
    known = [row for row in rows.values() if row.in_files]
    return Vocabulary(
        {row.name: row.kind for row in known},
        foreign,
        {other: row.name for row in known for other in row.other_names},
        {f"{variable(row.name)}_FILE": row.name for row in known if row.from_file},
    )


class _Entry(NamedTuple):
    key: str
    name: str
    """The key as spelled in its source."""
    value: object


def mapping_layer(mapping: object, source: str, words: Vocabulary, *, texts: bool = False) -> Layer:
    """Read a mapping with values of their own types; with ``texts``, also quoted numbers and booleans."""
    if not isinstance(mapping, Mapping):
        return Layer({}, {}, [f"{source} must hold keys with values, not {shown(mapping)}: write key: value lines"])
    entries = [
        _Entry(key, shown(key), parsed_for(words, key, value) if texts else value)
        for key, value in mapping.items()
        if isinstance(key, str)
    ]
    layer = _layer(entries, source, words)
    layer.problems.extend(
        f"{source} has a key that is not text, {shown(key)}: put it in quotes or remove it"
        for key in mapping
        if not isinstance(key, str)
    )
    return layer


def environment_layer(environ: Mapping[str, Any], words: Vocabulary, place: str = _ENVIRONMENT) -> Layer:
    """Read the ``RESEAL_…`` variables, parsing each text to the type of its key where it can be parsed."""
    named = {
        name: _key_of(name)
        for name in environ
        if name.startswith(PREFIX) and name not in words.reserved and name not in words.files
    }
    return named_layer(environ, named, words, place)


def named_layer(
    environ: Mapping[str, Any], named: Mapping[str, str], words: Vocabulary, place: str = _ENVIRONMENT
) -> Layer:
    """Read the variables that ``named`` maps to keys, and the files of ``words``."""
    entries = [
        _Entry(key, name, parsed_for(words, key, environ[name])) for name, key in named.items() if name in environ
    ]
    layer = _layer(entries, place, words, are_variables=True)
    for name, key in words.files.items():
        if name in environ:
            _add_file(layer, name, key, environ[name])
    return layer


def parsed_for(words: Vocabulary, key: str, value: object) -> object:
    """Parse text to the type of its key; other text is returned unchanged, for the key's rule to refuse."""
    return _parsed(words.kinds.get(words.aliases.get(key, key), ""), value) if isinstance(value, str) else value


def read_yaml(path: str | Path) -> object:
    """Return the content of a YAML file, an empty mapping if it is empty. Raises ``ConfigurationError``."""
    try:
        import yaml  # noqa: F401, PLC0415 - an optional dependency, needed for files only
    except ImportError:
        raise ConfigurationError((f'{path} needs PyYAML to be read: pip install "reseal[yaml]"',)) from None
    text, fault = _read_text(Path(path))
    if text is None:
        raise ConfigurationError((f"{path} {fault}: name a readable file of UTF-8 text",))
    content = parse_yaml(text, str(path))
    return {} if content is None else content


def parse_yaml(text: str, source: str) -> object:
    """Return the content of a YAML text. Raises ``ConfigurationError``, which quotes nothing of it; needs PyYAML."""
    content, problems = _parse_yaml(text, source)
    if problems:
        raise ConfigurationError(tuple(problems))
    return content


def _layer(entries: Iterable[_Entry], place: str, words: Vocabulary, *, are_variables: bool = False) -> Layer:
    layer = Layer({}, {}, [])
    for entry in entries:
        key = words.aliases.get(entry.key, entry.key)
        if key not in words.kinds:
            layer.problems.append(_unknown(entry, place, words, are_variables=are_variables))
        elif key in layer.values and not _same(layer.values[key], entry.value):
            layer.problems.append(
                f"{entry.name} and another name of '{key}' have different values in {place}: keep '{key}' alone"
            )
        else:
            layer.values[key] = entry.value
            layer.places[key] = entry.name if are_variables else place
    return layer


def _same(one: object, other: object) -> bool:
    return isinstance(one, str | int | float) and isinstance(other, str | int | float) and one == other


def _unknown(entry: _Entry, place: str, words: Vocabulary, *, are_variables: bool) -> str:
    """Return the advice for an unknown name. The value is not shown: the name may be a mistyped one of a secret."""
    known = words.foreign(entry.key, place)
    if known is not None:
        return f"{entry.name} {known}"
    wanted = entry.key.lower().replace("-", "_")[:_COMPARED]
    files = (name.removeprefix(PREFIX).lower() for name in words.files)
    close = difflib.get_close_matches(wanted, [*words.kinds, *words.aliases, *files], n=1)
    if not close:
        return f"{entry.name} in {place} is not a known key: remove it, or look it up in the configuration reference"
    better = variable(close[0]) if are_variables else f"'{close[0]}'"
    return f"{entry.name} in {place} is not a known key: did you mean {better}?"


def variable(key: str) -> str:
    """Return the environment variable of a key."""
    return PREFIX + key.upper()


def _key_of(name: str) -> str:
    """Return the key of a variable; keys are lower-case, so the upper-case one of a misspelt variable is unknown."""
    key = name.removeprefix(PREFIX).lower()
    return key if variable(key) == name else key.upper()


def _parsed(kind: str, text: str) -> object:
    """Parse text to the kind of its key; other text stays text, for the key's rule to refuse."""
    bare = text.strip()
    match kind.removesuffix(" | None"):
        case "bool":
            return _BOOLEANS.get(bare.lower(), text)
        case "int":
            return int(bare) if _INTEGER.fullmatch(bare) else text
        case "float":
            return float(bare) if _DECIMAL.fullmatch(bare) else text
        case "tuple[str, ...]":
            return tuple(part.strip() for part in text.split(",") if part.strip())
        case _:
            return text


def _add_file(layer: Layer, name: str, key: str, path: str) -> None:
    """Read a value from its file, without the trailing newline. The path is not shown: it may be the secret itself."""
    if key in layer.values:
        layer.problems.append(f"{name} and {layer.places[key]} are both set: keep one of them")
        return
    text, fault = _read_text(Path(path))
    if text is None:
        layer.problems.append(f"the file named by {name} {fault}: name a readable file of UTF-8 text")
        return
    layer.values[key] = text.rstrip("\r\n")
    layer.places[key] = f"the file named by {name}"


def _read_text(path: Path) -> tuple[str | None, str]:
    """Return the text of a file, or ``None`` and the error."""
    try:
        return path.read_text("utf-8-sig"), ""
    except OSError as error:
        return None, f"cannot be read ({error.strerror or 'no reason given'})"
    except UnicodeDecodeError:
        return None, "is not UTF-8 text"
    except ValueError:
        return None, "is not a possible path"


def _parse_yaml(text: str, source: str) -> tuple[object, list[str]]:
    """Parse one document. PyYAML's message and its cause are dropped, because they quote the file."""
    import yaml  # noqa: PLC0415 - as in read_yaml

    mark: yaml.Mark | None = None
    loader: yaml.SafeLoader | None = None
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        repeated = _repeated_keys(node)
        return (None if node is None else loader.construct_document(node)), [
            f"{name} is given more than once in {source}, again in line {line}: keep one of them"
            for name, line in repeated
        ]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError):
        pass  # PyYAML's constructors let the last four through: a month 13, an empty number, a wrong tag, depth
    finally:
        if loader is not None:
            loader.dispose()
    where = f" near line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    return None, [f"{source} is not valid YAML{where}: check indentation, quotes and colons there"]


def _repeated_keys(node: object) -> list[tuple[str, int]]:
    import yaml  # noqa: PLC0415 - as in read_yaml

    if not isinstance(node, yaml.MappingNode):
        return []
    seen: set[str] = set()
    repeated: list[tuple[str, int]] = []
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode):
            if key.value in seen:
                repeated.append((shown(key.value), key.start_mark.line + 1))
            seen.add(key.value)
    return repeated
