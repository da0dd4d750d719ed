"""
Ready-made reasons: an officer never begins with an empty page, and an applicant never reads a bare number.

`{score}`, `{asked}` and `{awarded}` become the application's figures when it is decided. `[say …]` must be filled in first.
"""

from __future__ import annotations

from allocations.applications.models import Application
from allocations.applications.ready import check_filled_in
from allocations.reviews.scoring import average
from allocations.reviews.selectors import reviews_of
from allocations.reviews.states import S as ReviewS
from portal.core.errors import Malformed
from portal.core.quantities import credits_text

Ready = list[tuple[str, str]]

AWARD: Ready = [
    (
        "Awarded, with the score",
        "The reviewers scored your application {score} of 100. You asked for {asked} credits and are awarded {awarded}.",
    ),
    (
        "Less than asked: the plan needs less",
        "The reviewers scored your application {score} of 100. The plan needs {awarded} of the {asked} credits you asked for: "
        "[say why]. Ask for a supplement when it runs and you need more.",
    ),
    (
        "Less than asked: the pool is limited",
        "The reviewers scored your application {score} of 100. More was asked for than there is, so you are awarded "
        "{awarded} of {asked} credits.",
    ),
]
REJECT: Ready = [
    (
        "Others scored higher",
        "The reviewers scored your application {score} of 100. Others scored higher and the pool is limited. What the "
        "reviewers wrote stands below; you may apply again with it in mind.",
    ),
    ("The compute does not follow from the plan", "The credits asked for do not follow from the plan: [say where]."),
    ("Not what the call is for", "This call is for [say what]; your application is about [say what]."),
    ("The plan has a gap", "The reviewers could not follow one step of the plan: [say which]. Describe it and apply again."),
]
AWARD_ALONE: Ready = [
    ("As asked", "Your application fits what this call is for. You asked for {asked} credits and are awarded {awarded}."),
    (
        "Less than asked",
        "Your application fits what this call is for. The plan needs {awarded} of the {asked} credits asked for: [say why].",
    ),
]
REJECT_ALONE: Ready = [("A gap", "We could not follow one part of your application: [say which]."), *REJECT[1:3]]
APPEAL: Ready = [
    ("Other people look", "You showed that [say what] was overlooked. Other people will look at your application again."),
    ("The decision stands", "We read your application, the reviews and your appeal again. The decision stands: [say why]."),
]


def award_reasons(application: Application) -> Ready:
    """What an award may be explained with."""
    return AWARD if application.version.rules.review else AWARD_ALONE


def reject_reasons(application: Application) -> Ready:
    """What a rejection may be explained with."""
    return REJECT if application.version.rules.review else REJECT_ALONE


def reason_filled(words: str, application: Application, *, credits: int, score: float | None) -> str:
    """A reason with the application's figures in place of its marks; other braces stay as they are."""
    facts = {
        "{score}": "—" if score is None else f"{score:.0f}",
        "{asked}": credits_text(application.requested_credits or 0),
        "{awarded}": credits_text(credits),
    }
    for mark, value in facts.items():
        words = words.replace(mark, value)
    return words


def score_of(application: Application) -> float | None:
    """The mean of the reviews that are in, of 100; None where there are none."""
    rules = application.version.rules.review
    handed = [review.scores for review in reviews_of(application) if review.state == ReviewS.SUBMITTED] if rules else []
    return average(rules.criteria, handed) if rules else None


def check_reason(words: str) -> None:
    """
    Let a reason pass that can be read.

    :raises Malformed: empty, or with `[say …]` left in it
    """
    if not words.strip():
        raise Malformed("Give a reason; the applicant reads exactly this.", field="reason")
    check_filled_in(words, field="reason")
