"""The documentation is true: its code runs, its links lead somewhere, its names exist."""

from __future__ import annotations

import inspect
import json
import re
import sys
from contextlib import asynccontextmanager
from types import ModuleType

import httpx
import pytest
import yaml

import reseal
from reseal import EventName, Refusal, RequestFacts, ResealError, Settings, TheftResponse
from reseal.core import errors
from reseal.server import config as service
from reseal.settings import sources
from reseal.settings.fields import EmbeddedFields, rows
from reseal.settings.foreign import advice_for
from reseal.settings.sources import CONFIG_VARIABLE, PREFIX, variable
from reseal.web import csrf
from tests.docs.pages import DOCS, PAGES, ROOT, anchors, blocks, code_spans, fenced, links, name, prose, table_after
from tests.webhooks import signals

OWN_PAGE = {"sec-fetch-site": "same-origin"}
"""What a browser says of a request that a page of the same origin makes."""
PRELUDE = {
    "docs/reference/configuration.md": """
from pathlib import Path
from reseal import Settings
values = {"api_domain": "https://api.example.com"}
Path("config.yaml").write_text("api_domain: https://api.example.com")
""",
}
"""What a page presumes that is generated and cannot say it."""
ENVIRONMENT = {"docs/reference/configuration.md": {"RESEAL_API_DOMAIN": "https://api.example.com"}}
ABOUT_THE_PROJECT = {
    DOCS / "security.md",
    DOCS / "reports.md",
    DOCS / "benchmarks.md",
    DOCS / "reliability.md",
    *DOCS.glob("adr/*.md"),
}
"""Pages that name tests and plans as well, so that their words are not all in the sources."""
WITH_CODE = [page for page in PAGES if blocks(page)]
KEYS = {key for key in Settings.__dataclass_fields__ if Settings.__dataclass_fields__[key].init}


@asynccontextmanager
async def browser(app, *, headers=OWN_PAGE, base_url="https://api.example.com"):
    """A browser on a page of the application's own origin, with the application's lifespan around it."""
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base_url, headers=headers) as client,
    ):
        yield client


@pytest.mark.parametrize("page", WITH_CODE, ids=name)
async def test_the_code_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = ModuleType(f"docs_{page.stem.replace('-', '_')}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    module.__dict__.update(browser=browser, this_page=page.read_text("utf-8"))
    for key, value in ENVIRONMENT.get(name(page), {}).items():
        monkeypatch.setenv(key, value)
    exec(PRELUDE.get(name(page), ""), module.__dict__)
    for block in blocks(page):
        code = block.compiled()
        if block.reason is not None:
            continue
        outcome = eval(code, module.__dict__)
        if inspect.isawaitable(outcome):
            await outcome


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page):
    broken = []
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists():
            broken.append(f"{link}: no such file")
        elif anchor and anchor not in anchors(target):
            broken.append(f"{link}: no such heading")
    assert broken == []


def test_every_page_can_be_reached_from_the_index():
    reached, ahead = set(), [DOCS / "index.md"]
    while ahead:
        page = ahead.pop()
        if page in reached or page.suffix != ".md" or not page.exists():
            continue
        reached.add(page)
        ahead += [(page.parent / link.partition("#")[0]).resolve() for link in links(page) if ":" not in link]
    assert [name(page) for page in PAGES[1:] if page not in reached] == []


@pytest.fixture(scope="module")
def vocabulary():
    """Every word of the sources: what a name on a page may be."""
    sources = [
        *ROOT.glob("src/**/*.py"),
        *ROOT.glob("src/**/*.sql"),
        *ROOT.glob("src/**/*.toml"),
        *ROOT.glob("browser/src/*.ts"),
    ]
    return set(re.findall(r"\w+", "\n".join(source.read_text("utf-8") for source in sources)))


@pytest.mark.parametrize("page", [page for page in PAGES if page not in ABOUT_THE_PROJECT], ids=name)
def test_the_names_on_a_page_exist(page, vocabulary):
    own = set(re.findall(r"\w+", "\n".join(block.code for block in blocks(page))))
    said = " ".join(span for span in code_spans(page) if "/" not in span)
    names = set(re.findall(r"(?<![\w-])[a-z]+(?:_[a-z]+)+(?![\w…*])", said))
    assert sorted(names - vocabulary - own) == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_the_variables_on_a_page_exist(page):
    known = {CONFIG_VARIABLE, service.STATE_VARIABLE}
    for names in (sources.vocabulary(rows(EmbeddedFields), advice_for), service.words()):
        known |= {variable(key) for key in {**names.kinds, **names.aliases}} | names.files.keys()
    said = re.findall(rf"\b{PREFIX}[A-Z][A-Z_]*[A-Z](?![A-Z_…<])", page.read_text("utf-8"))
    assert sorted(set(said) - known) == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_the_members_on_a_page_exist(page):
    text = page.read_text("utf-8")
    for kind in (EventName, Refusal, TheftResponse):
        assert {
            member for member in re.findall(rf"\b{kind.__name__}\.([A-Z_]+)\b", text) if member not in kind.__members__
        } == set()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_the_events_on_a_page_exist(page):
    said = re.findall(r"\bevents? `(\w+)`|`(\w+)` events?\b", prose(page))
    assert {"".join(pair) for pair in said} - {event.value for event in EventName} == set()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_code_on_a_page_escapes_the_test(page):
    text = page.read_text("utf-8")
    assert re.findall(r"(?im)^[ \t]*```+[ \t]*(?:py\S*[ \t]+\S.*|py|python3?|pycon)[ \t]*$", text) == [
        "```python" for block in blocks(page) if not block.hidden
    ]
    assert text.count("<!-- check\n") == sum(block.hidden for block in blocks(page))
    assert text.count("<!-- no-run") == sum(block.reason is not None for block in blocks(page))


@pytest.mark.parametrize("page", [page for page in PAGES if list(fenced(page, "yaml"))], ids=name)
def test_the_yaml_of_a_page_is_a_configuration(page, tmp_path):
    (tmp_path / "signals.pem").write_text(signals.key())
    (tmp_path / "idp-authorization").write_text(signals.AUTHORIZATION)
    for text in fenced(page, "yaml"):
        here = text.replace("_file: /run/secrets/", f"_file: {tmp_path}/")
        values = {"api_domain": "https://api.example.com"} | yaml.safe_load(here)
        assert Settings.from_mapping(values, source=name(page))


@pytest.mark.parametrize("page", [page for page in PAGES if list(fenced(page, "js"))], ids=name)
def test_the_scripts_on_a_page_use_what_the_browser_sdk_has(page):
    contract = (ROOT / "browser/src/contract.ts").read_text("utf-8")
    declared = set(re.findall(r"\w+", contract))
    for script in fenced(page, "js"):
        options = re.findall(r"(\w+):", "".join(re.findall(r"createSessionClient\(\{(.*?)\}\)", script, re.DOTALL)))
        calls = re.findall(r"\bsession\.(\w+)\(", script)
        events = re.findall(r"\bsession\.on\(\s*\"(\w+)\"", script)
        assert {*options, *calls, *events} - declared == set()


def test_the_page_of_errors_lists_every_reason_once():
    listed = [row[0].strip("`") for row in table_after(DOCS / "reference/errors.md", "## Reasons")]
    assert listed == [reason.value for reason in Refusal]


def test_the_page_of_errors_lists_every_class_with_its_code():
    listed = {row[0].strip("`"): row[1] for row in table_after(DOCS / "reference/errors.md", "## Classes")}
    classes = [error for _, error in inspect.getmembers(errors, inspect.isclass) if issubclass(error, ResealError)]
    exported = [getattr(reseal, name) for name in reseal.__all__]
    classes += [each for each in exported if inspect.isclass(each) and issubclass(each, ResealError)]
    assert listed == {error.__name__: str(error.code) for error in classes}


def test_the_table_of_the_csrf_page_is_the_one_of_the_code():
    settings = Settings(api_domain="https://api.example.com")
    origins = [None, "https://api.example.com", "https://elsewhere.example", "null"]
    rows = table_after(DOCS / "how-to/csrf.md", "## The check")
    assert len(rows) == 6
    for site, *verdicts in rows:
        sent = {"absent": None, "anything else": "odd"}.get(site, site.strip("`"))
        for origin, verdict in zip(origins, verdicts, strict=True):
            told = [("sec-fetch-site", sent), ("origin", origin)]
            facts = RequestFacts.of("POST", "/", [(key, value) for key, value in told if value is not None])
            assert (
                csrf.verdict(facts, settings).value
                == {"trusted": "trusted", "refused": "hostile", "second look": "unknown"}[verdict]
            )


def test_the_defaults_in_the_table_of_timeouts_are_those_of_the_settings():
    defaults = Settings(api_domain="https://api.example.com")
    rows = table_after(DOCS / "reference/timeouts.md", "## Configured")
    for key, default, *_ in rows:
        assert json.loads(default.strip("`").replace("none", "null")) == getattr(defaults, key.strip("`"))
    assert len(rows) == 8


def test_pages_say_what_is_and_nothing_else():
    loud = re.compile(
        r"\b(blazing|seamless\w*|effortless\w*|world-class|cutting[- ]edge|unauthorized)\b", re.IGNORECASE
    )
    assert {name(page): loud.findall(prose(page)) for page in PAGES if loud.search(prose(page))} == {}
