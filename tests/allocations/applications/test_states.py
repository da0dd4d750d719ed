"""The life of an application, and of a review, as tables: every move is allowed to exactly the actors named."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from allocations.applications import states as application
from allocations.projects import states as allocation
from allocations.reports import states as report
from allocations.reviews import states as review
from portal.core.errors import Refusal


@pytest.mark.parametrize(
    "life", [application, allocation, review, report], ids=["application", "allocation", "review", "report"]
)
def test_every_move_is_allowed_or_refused(life: Any) -> None:
    for old, new, actor in itertools.product(life.S, life.S, life.Actor):
        if actor in life.TRANSITIONS.get((old, new), frozenset()):
            life.check_transition(old=old, new=new, actor=actor)
        else:
            with pytest.raises(Refusal) as refused:
                life.check_transition(old=old, new=new, actor=actor)
            assert refused.value.code == "move_not_allowed"


def test_the_table_says_what_was_agreed() -> None:
    s, a = application.S, application.Actor
    assert {
        (s.DRAFT, s.SUBMITTED): {a.APPLICANT},
        (s.DRAFT, s.EXPIRED): {a.CLOCK},
        (s.DRAFT, s.WITHDRAWN): {a.APPLICANT},
        (s.SUBMITTED, s.RETURNED): {a.OFFICER},
        (s.SUBMITTED, s.IN_REVIEW): {a.OFFICER},
        (s.SUBMITTED, s.DECIDED): {a.RULE, a.OFFICER},
        (s.SUBMITTED, s.WITHDRAWN): {a.APPLICANT},
        (s.IN_REVIEW, s.RETURNED): {a.OFFICER},
        (s.IN_REVIEW, s.DECIDED): {a.OFFICER},
        (s.IN_REVIEW, s.WITHDRAWN): {a.APPLICANT},
        (s.RETURNED, s.SUBMITTED): {a.APPLICANT},
        (s.RETURNED, s.EXPIRED): {a.CLOCK},
        (s.RETURNED, s.WITHDRAWN): {a.APPLICANT},
        (s.DECIDED, s.IN_REVIEW): {a.OFFICER},
    } == application.TRANSITIONS


def test_every_state_has_its_words_and_its_turn() -> None:
    for state in application.S:
        assert application.BADGES[state].label
        assert application.OFFICER_BADGES[state].label
        assert application.TURNS[state]
