"""The page of a case, whatever is in it."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from reseal.core.cases import Case, CaseStep, StepKind
from reseal.web import case_page

TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"), max_size=40)
STEPS = st.builds(
    CaseStep,
    at=st.integers(0, 4_000_000_000_000),
    kind=st.sampled_from(StepKind),
    generation=st.none() | st.integers(0, 10**9),
    token_mark=st.sampled_from(["", "0a1b2c3d", "ffffffff"]),
    outcome=TEXT,
    ip=st.none() | TEXT,
    user_agent=st.none() | TEXT,
    correlation_id=st.none() | TEXT,
    by=TEXT,
    note=TEXT,
)
CASES = st.builds(
    Case,
    id=TEXT,
    user_id=TEXT,
    app_id=st.just("public"),
    tenant_id=st.just("public"),
    verdict=st.sampled_from(["token_theft", "session_in_step", "of a later version"]),
    subtype=st.sampled_from([None, "previous", "older", "of a later version"]),
    response=st.sampled_from([None, "report", "revoke_user"]),
    opened_at=st.integers(0, 4_000_000_000_000),
    updated_at=st.just(0),
    closed_at=st.none() | st.integers(0, 4_000_000_000_000),
    timeline=st.lists(STEPS, max_size=8).map(tuple),
)


@given(CASES)
def test_the_picture_is_well_formed_and_shows_each_step(case: Case) -> None:
    picture = ET.fromstring(case_page.picture(case))
    assert len(picture.findall(".//{*}circle")) == len(case.timeline)
    assert not [each for each in picture.iter() if each.tag.endswith("script") or "style" in each.attrib]


@given(CASES)
def test_no_text_becomes_markup(case: Case) -> None:
    step = CaseStep(at=0, kind=StepKind.PRESENTED, user_agent="<b>'\"&", ip="<i>", outcome="<u>", correlation_id="<s>")
    hostile = Case(**{name: getattr(case, name) for name in case.__struct_fields__} | {"timeline": (step,)})
    page = case_page.page(hostile)
    assert not any(tag in page for tag in ("<b>", "<i>", "<u>", "<s>", "<script", "<style"))


def test_a_token_that_goes_from_one_client_to_another_is_joined_by_a_line() -> None:
    issued = CaseStep(at=1, kind=StepKind.ISSUED, token_mark="0a1b2c3d", user_agent="One")
    presented = CaseStep(at=2, kind=StepKind.PRESENTED, token_mark="0a1b2c3d", user_agent="Two")
    case = Case(
        id="h",
        user_id="u",
        app_id="a",
        tenant_id="t",
        verdict="session_in_step",
        opened_at=2,
        updated_at=2,
        timeline=(issued, presented),
    )
    assert case_page.picture(case).count("stroke-dasharray") == 1
    same = Case(**{name: getattr(case, name) for name in case.__struct_fields__} | {"timeline": (issued, issued)})
    assert case_page.picture(same).count("stroke-dasharray") == 0
