"""
An enterprise publishes a dataset, and another reads about it.

1. The founder opens Datasets, presses "Offer a dataset", and says what it is.
2. Begins version 1 and chooses a file; it goes to the store in parts, and the page says when it was checked.
3. Answers the questions on personal data and hands it in.
4. The steward finds it on the page of requests, looks at the columns, and publishes it.
5. A stranger finds it by a word, sees that it may be used to earn money, and the line that reads it.
6. The rival asks for the controlled dataset on a phone; the steward grants it; the page says until when.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from playwright.sync_api import Browser, Route, expect

from tests.support.browser import Person
from tests.support.kernel import KernelApart
from tests.support.up import Up


def test_an_enterprise_publishes_and_another_asks(up: Up, browser: Browser, tmp_path: Path) -> None:
    founder, steward, stranger = (Person(browser, up.portal) for _ in range(3))
    table = tmp_path / "roofs.csv"
    table.write_text("roof,kwh\n" + "".join(f"{n},{n % 31}\n" for n in range(1_200_000)))

    founder.sign_in("founder@commons.example", up.password)
    founder.go("/datasets/")
    founder.press("Offer a dataset")
    page = founder.page
    page.get_by_label("Short name").fill("roofs-in-kisumu")
    page.get_by_label("Title").fill("Yield of roofs in Kisumu")
    page.get_by_label("In one sentence").fill("What 1.2 million readings of solar roofs gave.")
    page.get_by_label("Yes", exact=True).check()
    page.get_by_label("Open", exact=True).check()
    page.get_by_label("Domain").fill("Energy")
    founder.shot("datasets-offer")
    founder.press("Save and go on")
    founder.sees("Begun. Now add a version")
    page.get_by_label("Name of the version").fill("1")
    founder.press("Begin")
    page.get_by_label("Files").set_input_files(str(table))
    founder.sees("arrived; it is being checked")
    expect(page.locator("main table")).to_contain_text("1200000 rows", timeout=60_000)
    founder.shot("datasets-manage")
    page.get_by_role("group", name="Is it about people").get_by_label("No").check()
    founder.press("Hand in for review")
    founder.sees("A data steward looks at it")
    assert founder.complaints == []

    steward.sign_in("steward@commons.example", up.password)
    steward.go("/dataset-requests/")
    steward.press("Yield of roofs in Kisumu, version 1")
    steward.sees("roofs.csv")
    steward.shot("datasets-review")
    steward.page.get_by_label("Publish").check()
    steward.press("Send the decision")
    steward.sees("The contributor was told")

    stranger.go("/datasets/?q=kisumu")
    stranger.press("Yield of roofs in Kisumu")
    stranger.sees("Yes, also to earn money")
    stranger.sees('pd.read_csv("commons://roofs-in-kisumu/roofs.csv")')
    stranger.shot("datasets-page")

    rival = Person(browser, up.portal, phone=True)
    rival.sign_in("rival@commons.example", up.password)
    rival.go("/datasets/handwritten-digits/")
    rival.page.get_by_label("What do you want to do with it?").fill("Read the scales of fishing boats.")
    rival.page.get_by_label("We accept the terms above.").check()
    rival.shot("datasets-ask-phone")
    rival.press("Ask for access")
    rival.sees("The steward answers by")
    steward.go("/dataset-requests/")
    steward.press("Decide: Nordlys Fisk ApS for Handwritten digits, 8 × 8 pixels")
    steward.page.get_by_label("Grant").check()
    steward.press("Send the decision")
    rival.go("/datasets/handwritten-digits/")
    rival.sees("may read it until")
    for person in (founder, steward, stranger, rival):
        assert person.complaints == []
        person.context.close()


def test_find_ask_grant_read_revoke_denied_in_a_notebook_that_runs_all_the_while(up: Up, browser: Browser) -> None:
    """
    1. The colleague has a notebook open; the line that reads the digits says that they were not granted, and where to ask.
    2. The founder finds them by a word, on a phone, and asks on their page.
    3. The steward reads the request under the five headings and grants it with a reason.
    4. The same cell of the same kernel reads them.
    5. The founder's page says until when. The steward ends it with a reason.
    6. The same cell is denied, with that reason; an open dataset is read as before.
    """
    line = 'import pandas as pd; print(len(pd.read_parquet("commons://handwritten-digits/digits.parquet")))'
    still = 'print(len(pd.read_parquet("commons://mauna-loa-co2/co2.parquet")))'
    session = up.launch("colleague")
    founder, steward = Person(browser, up.portal, phone=True), Person(browser, up.portal)
    founder.sign_in("founder@commons.example", up.password)
    steward.sign_in("steward@commons.example", up.password)
    with KernelApart(*up.notebook_token(session["id"])) as kernel:
        before = kernel.run(line).error
        assert "was not granted" in before
        assert f"{up.portal}/datasets/handwritten-digits/" in before

        founder.go("/datasets/")
        founder.page.get_by_label("Search").fill("handwritten")
        founder.press("Search")
        founder.press("Handwritten digits, 8 × 8 pixels")
        founder.page.get_by_label("What do you want to do with it?").fill("Read the meters of village grids.")
        founder.page.get_by_label("Where will you work with it?").fill("In notebooks here alone.")
        founder.page.get_by_label("We accept the terms above.").check()
        founder.shot("datasets-ask")
        founder.press("Ask for access")
        founder.sees("The steward answers by")
        assert "the steward has not decided" in kernel.run(line).error

        steward.go("/dataset-requests/")
        steward.press("Decide: Savanna Grid Analytics Ltd for Handwritten digits, 8 × 8 pixels")
        steward.sees("In notebooks here alone.")
        steward.sees("version 1, accepted")
        steward.shot("datasets-decide")
        steward.page.get_by_label("Grant").check()
        steward.page.get_by_label("Reason").fill("The purpose fits.")
        steward.press("Send the decision")
        steward.sees("was told")
        assert kernel.run(line).stdout == "1797\n"

        founder.go("/datasets/handwritten-digits/")
        founder.sees("may read it until")
        steward.press("End the access of Savanna Grid Analytics Ltd to Handwritten digits, 8 × 8 pixels")
        steward.page.get_by_label("Why does it end?").fill("The study is over.")
        steward.press("End access")
        steward.sees("was told")
        denied = kernel.run(line).error
        assert "the steward ended the access" in denied
        assert "The study is over." in denied
        assert kernel.run(still).stdout == "2284\n"
    up.api("colleague", "POST", f"/sessions/{session['id']}/stop")
    founder.go("/datasets/handwritten-digits/")
    founder.sees("may not read it any more: The study is over.")
    for _ in range(40):  # what was read is counted within seconds
        steward.go("/datasets/handwritten-digits/")
        if "How it is used" in steward.page.locator("main").inner_text():
            break
        steward.page.wait_for_timeout(1000)
    steward.sees("by 1 project in the last 30 days")
    steward.shot("datasets-steward")
    for person in (founder, steward):
        assert person.complaints == []
        person.context.close()


def test_a_browser_whose_line_was_cut_goes_on_with_the_same_file_and_begins_anew_with_another(
    up: Up, browser: Browser, tmp_path: Path
) -> None:
    """
    1. The founder sends 20 MB; the line is cut in the second part for good, and the page says that what has arrived is kept.
    2. The page is opened anew and the same file chosen again: only what is missing is sent, and the whole file is checked.
    3. Another file of the same name and length, saved later, is not mixed with what had arrived.
    """
    facts = {"slug": "cut-lines", "title": "Cut lines", "summary": "Made up.", "access_class": "open", "commercial_use": True}
    firm = up.api("founder", "GET", "/organisations").json()["items"][0]["id"]
    facts |= {"licence": "CC0-1.0", "domain": "Energy", "organisation": firm}
    assert up.api("founder", "POST", "/datasets", json=facts).status_code == 201
    assert up.api("founder", "POST", "/datasets/cut-lines/versions", json={"version": "1"}).status_code == 201
    row = "{:07},{:03}\n"
    table = tmp_path / "lines.csv"
    table.write_text("meter,kwh\n" + "".join(row.format(n, n % 97) for n in range(1_700_000)))
    assert 2 * 8 * 2**20 < table.stat().st_size < 3 * 8 * 2**20
    founder = Person(browser, up.portal)
    founder.sign_in("founder@commons.example", up.password)
    sent: list[str] = []

    def cut(route: Route) -> None:
        part = route.request.url.split("/")[6]
        if route.request.method == "PUT" and part == "2":
            route.abort("connectionreset")
        else:
            sent.append(part) if route.request.method == "PUT" else None
            route.continue_()

    founder.page.route("**/u/**", cut)
    founder.go("/datasets/cut-lines/manage/")
    founder.page.get_by_label("Files").set_input_files(str(table))
    expect(founder.page.locator("[data-progress]")).to_contain_text("choose the file again", timeout=90_000)
    assert sorted(sent) == ["1", "3"]
    founder.page.unroute("**/u/**")

    sent.clear()
    founder.page.on("request", lambda asked: sent.append(asked.url.split("/")[6]) if asked.method == "PUT" else None)
    founder.go("/datasets/cut-lines/manage/")
    founder.page.get_by_label("Files").set_input_files(str(table))
    founder.sees("arrived; it is being checked")
    expect(founder.page.locator("main table")).to_contain_text("1700000 rows", timeout=60_000)
    assert sent == ["2"], "only what was missing"
    found = up.api("founder", "GET", "/datasets/cut-lines/versions/1").json()["files"][0]
    assert found["sha256"] == hashlib.sha256(table.read_bytes()).hexdigest()

    founder.page.route("**/u/**", cut)
    founder.page.get_by_label("Files").set_input_files(str(table))
    expect(founder.page.locator("[data-progress] li").last).to_contain_text("choose the file again", timeout=90_000)
    founder.page.unroute("**/u/**")
    table.write_text(table.read_text().replace("meter,kwh", "meter,mwh"))
    founder.go("/datasets/cut-lines/manage/")
    founder.page.get_by_label("Files").set_input_files(str(table))
    founder.sees("arrived; it is being checked")
    expected = hashlib.sha256(table.read_bytes()).hexdigest()
    expect(founder.page.locator("main table")).to_contain_text(expected[:12], timeout=60_000)
    founder.context.close()
