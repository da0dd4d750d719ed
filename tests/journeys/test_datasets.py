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

from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.support.browser import Person
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
