"""Little stories, one for every move and refusal. Amounts in micro-credits."""

from __future__ import annotations

from datetime import datetime

import pytest

from allocations.ledger import services
from allocations.ledger.models import Account, Line
from allocations.ledger.refusals import LedgerRefusal
from allocations.ledger.verify import verify
from tests.support.ledger import POOL, POOL_FILLED, RESOURCE, Story

pytestmark = pytest.mark.django_db


@pytest.fixture
def story(now: datetime) -> Story:
    return Story(at=now)


def test_a_hold_is_posted_for_less_and_the_rest_returns(story: Story) -> None:
    #                                                  available  held  spent
    story.play("""
        grant  award-7    100                          |  100   0   0
        hold   session-1   40                          |   60  40   0
        post   session-1   25                          |   75   0  25
        post   session-1    1  id=other hold_not_open  |   75   0  25
        hold   session-2   76  exceeds_available       |   75   0  25
    """)


def test_a_hold_is_voided_and_all_returns(story: Story) -> None:
    story.play("""
        grant  award-7    100                          |  100   0   0
        hold   session-1  100                          |    0 100   0
        void   session-1                               |  100   0   0
        post   session-1   10  hold_not_open           |  100   0   0
    """)


def test_the_whole_hold_may_be_charged_but_no_more(story: Story) -> None:
    story.play("""
        grant  award-7    100                          |  100   0   0
        hold   session-1   40                          |   60  40   0
        post   session-1   41  exceeds_hold            |   60  40   0
        post   session-1   40                          |   60   0  40
    """)


def test_asking_twice_happens_once_and_other_content_is_refused(story: Story) -> None:
    story.play("""
        grant  award-7    100                          |  100   0   0
        grant  award-7    100                          |  100   0   0
        grant  award-7    101  id_reused               |  100   0   0
        hold   session-1   40                          |   60  40   0
        hold   session-1   40                          |   60  40   0
        hold   session-1   39  id_reused               |   60  40   0
        post   session-1   25                          |   75   0  25
        post   session-1   25                          |   75   0  25
        post   session-1   24  id_reused               |   75   0  25
    """)


def test_a_hold_that_was_never_sent_lapses(story: Story) -> None:
    story.play("""
        grant  award-7    100                          |  100   0   0
        hold   session-1   40  life=300                |   60  40   0
        expire clock      200                          |   60  40   0
        expire clock      100                          |  100   0   0
        sent   session-1       hold_not_open           |  100   0   0
        post   session-1   10  hold_not_open           |  100   0   0
    """)


def test_a_clock_never_closes_the_hold_of_something_that_was_sent(story: Story) -> None:
    story.play("""
        grant  award-7    100                          |  100   0   0
        hold   session-1   40  life=300                |   60  40   0
        sent   session-1                               |   60  40   0
        sent   session-1                               |   60  40   0
        expire clock   999999                          |   60  40   0
        post   session-1   30                          |   70   0  30
    """)


def test_a_roll_posts_what_was_used_and_holds_the_rest_anew(story: Story) -> None:
    story.play("""
        grant  award-7    100                          |  100   0   0
        hold   cluster-1   60                          |   40  60   0
        roll   cluster-1   10  keep=30 to=cluster-1-r1 |   60  30  10
        roll   cluster-1   10  keep=30 to=cluster-1-r1 |   60  30  10
        roll   cluster-1-r1 20 keep=11 to=cluster-1-r2 exceeds_hold | 60 30 10
        roll   cluster-1-r1  0 keep=30 to=cluster-1-r2 |   60  30  10
        post   cluster-1-r2 30                         |   60   0  40
    """)


def test_a_suspended_allocation_settles_but_starts_nothing(story: Story) -> None:
    story.play("""
        grant   award-7   100                          |  100   0   0
        hold    session-1  40                          |   60  40   0
        suspend award-7                                |   60  40   0
        hold    session-2  10  allocation_not_active   |   60  40   0
        post    session-1  25                          |   75   0  25
        resume  award-7                                |   75   0  25
        hold    session-2  10                          |   65  10  25
    """)


def test_an_ended_allocation_returns_what_is_and_what_becomes_available(story: Story) -> None:
    story.play("""
        grant  award-7    100                          |  100   0   0
        hold   session-1   40                          |   60  40   0
        close  award-7                                 |    0  40   0
        hold   session-2    1  allocation_not_active   |    0  40   0
        grant  more         1  allocation_not_active   |    0  40   0
        post   session-1   25                          |    0   0  25
        close  award-7                                 |    0   0  25
    """)
    assert Account.objects.get(code=story.account).state == "closed"
    assert Account.objects.get(code=POOL).available == POOL_FILLED - 25


def test_a_roll_may_go_on_while_the_allocation_is_closing(story: Story) -> None:
    story.play("""
        grant  award-7    100                          |  100   0   0
        hold   cluster-1   60                          |   40  60   0
        close  award-7                                 |    0  60   0
        roll   cluster-1   10  keep=30 to=cluster-1-r1 |    0  30  10
        void   cluster-1-r1                            |    0   0  10
    """)
    assert Account.objects.get(code=story.account).state == "closed"
    assert Account.objects.get(code=POOL).available == POOL_FILLED - 10


def test_credits_return_to_the_pool_by_hand(story: Story) -> None:
    story.play("""
        grant  award-7    100                          |  100   0   0
        return early       70                          |   30   0   0
        return more        31  exceeds_available       |   30   0   0
    """)
    assert Account.objects.get(code=POOL).available == POOL_FILLED - 30


def test_a_charge_is_righted_by_another_transfer_never_beyond_itself(story: Story) -> None:
    story.play("""
        grant  award-7    100                          |  100   0   0
        hold   session-1   40                          |   60  40   0
        post   session-1   40                          |   60   0  40
        adjust session-1   15                          |   75   0  40
        adjust session-1   26  id=again exceeds_posted |   75   0  40
        adjust session-1   25  id=rest                 |  100   0  40
        adjust session-1  -30  id=back                 |   70   0  40
        adjust session-1  -71  id=more exceeds_available | 70  0  40
        adjust session-1  -11  id=more exceeds_hold    |   70   0  40
        adjust session-1  -10  id=more                 |   60   0  40
        adjust session-1  -10  id=more                 |   60   0  40
        adjust session-1   -9  id=more id_reused       |   60   0  40
        adjust nothing      1  hold_unknown            |   60   0  40
    """)


def test_a_hold_that_was_voided_by_mistake_is_charged_at_most_what_it_held(story: Story) -> None:
    story.play("""
        grant  award-7    100                                        |  100   0   0
        hold   session-1   40                                        |   60  40   0
        void   session-1                                             |  100   0   0
        adjust session-1    1  of=void exceeds_posted                |  100   0   0
        adjust session-1  -41  of=void exceeds_hold                  |  100   0   0
        adjust session-1  -30  of=void provider=nobody account_unknown | 100 0   0
        adjust session-1  -30  of=void                               |   70   0   0
        adjust session-1   30  of=void id=back                       |  100   0   0
    """)


def test_a_refund_on_an_ended_allocation_goes_on_to_its_pool(story: Story) -> None:
    story.play("""
        grant  award-7    100                          |  100   0   0
        hold   session-1   40                          |   60  40   0
        post   session-1   40                          |   60   0  40
        close  award-7                                 |    0   0  40
        adjust session-1   15                          |    0   0  40
        adjust session-1   -1  id=more exceeds_available |  0   0  40
    """)
    assert Account.objects.get(code=story.account).state == "closed"
    assert Account.objects.get(code=POOL).available == POOL_FILLED - 25


def test_a_refund_frees_the_cap_it_used(story: Story) -> None:
    services.lines_cover(allocation=story.account, caps={RESOURCE: 50})
    story.play("""
        grant  award-7    100                          |  100   0   0
        hold   session-1   40                          |   60  40   0
        post   session-1   40                          |   60   0  40
        hold   session-2   11  exceeds_cap             |   60   0  40
        adjust session-1   30                          |   90   0  40
        hold   session-2   40                          |   50  40  40
        adjust session-1   -1  id=upp exceeds_cap      |   50  40  40
    """)
    with pytest.raises(LedgerRefusal, match="cannot be lower"):
        services.lines_cover(allocation=story.account, caps={RESOURCE: 49})
    services.lines_cover(allocation=story.account, caps={RESOURCE: None})
    services.lines_cover(allocation=story.account, caps={RESOURCE: 60})
    assert Line.objects.get(account__code=story.account).used == 50
    verify(chain=True)


def test_amounts_that_are_none_are_refused(story: Story) -> None:
    story.play("""
        grant  award-7      0  amount_not_positive     |    0   0   0
        grant  award-7     -5  amount_not_positive     |    0   0   0
        grant  award-7  9999999999999999 amount_too_large | 0 0 0
        grant  award-7    100                          |  100   0   0
        hold   session-1    0  amount_not_positive     |  100   0   0
        hold   session-1   -1  amount_not_positive     |  100   0   0
        hold   session-1   10  life=0 expiry_passed    |  100   0   0
        hold   SESSION     10  id_malformed            |  100   0   0
        void   nothing         hold_unknown            |  100   0   0
    """)


def test_a_grant_beyond_the_pool_is_refused_and_writes_nothing(story: Story) -> None:
    story.play(f"""
        grant  award-7  {POOL_FILLED + 1}  exceeds_pool  |    0   0   0
        grant  award-8  {POOL_FILLED}                    | {POOL_FILLED} 0 0
        grant  award-9  1  exceeds_pool                  | {POOL_FILLED} 0 0
    """)
    assert Account.objects.get(code=POOL).available == 0


def test_a_resource_that_is_not_covered_is_refused(story: Story) -> None:
    story.play("""
        grant  award-7    100                                     |  100   0   0
        hold   session-1   10  resource=gpu resource_not_covered  |  100   0   0
        hold   session-1   10  resource=cpu                       |   90  10   0
    """)


def test_a_cap_counts_what_is_held_and_spent_on_its_resource(story: Story) -> None:
    Line.objects.filter(account__code=story.account).update(cap=50)
    story.play("""
        grant  award-7    100                          |  100   0   0
        hold   session-1   40                          |   60  40   0
        hold   session-2   11  exceeds_cap             |   60  40   0
        post   session-1   20                          |   80   0  20
        hold   session-2   31  exceeds_cap             |   80   0  20
        hold   session-2   30                          |   50  30  20
        void   session-2                               |   80   0  20
    """)
    assert Line.objects.get(account__code=story.account).used == 20
