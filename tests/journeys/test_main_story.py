"""From "I have never seen this" to a running notebook with data and a Dask cluster, paid from a ledger."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from playwright.sync_api import Browser, expect

from portal.core.quantities import MICRO, charge
from tests.support.browser import Person
from tests.support.up import Up

FOUNDER, PASSWORD = "nia@savannadata.example", "a-very-long-password"
COLLEAGUE = "moses@savannadata.example"
ASKED, AWARDED = 800, 500


@pytest.mark.timeout(600)
def test_from_nothing_to_a_notebook_with_data_and_a_cluster(up: Up, browser: Browser) -> None:
    """
    1. A new person signs up by e-mail, reads the mail on the outbox page, verifies, enters their enterprise, and is told at
       once for which calls it qualifies and why not for the others.
    2. Applies to the build call in a short wizard, asking for credits, a resource and a controlled dataset; submits; sees whose
       turn it is and the promised date.
    3. The officer assigns two reviewers; each declares no conflict, scores each criterion with a reason, and does not see the
       other's review before both are in; the officer awards less than was asked, with a reason; the pool shrinks by exactly
       that; the steward approves the dataset.
    4. The applicant reads the letter, opens the allocation, invites a colleague by link.
    5. The colleague sees the quote, launches, watches progress, lands in JupyterLab without a second sign-in.
    6. `start-here.ipynb` runs as it is: granted data by one line, a Dask cluster without arguments, the right numbers.
    7. Stops from the portal; the cluster ends with the session; the statement shows hold, charge and return for both; the
       balance is exact. Launches again: the notebook, an uploaded table and an installed package are still there.
    """
    founder = Person(browser, up.portal)
    signs_up(founder, "Nia Mwangi", FOUNDER)
    enters_the_enterprise(founder)
    code = applies(founder)

    officer = signed_in(browser, up, "officer")
    before = pool_left(officer)
    assigns(officer, code)
    reviews(browser, up, code)
    awards(officer, code)
    assert before - pool_left(officer) == AWARDED
    steward_approves(browser, up)

    link = reads_the_letter_and_invites(founder, code)
    colleague = Person(browser, up.portal)
    signs_up(colleague, "Moses Kiptoo", COLLEAGUE, begin=link)
    colleague.press("Join Savanna Data Works")
    colleague.sees("Welcome to Savanna Data Works")

    launches(colleague)
    runs_start_here(colleague)
    leaves_things_behind(colleague)
    stops_and_checks_the_books(up, colleague)
    finds_things_again(colleague)
    assert not founder.complaints + colleague.complaints + officer.complaints


# --- 1 ------------------------------------------------------------------------------------------------------------------


def signs_up(person: Person, name: str, email: str, *, begin: str = "/accounts/signup/") -> None:
    """Sign up, read the mail, verify."""
    person.go(begin)
    if begin != "/accounts/signup/":
        person.press("I am new here")
    page = person.page
    page.get_by_label("Your name").fill(name)
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.locator("main form button").last.click()
    person.sees("Verify")
    person.go(f"/outbox/?to={email}")
    person.shot("outbox")
    link = re.search(r"http://127\.0\.0\.1:\d+/accounts/confirm-email/[^\s\"<]+", page.content())
    assert link
    person.go(link[0])
    person.press("Confirm")
    page.wait_for_url(lambda url: "confirm-email" not in url)


def enters_the_enterprise(founder: Person) -> None:
    """Five facts; the answer is on the next page."""
    founder.go("/")
    founder.press("Enter your enterprise")
    page = founder.page
    page.get_by_label("Name of your enterprise").fill("Savanna Data Works")
    page.get_by_label("Country where it is registered").select_option("KE")
    page.get_by_label("Registry number").fill("P051234567X")
    page.get_by_label("People employed").fill("7")
    page.get_by_label("Turnover").fill("240000")
    founder.press("Save and see the calls")
    founder.sees("checked: valid KE")
    founder.sees("Build: make it work")
    founder.sees("You qualify")
    founder.sees("Not for you")
    founder.shot("calls-you-qualify-for")


# --- 2 ------------------------------------------------------------------------------------------------------------------


def applies(founder: Person) -> str:
    """The wizard, saved while it is written; returns the application's number."""
    founder.go("/calls/build/")
    founder.shot("call")
    founder.press("Apply")
    founder.press("Begin")
    page = founder.page
    page.get_by_label("A title for your project").fill("Tomorrow's load of village mini-grids")
    page.get_by_label("Which problem do you solve").fill("Mini-grids burn diesel because nobody knows tomorrow's load.")
    with page.expect_response(lambda answer: "/save/" in answer.url and answer.ok):
        page.get_by_label("What will you do, step by step?").fill(
            "Read weather and meter data, fit a forecast, test it on a year."
        )
    founder.sees("Saved")
    page.get_by_label("A prototype").check()
    founder.shot("wizard")
    page.reload()
    expect(page.get_by_label("A title for your project")).to_have_value("Tomorrow's load of village mini-grids")
    page.get_by_label("A prototype").check()
    founder.press("Continue")
    page.get_by_label("How did you arrive at the credits").fill("Twenty sessions of two hours, half of them with a cluster.")
    page.get_by_role("group", name="Will you process data about people?").get_by_label("No").check()
    page.get_by_role("group", name="Is the work for civil use only?").get_by_label("Yes").check()
    founder.press("Continue")
    page.get_by_label("Credits").fill(str(ASKED))
    page.get_by_label("6 months").check()
    page.get_by_label("Commons CPU").check()
    page.locator("label", has_text="its steward decides").first.click()
    founder.press("Continue")
    founder.shot("check-and-send")
    page.get_by_role("button", name="Send the application").dblclick()
    founder.sees("It is an officer's turn")
    expect(page.locator("main .big").first).to_contain_text(re.compile(r"\d{4}"))
    founder.shot("whose-turn")
    match = re.search(r"/applications/([^/]+)/", page.url)
    assert match
    return match[1]


# --- 3 ------------------------------------------------------------------------------------------------------------------


def signed_in(browser: Browser, up: Up, name: str) -> Person:
    """A demo person at a browser."""
    person = Person(browser, up.portal)
    person.sign_in(f"{name}@commons.example", up.password)
    return person


def pool_left(officer: Person) -> Decimal:
    """What the officer's queue says is left in the pool of the build call."""
    officer.go("/queue/")
    words = officer.page.locator("dt", has_text="build").locator("xpath=following-sibling::dd[1]").inner_text()
    return Decimal(re.sub(r"[^\d.]", "", words.split("credits")[0]))


def assigns(officer: Person, code: str) -> None:
    """Ask two reviewers."""
    officer.go("/queue/")
    officer.shot("queue")
    officer.go(f"/applications/{code}/")
    for name in ("Ravi Menon", "Rosa Lindqvist"):
        officer.page.get_by_label(name).check()
    officer.press("Ask them")
    officer.sees("In review")


def reviews(browser: Browser, up: Up, code: str) -> None:
    """Both declare no conflict and score; neither sees the other before both are in."""
    people = [signed_in(browser, up, "reviewer-a"), signed_in(browser, up, "reviewer-b")]
    for number, reviewer in enumerate(people):
        reviewer.go("/reviews/")
        reviewer.page.get_by_role("link", name=re.compile(code + "|mini-grids")).first.click()
        reviewer.page.get_by_label("No", exact=False).first.check()
        reviewer.press("Declare")
        page = reviewer.page
        assert "Sound, said reviewer 1" not in page.content()
        for group in page.locator("form[data-autosave] fieldset").all():
            group.locator("input[type=radio]").nth(4).check()
        for reason in page.get_by_label(re.compile("^Why this score")).all():
            reason.fill(f"Sound, said reviewer {number + 1}.")
        page.get_by_label("How many credits would you give?").fill("600")
        reviewer.shot("review")
        page.get_by_role("button", name="Hand in, for good").dblclick()
        reviewer.sees("Sound, said reviewer")
        if number == 0:
            reviewer.sees("once all reviews are in")
    people[0].page.reload()
    people[0].sees("Sound, said reviewer 2")
    for reviewer in people:
        assert not reviewer.complaints
        reviewer.context.close()


def awards(officer: Person, code: str) -> None:
    """Less than was asked, with a reason; the second press of a double click changes nothing."""
    officer.go(f"/applications/{code}/")
    officer.sees("Sound, said reviewer 2")
    page = officer.page
    form = page.locator("#decide")
    form.get_by_label("Award", exact=True).check()
    form.get_by_label("Credits").fill(str(AWARDED))
    form.get_by_label("Reason for the award").fill("A sound plan. The first half year needs less; ask for more when it runs.")
    officer.shot("decide")
    form.get_by_role("button").last.dblclick()
    page.wait_for_load_state()
    officer.sees("Awarded")


def steward_approves(browser: Browser, up: Up) -> None:
    """The controlled dataset is granted by its steward."""
    steward = signed_in(browser, up, "steward")
    steward.press("Data requests")
    steward.page.locator("tr", has_text="Savanna Data Works").get_by_role("link").first.click()
    steward.shot("steward")
    steward.page.get_by_label("Grant").check()
    steward.page.get_by_label("Reason").fill("The purpose fits the terms.")
    steward.page.locator("main form button").last.click()
    steward.sees("Granted")
    steward.context.close()


# --- 4 ------------------------------------------------------------------------------------------------------------------


def reads_the_letter_and_invites(founder: Person, code: str) -> str:
    """The decision with its reasons, the allocation, and a link for the colleague."""
    founder.go(f"/applications/{code}/decision/")
    founder.sees("The first half year needs less")
    founder.sees("Sound, said reviewer 1.")
    founder.shot("letter")
    founder.press("Open the allocation")
    founder.sees(f"{AWARDED} credits left")
    founder.sees("credits per hour")
    founder.shot("allocation")
    founder.press("Invite a colleague")
    founder.page.get_by_label("Their e-mail address").fill(COLLEAGUE)
    founder.press("Make the link")
    return founder.page.locator("#link").inner_text().strip()


# --- 5 ------------------------------------------------------------------------------------------------------------------


def launches(colleague: Person) -> None:
    """Three clicks: the dashboard's button, Launch, and the browser goes on by itself."""
    colleague.go("/")
    colleague.press("Launch a notebook")
    colleague.sees("At most 12 credits")
    colleague.sees("488 left afterwards")
    colleague.sees("A Dask cluster of up to 2 workers beside it: at most 36 more")
    colleague.shot("launch")
    colleague.page.get_by_role("button", name="Launch").dblclick()
    colleague.page.wait_for_url("**/sessions/**")
    colleague.shot("progress")
    colleague.page.wait_for_url("**/lab/tree/start-here.ipynb**", timeout=60_000)
    assert colleague.page.url.startswith("http://localhost:")
    colleague.page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)


# --- 6 ------------------------------------------------------------------------------------------------------------------


def runs_start_here(colleague: Person) -> None:
    """Run ▸ Run All Cells, and wait for the last cell's word."""
    page = colleague.page
    kernel_ready(colleague)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    shows(colleague, "The cluster and the small table agree.", limit_s=150)
    shows(colleague, "shut down", limit_s=30)
    colleague.shot("notebook")


def leaves_things_behind(colleague: Person) -> None:
    """A table, a cluster that nobody shuts down, and a package of one's own."""
    runs(colleague, "open('mine.csv', 'w').write('a,b\\n1,2\\n'); print('written', 'mine.csv')", "written mine.csv")
    again = "cluster = Gateway().new_cluster(); cluster.scale(1); cluster.get_client().wait_for_workers(1)"
    runs(colleague, f"{again}; print('a second', 'cluster')", "a second cluster")
    runs(colleague, "%pip install -q cowsay\nimport cowsay; print('installed', cowsay.__name__)", "installed cowsay")


def finds_things_again(colleague: Person) -> None:
    """A second launch: the notebook, the table and the package are there."""
    launch_again = colleague.page
    colleague.go("/launch/")
    launch_again.get_by_role("button", name="Launch").click()
    launch_again.wait_for_url("**/lab/tree/start-here.ipynb**", timeout=60_000)
    kernel_ready(colleague)
    runs(colleague, "import cowsay; print(open('mine.csv').read().split()[1], cowsay.__name__)", "1,2 cowsay")


def runs(colleague: Person, code: str, says: str) -> None:
    """Type a cell at the notebook's end and run it."""
    page = colleague.page
    page.locator(".jp-Notebook .jp-Cell").last.click()
    for key in ("Escape", "b", "Enter"):  # command mode, a cell below, edit it
        page.keyboard.press(key)
    page.keyboard.insert_text(code)
    page.keyboard.press("Shift+Enter")
    shows(colleague, says, limit_s=60)


def kernel_ready(colleague: Person) -> None:
    """Wait until the line at the bottom says that the kernel is there."""
    expect(colleague.page.locator("#jp-main-statusbar")).to_contain_text("| Idle", timeout=60_000)


def shows(colleague: Person, text: str, *, limit_s: int) -> None:
    """Wait for an output of the notebook."""
    output = colleague.page.locator(".jp-OutputArea-output", has_text=text).first
    output.wait_for(state="attached", timeout=1000 * limit_s)
    output.scroll_into_view_if_needed()


# --- 7 ------------------------------------------------------------------------------------------------------------------


def stops_and_checks_the_books(up: Up, colleague: Person) -> None:
    """Everything that was held is charged or returned, each line with its formula, to the last digit."""
    colleague.go("/sessions/")
    colleague.page.locator("main td a").first.click()
    colleague.press("Stop the notebook")
    expect(colleague.page.locator("main .big")).to_contain_text("credits charged", timeout=60_000)
    colleague.sees("The Dask cluster ended.")
    colleague.shot("stopped")
    colleague.page.get_by_role("link", name="See the statement").click()
    colleague.sees("Statement of")
    colleague.shot("statement")
    up.verify()
    statement_is_exact(up)


def statement_is_exact(up: Up) -> None:
    """The same, as a program reads it."""
    up.tokens[FOUNDER] = up.manage("token_create", FOUNDER).stdout.strip()
    allocation = up.allocation(FOUNDER)
    lines = up.api(FOUNDER, "GET", f"/allocations/{allocation['id']}/statement?limit=200").json()["items"]
    posts = [line for line in lines if line["kind"] == "post"]
    assert {line["subject"].split(":")[0] for line in posts} == {"session", "cluster"}
    assert all(line["formula"] for line in lines if line["kind"] in ("hold", "post"))
    spent = sum(Decimal(line["amount"]) for line in posts)
    assert (allocation["held"], Decimal(allocation["spent"])) == ("0", spent)
    assert Decimal(allocation["available"]) == AWARDED - spent
    session = next(line for line in posts if line["subject"].startswith("session"))
    seconds = int(session["seconds"])
    assert Decimal(session["amount"]) == Decimal(charge(rate_per_hour=6 * MICRO, unit_seconds=seconds)) / MICRO


def test_starter_is_awarded_by_rule(up: Up, browser: Browser) -> None:
    """
    1. The founder applies to the starter call.
    2. Within a minute the rule has decided; the letter says so and shows the rule, and offers that a person looks.
    """
    founder = signed_in(browser, up, "founder")
    founder.go("/apply/starter/")
    founder.press("Begin")
    page = founder.page
    for _ in range(5):
        if "/edit/" not in page.url:
            break
        fill_whatever_is_asked(founder)
        founder.press("Continue")
        page.wait_for_load_state()
    founder.press("Send the application")
    code = re.search(r"/applications/([^/]+)/", page.url)
    assert code
    for _ in range(60):
        founder.go(f"/applications/{code[1]}/")
        if page.locator("main .badge", has_text="Awarded").count():
            break
        page.wait_for_timeout(1000)
    founder.go(f"/applications/{code[1]}/decision/")
    founder.sees("by rule")
    founder.sees("Let a person look")
    founder.shot("letter-by-rule")
    founder.context.close()


def fill_whatever_is_asked(founder: Person) -> None:
    """Answer every question of a page with something sensible."""
    page = founder.page
    for box in page.locator("main form textarea, main form input[type=text]").all():
        if not box.input_value():
            box.fill("20" if "credits" in (box.get_attribute("name") or "") else "We try a forecast on public data.")
    for group in page.locator("main form fieldset").all():
        group.locator("input").first.check()
