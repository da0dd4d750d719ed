"""What each of us does here on an ordinary day, in a browser. One demo serves all; each journey begins where a day would."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import Person
from tests.support.story import Story
from tests.support.up import Up

PERCENT = "3"  # of a programme of realistic size: fifteen applications wait, all judged


@pytest.fixture(scope="module")
def story(up: Up) -> Story:
    """The demo with a programme under way, so that lists are lists."""
    assert up.manage("seed", "--volume", PERCENT).returncode == 0
    return Story(up)


@contextmanager
def at_a_browser(browser: Browser, up: Up, name: str, *, phone: bool = False, javascript: bool = True) -> Iterator[Person]:
    """A demo person, signed in; no page of theirs may complain."""
    person = Person(browser, up.portal, phone=phone, javascript=javascript)
    person.sign_in(f"{name}@commons.example", up.password)
    yield person
    assert person.complaints == []
    person.context.close()


def has_mail(person: Person, to: str, words: str) -> None:
    """Look into the outbox until a mail is there: it leaves after the click, by the worker."""
    for _ in range(60):
        person.go(f"/outbox/?to={to}")
        if words in person.page.locator("main").inner_text():
            return
        person.page.wait_for_timeout(500)
    raise AssertionError(f"no mail to {to} says: {words}")


def test_an_operator_makes_somebody_an_officer_and_shuts_somebody_out(up: Up, story: Story, browser: Browser) -> None:
    """
    1. The operator finds a person by name under People, and gives them the role of an officer; the person is told by mail.
    2. Sees all allocations, but opens no application: its address answers as if there were none.
    3. Shuts somebody out with a reason; without one nothing happens. Their open browser is signed out at the next click.
    4. Lets them in again.
    """
    code = story.sent(title="Nobody but its people")
    with at_a_browser(browser, up, "operator") as operator, at_a_browser(browser, up, "colleague") as colleague:
        operator.go("/people/?q=person+1")
        operator.shot("people")
        operator.page.get_by_role("link", name="Person 1", exact=True).click()
        operator.page.get_by_label("Officer").check()
        operator.press("Save the roles")
        operator.sees("was told by mail")
        has_mail(operator, "volume-1@", "Your roles are now: officer")
        operator.go("/allocations/all/?q=fish")
        operator.sees("Sorting fish by image")
        answer = operator.page.request.get(f"{up.portal}/applications/{code}/")
        assert answer.status == 404
        operator.go("/people/?q=brian")
        operator.press("Brian Otieno")
        operator.press("Shut Brian out")
        operator.sees("Say why")
        operator.page.get_by_label("Why?").fill("Left the programme on 1 March.")
        operator.shot("shut-out")
        operator.press("Shut Brian out")
        operator.sees("is shut out")
        colleague.go("/allocations/")
        colleague.page.wait_for_url("**/accounts/login/**")
        operator.page.get_by_label("Why?").fill("Came back.")
        operator.press("Let Brian in again")
        operator.sees("may sign in again")


def test_an_officer_works_through_the_queue(up: Up, story: Story, browser: Browser) -> None:
    """
    1. The officer finds an application in the queue by the enterprise's name and asks both reviewers.
    2. Answers a question of the enterprise that waits in the queue; then it waits no more.
    3. In the panel, by keyboard alone, ticks two and adds them up: the page says what they commit of the pool.
    4. Decides both, held; nobody is told. Publishes them together.
    5. The figures count them.
    """
    code = story.sent(title="Fish and frost")
    with at_a_browser(browser, up, "officer") as officer, at_a_browser(browser, up, "rival") as rival:
        rival.go(f"/applications/{code}/")
        rival.page.get_by_label("Write to the officers").fill("May we add a partner in March?")
        rival.press("Send")

        officer.press("Open the queue")
        officer.sees("May we add a partner in March?")
        officer.shot("queue-of-an-officer")
        officer.page.get_by_label("Words").fill("Nordlys")
        officer.press("Show")
        expect(officer.page.locator("main table tbody tr", has_text="Forecasts")).to_have_count(0)
        officer.press("Fish and frost")
        for name in ("Ravi Menon", "Rosa Lindqvist"):
            officer.page.get_by_label(name).check()
        officer.press("Ask them")
        officer.sees("In review")
        officer.page.get_by_label("Write to the enterprise").fill("Yes; tell us the name by then.")
        officer.press("Send")
        officer.go("/queue/")
        expect(officer.page.locator("main")).not_to_contain_text("May we add a partner in March?")

        officer.go("/queue/panel/build/?q=Forecasts")
        in_the_panel_by_keyboard(officer)
        officer.go("/awards/figures/")
        officer.sees("From sent to decided")
        officer.shot("figures")


def in_the_panel_by_keyboard(officer: Person) -> None:
    """Tick two, add up, decide, publish: Tab, Space and Enter are enough."""
    page = officer.page
    page.locator("main input[name=take]").first.focus()
    titles = []
    for _ in range(2):
        titles.append(page.evaluate("document.activeElement.getAttribute('aria-label')"))
        page.keyboard.press("Space")
        for _ in range(3):  # over the title and the amount to the next row's box
            page.keyboard.press("Tab")
    page.get_by_role("button", name="Only add up").focus()
    page.keyboard.press("Enter")
    officer.sees("These 2 commit")
    officer.shot("panel-added-up")
    assert page.locator("main input[name=take]:checked").count() == 2
    page.get_by_role("button", name="Decide", exact=True).focus()
    page.keyboard.press("Enter")
    officer.sees("What became of each")
    expect(page.locator("main .badge.good", has_text="held")).to_have_count(2)
    officer.press("Back to the panel")
    officer.press("Publish 2 held decisions")
    expect(page.locator("main .badge.good", has_text="published")).to_have_count(2)
    assert all(title.startswith("Take Forecasts") for title in titles)


def test_an_appeal_is_answered_by_another_officer(up: Up, story: Story, browser: Browser) -> None:
    """
    1. The rival reads a rejection on a phone, with every score and reason, and appeals.
    2. The officer who decided is not let answer; their words are kept on the page.
    3. Another officer accepts; the rival sees that other people look again, and by when.
    """
    code = story.decided(outcome="reject", title="Once more, please")
    with at_a_browser(browser, up, "rival", phone=True) as rival:
        rival.go(f"/applications/{code}/decision/")
        rival.sees("It is worth 4.")
        rival.page.get_by_text("Appeal", exact=True).click()
        rival.page.get_by_label("What should be looked at again?").fill("The plan names its risks on page two.")
        rival.shot("appeal-phone")
        rival.press("Send the appeal")
        rival.sees("You will be answered by")
        with at_a_browser(browser, up, "officer") as officer:
            officer.go("/queue/")
            officer.press("Once more, please")
            officer.shot("appeal")
            officer.page.get_by_label("Dismiss").check()
            officer.page.get_by_role("textbox", name="Reason").fill("It stands.")
            officer.page.locator("main form button").last.click()
            officer.sees("somebody else must answer")
            officer.complaints.clear()  # the browser notes the refusal's status
        second_officer(up)
        with at_a_browser(browser, up, "steward") as second:
            second.go("/queue/")
            second.press("Once more, please")
            second.page.get_by_label("Accept").check()
            second.page.get_by_role("textbox", name="Reason").fill("Page two was overlooked. Other people will look again.")
            second.press("Answer")
            second.sees("Answered")
        rival.go(f"/applications/{code}/")
        rival.sees("turn")
        rival.sees("is the day by which you will be answered")


def second_officer(up: Up) -> None:
    """The steward helps out as an officer."""
    code = (
        "from django.utils import timezone; from portal.accounts import services, models; "
        "person = models.User.objects.get(email='steward@commons.example'); "
        "services.role_grant(user=person, role=models.Role.OFFICER, by=None, at=timezone.now())"
    )
    done = up.manage("shell", "-c", code)
    assert done.returncode == 0, done.stderr


def test_a_reviewer_reads_judges_and_is_kept_out_by_a_conflict(up: Up, story: Story, browser: Browser) -> None:
    """
    1. The reviewer follows the mail of the invitation to the page that asks about conflicts, and cannot read before.
    2. Declares none, writes on a phone; the draft saves itself and survives a reload.
    3. Hands in; it is final.
    4. Declares a conflict on another; from then on no address opens it: page, files, history, letter, API.
    5. Declines a third.
    """
    first, second, third = (story.asked("founder", title=title) for title in ("To be read", "Too close", "No time"))
    with at_a_browser(browser, up, "reviewer-a", phone=True) as reviewer:
        page = reviewer.page
        has_mail(reviewer, "reviewer-a@", "To be read")
        mails = page.locator("article", has_text="To be read").first.locator("a[href*='/reviews/']")
        reviewer.go(str(mails.get_attribute("href")))
        reviewer.sees("Before you open it")
        expect(page.locator("main")).not_to_contain_text("Fish rot")
        page.get_by_label("No, nothing").check()
        reviewer.press("Declare")
        reviewer.sees("Fish rot between the boat and the market.")
        group = page.locator("main form fieldset").first
        group.get_by_role("radio").nth(4).check()
        with page.expect_response(lambda answer: "/save/" in answer.url and answer.ok):
            page.get_by_label("Why this score for usefulness?").fill("Ten boats are named.")
        reviewer.sees("Saved at")
        reviewer.shot("review-phone")
        page.reload()
        expect(page.get_by_label("Why this score for usefulness?")).to_have_value("Ten boats are named.")
        reviewer.press("Hand in, for good")  # two criteria are missing: said beside each, nothing lost
        expect(page.locator("main .errorlist").first).to_be_visible()
        expect(page.get_by_label("Why this score for usefulness?")).to_have_value("Ten boats are named.")
        for number in (1, 2):
            page.locator("main form fieldset").nth(number).get_by_role("radio").nth(3).check()
        page.get_by_label("Why this score for plan?").fill("Steps one can follow.")
        page.get_by_label("Why this score for fit").fill("Worked out.")
        page.get_by_label("How many credits would you give?").fill("200")
        reviewer.press("Hand in, for good")
        reviewer.sees("Your review is in")
        reviewer.complaints.clear()  # the browser notes the status of the form that was not whole

        reviewer.go(f"/reviews/{story.review('reviewer-a', second)}/")
        page.get_by_label("Yes", exact=True).check()
        page.get_by_label("If yes, what?").select_option("employer")
        reviewer.press("Declare")
        reviewer.sees("closed to you")
        reviewer.go(f"/reviews/{story.review('reviewer-a', third)}/")
        page.get_by_text("I cannot review this at all").click()
        page.get_by_label("Why (the officer reads it)").fill("Away until April.")
        reviewer.press("Decline")
        reviewer.sees("The officer will ask somebody else")
        for code in (second, third):
            routes = ["", "history/", "history/?as=json", "files/", "decision/", "decision.pdf", "check/", "edit/1/"]
            found = {path: page.request.get(f"{up.portal}/applications/{code}/{path}").status for path in routes}
            assert set(found.values()) == {404}, found
            assert up.api("reviewer-a", "GET", f"/applications/{code}").status_code == 404
        assert "Fish rot" not in page.request.get(f"{up.portal}/reviews/{story.review('reviewer-a', second)}/").text()
        assert page.request.get(f"{up.portal}/applications/{first}/").status == 200


def test_a_steward_grants_with_a_reason_and_revokes(up: Up, story: Story, browser: Browser) -> None:
    """
    1. The founder asks for a controlled dataset, under the headings of the Five Safes.
    2. The steward finds the request with its due date, reads the answers, and grants with a reason; the founder's page says
       until when.
    3. The steward ends it with a reason: the founder's page says so, and the mail has the reason.
    """
    with at_a_browser(browser, up, "founder", phone=True) as founder, at_a_browser(browser, up, "steward") as steward:
        page = founder.page
        founder.go("/datasets/handwritten-digits/")
        page.get_by_label("What do you want to do with it?").fill("Read the meters of village grids.")
        page.get_by_label("Who will work with it?").fill("Amina and Brian.")
        page.get_by_label("What will leave the service?").fill("A model, no pictures.")
        page.get_by_label("We accept the terms above.").check()
        founder.shot("data-ask-phone")
        founder.press("Ask for access")
        founder.sees("The steward answers by")
        steward.go("/dataset-requests/")
        steward.press("Decide: Savanna Grid Analytics Ltd for Handwritten digits, 8 × 8 pixels")
        steward.sees("A model, no pictures.")
        steward.page.get_by_label("Grant").check()
        steward.page.get_by_label("Reason").fill("The purpose fits; no picture leaves.")
        steward.shot("data-decide")
        steward.press("Send the decision")
        founder.go("/datasets/handwritten-digits/")
        founder.sees("may read it until")
        steward.press("End the access of Savanna Grid Analytics Ltd to Handwritten digits, 8 × 8 pixels")
        steward.page.get_by_label("Why does it end?").fill("The owner withdrew the licence.")
        steward.press("End access")
        steward.sees("was told")
        founder.go("/datasets/handwritten-digits/")
        expect(page.locator("main")).not_to_contain_text("may read it until")
        has_mail(founder, "founder@", "The owner withdrew the licence.")


def test_two_colleagues_write_one_application_at_once(up: Up, story: Story, browser: Browser) -> None:
    """
    1. Two people of one enterprise open the same page; each changes another answer; both are kept.
    2. Both change the same answer: the second sees both texts and loses neither.
    3. A question that hangs on another appears when it applies, and words are counted; without JavaScript it is asked anyway.
    """
    code = story.drafted("founder", title="Written by two")
    path = f"/applications/{code}/edit/1/"
    invite_a_manager(up)
    with at_a_browser(browser, up, "founder") as one, at_a_browser(browser, up, "colleague") as two:
        for person in (one, two):
            person.go(path)
        saves(one, "Which problem do you solve", "Written by the first.")
        saves(two, "What will you do", "Written by the second.")
        one.go(path)
        expect(one.page.get_by_label("What will you do")).to_have_value("Written by the second.")
        two.page.reload()
        saves(one, "What will you do", "The first again.")
        two.page.get_by_label("What will you do").fill("The second again.")
        two.press("Continue")
        two.sees("Nothing of theirs or yours is lost")
        two.sees("The first again.")
        expect(two.page.get_by_label("What will you do")).to_have_value("The second again.")
        two.shot("written-by-two")
        two.complaints.clear()  # the browser notes that both had changed the same

        one.go(f"/applications/{code}/edit/2/")
        how = one.page.get_by_label("How will you protect them?")
        expect(how).to_be_hidden()
        one.page.get_by_role("group", name="Will you process data about people?").get_by_label("Yes").check()
        expect(how).to_be_visible()
        how.fill("Names are cut off. " * 40)
        one.sees("160 words: 10 too many")
        one.shot("words-counted")
    with at_a_browser(browser, up, "founder", javascript=False) as plain:
        plain.go(f"/applications/{code}/edit/2/")
        plain.page.get_by_label("How will you protect them?").fill("Names are cut off. " * 40)
        plain.press("Continue")
        plain.sees("At most 150 words")
        plain.complaints.clear()


def saves(person: Person, label: str, text: str) -> None:
    """Write an answer and wait until it saved itself."""
    with person.page.expect_response(lambda answer: "/save/" in answer.url and answer.ok):
        person.page.get_by_label(label).fill(text)


def invite_a_manager(up: Up) -> None:
    """The colleague may apply for the enterprise too."""
    code = (
        "from portal.organisations.models import Membership; "
        "Membership.objects.filter(user__email='colleague@commons.example').update(role='manager')"
    )
    assert up.manage("shell", "-c", code).returncode == 0


def test_programme_staff_change_a_call_and_see_whom_it_would_touch(up: Up, story: Story, browser: Browser) -> None:
    """
    1. Programme staff lower the most credits of the build call: the page shows the change, and that rules of an open call are
       frozen.
    2. A dry run says who would be decided differently.
    3. Pause it with a reason, publish with a reason, open it again: the public page of versions shows both.
    4. Somebody who was writing is told that the rules changed, and why; the draft is kept.
    """
    code = story.drafted(title="Half written")
    with at_a_browser(browser, up, "officer") as staff, at_a_browser(browser, up, "rival", phone=True) as rival:
        page = staff.page
        staff.go("/calls/build/edit/part/amounts/")
        page.get_by_label("Most credits").fill("25")
        staff.shot("call-part")
        staff.press("Keep in the working copy")
        staff.sees("1 change to version 1")
        expect(page.get_by_role("button", name="Publish this version")).to_be_disabled()
        staff.shot("call-editor-frozen")
        staff.press("Dry run")
        staff.sees("would go another way")
        staff.shot("call-dry-run")
        staff.go("/calls/build/edit/")
        page.get_by_text("Pause it", exact=True).click()
        page.locator("form[action$='/pause/'] input[name=reason]").fill("The rules change today.")
        staff.press("Pause")
        page.get_by_label("Why do the rules change?").fill("The pool is smaller this year.")
        staff.press("Publish this version")
        staff.sees("Version 2 is in force")
        staff.go("/calls/build/edit/")
        staff.press("Take applications again")
        rival.go("/calls/build/versions/")
        rival.sees("The pool is smaller this year.")
        rival.shot("call-versions-phone")
        rival.go(f"/applications/{code}/edit/1/")
        rival.sees("The rules of this call changed after you began: The pool is smaller this year.")
        expect(rival.page.get_by_label("A title for your project")).to_have_value("Half written")
        rival.press("Go on under the new rules")
        rival.sees("follows the newest rules")
        rival.sees("at most 25 credits")
