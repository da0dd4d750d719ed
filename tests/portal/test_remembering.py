"""What a page asks twice is read once; outside of a page nothing is remembered."""

from __future__ import annotations

from portal.core.remembering import answer_known, remembered, remembering

asked: list[str] = []


@remembered
def length(*, of: str) -> int:
    """A read that counts."""
    asked.append(of)
    return len(of)


def test_a_question_is_asked_once_while_a_page_is_drawn_and_anew_by_the_next() -> None:
    asked.clear()
    with remembering():
        assert [length(of="ab"), length(of="ab"), length(of="abc")] == [2, 2, 3]
        assert asked == ["ab", "abc"]
    with remembering():
        length(of="ab")
    length(of="ab")
    length(of="ab")
    assert asked == ["ab", "abc", "ab", "ab", "ab"]


def test_what_a_page_knows_already_is_not_asked() -> None:
    asked.clear()
    answer_known(length, 7, of="ab")  # outside of a page it is said to nobody
    assert length(of="ab") == 2
    with remembering():
        answer_known(length, 7, of="ab")
        assert length(of="ab") == 7
    assert asked == ["ab"]
