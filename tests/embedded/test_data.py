"""
Granted data in a running notebook: `start-here.ipynb` runs as it is, and access begins and ends while the kernel lives.

One demo serves all tests of this file; each uses a session of its own or tidies up after itself.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.kernel import Answer, LiveKernel, run_in_kernel
from tests.support.up import Up

DIGITS = 'import pandas as pd; print(len(pd.read_parquet("commons://handwritten-digits/digits.parquet")))'


@pytest.fixture(scope="module")
def session(up: Up) -> dict[str, Any]:
    """A colleague's session that reads everything granted."""
    return up.launch("colleague")


def run(up: Up, session: dict[str, Any], code: str) -> Answer:
    """Run one cell in a kernel of its own."""
    return run_in_kernel(*up.notebook_token(session["id"]), code)


def file_of(up: Up, session: dict[str, Any], name: str) -> Any:
    """A file of the person's home, over Jupyter's own API."""
    url, token = up.notebook_token(session["id"])
    answer = httpx.get(f"{url}api/contents/{name}", headers={"Authorization": f"token {token}"}, timeout=30)
    answer.raise_for_status()
    return answer.json()["content"]


def expected_yearly(up: Up) -> float:
    """The mean of 2001 from the stored file itself, computed by the notebook environment's Python without the client."""
    table = up.home / "objects" / "datasets" / "mauna-loa-co2" / "1" / "co2.csv"
    code = f"import pandas as pd; print(pd.read_csv({str(table)!r}).groupby('year').co2.mean()[2001])"
    python = up.home / "environments" / "base" / "bin" / "python"
    return float(subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout)


def test_start_here_runs_as_it_is_and_its_numbers_are_those_of_the_file(up: Up, session: dict[str, Any]) -> None:
    notebook = file_of(up, session, "start-here.ipynb")
    said = ""
    with LiveKernel(*up.notebook_token(session["id"])) as kernel:
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                answer = kernel.run("".join(cell["source"]))
                assert not answer.error, (cell["source"], answer.error, answer.traceback[-1:])
                said += answer.stdout
    mean = expected_yearly(up)
    assert f"2284 weeks; mean of 2001: {mean:.3f} ppm" in said
    assert f"2,284,000 rows; mean of 2001: {mean:.3f} ppm" in said
    assert "2 workers" in said
    assert "The cluster and the small table agree." in said
    assert f"**{mean:.3f}** for 2001" in json.dumps(notebook)
    clusters = up.api("colleague", "GET", f"/clusters?session={session['id']}").json()["items"]
    assert [cluster["workers_max"] for cluster in clusters] == [2]


def test_the_same_line_works_with_each_tool(up: Up, session: dict[str, Any]) -> None:
    code = """
import commons, hashlib, json
import pandas as pd, polars as pl, pyarrow.parquet as pq, pyarrow.dataset as ds, dask.dataframe as dd, fsspec
where = "commons://mauna-loa-co2/co2.parquet"
out = {
    "pandas": len(pd.read_parquet(where)),
    "pandas csv": len(pd.read_csv("commons://mauna-loa-co2/co2.csv")),
    "version": len(pd.read_parquet("commons://mauna-loa-co2@1/co2.parquet")),
    "dask": len(dd.read_parquet("commons://mauna-loa-co2/stations/*.parquet", columns=["year"])),
    "dask parts": dd.read_parquet("commons://mauna-loa-co2/stations/*.parquet").npartitions,
    "dask csv": len(dd.read_csv("commons://mauna-loa-co2/co2.csv")),
    "pyarrow": pq.read_table("fsspec+" + where).num_rows,
    "pyarrow dataset": ds.dataset("fsspec+commons://mauna-loa-co2/stations/").count_rows(),
    "polars": pl.read_parquet(commons.path(where)).height,
    "sugar": len(commons.open_dataset("mauna-loa-co2").pandas()),
    "arrow": commons.open_dataset("mauna-loa-co2").arrow("co2.parquet").num_rows,
    "ls": len(fsspec.filesystem("commons").ls("commons://mauna-loa-co2/stations")),
    "tail": fsspec.filesystem("commons").tail(where, 4).decode(),
}
print(json.dumps(out))
"""
    answer = run(up, session, code)
    assert not answer.error, (answer.error, answer.traceback[-3:])
    assert json.loads(answer.stdout) == {
        "pandas": 2284,
        "pandas csv": 2284,
        "version": 2284,
        "dask": 2_284_000,
        "dask parts": 8,
        "dask csv": 2284,
        "pyarrow": 2284,
        "pyarrow dataset": 2_284_000,
        "polars": 2284,
        "sugar": 2284,
        "arrow": 2284,
        "ls": 8,
        "tail": "PAR1",
    }


def test_a_dataset_that_was_not_granted_says_why_and_what_to_do(up: Up, session: dict[str, Any]) -> None:
    for line, words in (
        (DIGITS, "it is controlled and was not granted to"),
        ('import commons; commons.open_dataset("handwritten-digits")', "Request access on its page: http://127.0.0.1:"),
        ('import pyarrow.parquet as pq; pq.read_table("fsspec+commons://handwritten-digits/digits.parquet")', "Access denied"),
        ('import dask.dataframe as dd; dd.read_parquet("commons://handwritten-digits/digits.parquet")', "Access denied"),
        ('import pandas as pd; pd.read_csv("commons://nowhere/a.csv")', "There is no dataset 'nowhere'"),
        ('import pandas as pd; pd.read_csv("commons://mauna-loa-co2/a.csv")', "has no file 'a.csv'. It has: co2.csv"),
        (
            'open("x.csv", "w").write("a"); import pandas as pd; pd.read_csv("x.csv").to_csv("commons://mauna-loa-co2/x.csv")',
            "",
        ),
    ):
        answer = run(up, session, line)
        assert answer.error, line
        assert words in answer.error, (line, answer.error)
    assert answer.error.startswith("CommonsError: A dataset is read only")
    assert run(up, session, DIGITS).error.startswith("AccessDenied: ")


def test_accepting_terms_opens_a_registered_dataset_to_a_running_notebook(up: Up, session: dict[str, Any]) -> None:
    line = 'import pandas as pd; print(len(pd.read_parquet("commons://el-nino/el-nino.parquet")))'
    with LiveKernel(*up.notebook_token(session["id"])) as kernel:
        assert "accept its terms" in kernel.run(line).error
        answer = up.api("founder", "POST", "/datasets/el-nino/accept-terms", json={})
        assert answer.status_code == 201, answer.text
        assert kernel.run(line).stdout == "732\n"


def test_a_grant_and_its_end_reach_a_running_notebook_at_the_next_read(up: Up, session: dict[str, Any]) -> None:
    """Find → request → the steward grants → read without a restart → the steward revokes → the next read is denied."""
    asked = {"allocation": up.allocation("founder")["id"], "purpose": "Teach a reader for meter photos."}
    with LiveKernel(*up.notebook_token(session["id"])) as kernel:
        assert "Access denied" in kernel.run(DIGITS).error
        made = up.api("founder", "POST", "/datasets/handwritten-digits/requests", json=asked)
        assert made.status_code == 201, made.text
        id = made.json()["id"]
        assert "the steward has not decided" in kernel.run(DIGITS).error
        assert up.api("rival", "GET", f"/dataset-requests/{id}").status_code == 404
        assert up.api("founder", "POST", f"/dataset-requests/{id}/decide", json={"outcome": "grant"}).status_code == 403
        granted = up.api("steward", "POST", f"/dataset-requests/{id}/decide", json={"outcome": "grant", "reason": "Fine."})
        assert granted.json()["state"] == "granted"

        assert kernel.run(DIGITS).stdout == "1797\n"
        opened = 'file = fsspec.filesystem("commons").open("handwritten-digits/digits.csv", block_size=1000); file.read(10)'
        assert not kernel.run(f"import fsspec; {opened}").error
        url = kernel.run(
            'from commons import portal; print(portal.file_find("handwritten-digits", "", "digits.csv").url)'
        ).stdout.strip()
        assert httpx.get(url).status_code == 200

        ended = up.api("steward", "POST", f"/dataset-requests/{id}/revoke", json={"reason": "The study is over."})
        assert ended.json()["state"] == "revoked"
        denied = kernel.run(DIGITS).error
        assert "the steward ended the access" in denied
        assert "The study is over." in denied
        assert "Access denied" in kernel.run("file.seek(200_000); file.read(10)").error, "a file that was open before"
        assert httpx.get(url).json()["code"] == "access_revoked", "a link that was copied before"
        assert not kernel.run('pd.read_parquet("commons://mauna-loa-co2/co2.parquet")').error


def test_a_session_may_be_narrowed_and_a_link_dies_with_its_session(up: Up) -> None:
    refused = up.api(
        "colleague",
        "POST",
        "/sessions",
        json={
            "allocation": up.allocation()["id"],
            "resource": "commons-cpu",
            "profile": "small",
            "minutes": 30,
            "datasets": ["handwritten-digits"],
        },
    )
    assert (refused.status_code, refused.json()["code"]) in ((403, "not_granted"), (403, "access_revoked"))
    narrow = up.launch("colleague", datasets=["el-nino"] if _reads(up, "el-nino") else [])
    code = 'import commons; print(commons.datasets()); import pandas as pd; pd.read_csv("commons://mauna-loa-co2/co2.csv")'
    assert "this session was launched with" in run(up, narrow, code).error
    up.api("colleague", "POST", f"/sessions/{narrow['id']}/stop")

    free = up.launch("colleague")
    show = 'from commons import portal; import os; print(portal.file_find("mauna-loa-co2", "", "co2.csv").url)'
    url = run(up, free, show).stdout.strip()
    assert httpx.get(url).status_code == 200
    up.api("colleague", "POST", f"/sessions/{free['id']}/stop")
    up.wait_session(free["id"], "ended")
    assert httpx.get(url).json()["code"] == "session_over"


def _reads(up: Up, slug: str) -> bool:
    return any(row["readable"] for row in up.api("colleague", "GET", f"/datasets/{slug}").json()["access"])


def test_the_store_keeps_what_the_catalogue_says(up: Up) -> None:
    """Size and sha256 of every file of every demo dataset that the founder may read; and the page's download."""
    import hashlib

    for slug in ("mauna-loa-co2", "el-nino"):
        for file in up.api("founder", "GET", f"/datasets/{slug}/files").json()["items"]:
            stored = (Path(up.home) / "objects" / "datasets" / slug / "1" / file["path"]).read_bytes()
            assert (len(stored), hashlib.sha256(stored).hexdigest()) == (file["size_bytes"], file["sha256"])
            if file["url"]:
                assert httpx.get(file["url"]).content == stored
    page = httpx.get(f"{up.portal}/datasets/mauna-loa-co2/files/co2.csv", follow_redirects=True)
    assert page.text.startswith("week,co2,year\n1958-03-29,316.1,1958\n")
    assert httpx.get(f"{up.portal}/datasets/handwritten-digits/files/digits.csv").status_code == 302  # to the sign-in


def test_an_enterprise_uploads_over_a_line_that_is_cut_and_a_steward_publishes(up: Up, tmp_path: Path) -> None:
    """`commons put` is killed in the middle and the store once too; run again, it sends what is missing."""
    import hashlib

    table = tmp_path / "meters.csv"
    table.write_text("meter,kwh\n" + "".join(f"{n},{n % 97}\n" for n in range(5_200_000)))
    assert 6 * 8 * 2**20 < table.stat().st_size < 10 * 8 * 2**20
    firm = up.api("founder", "GET", "/organisations").json()["items"][0]["id"]
    facts = {
        "organisation": firm,
        "slug": "meters",
        "title": "Meter readings",
        "summary": "Made up.",
        "access_class": "open",
        "commercial_use": True,
        "licence": "CC0-1.0",
        "domain": "Energy",
        "preview_public": True,
    }
    assert up.api("founder", "POST", "/datasets", json=facts).status_code == 201
    assert up.api("founder", "POST", "/datasets/meters/versions", json={"version": "1"}).status_code == 201
    program = [str(up.home / "environments" / "base" / "bin" / "commons"), "put", str(table), "commons://meters@1/meters.csv"]
    env = {**os.environ, "COMMONS_URL": up.portal, "COMMONS_API_TOKEN": up.token("founder")}
    first = subprocess.Popen(program, env=env, stderr=subprocess.PIPE, text=True)
    assert first.stderr is not None
    for line in first.stderr:
        if "sent 1 of" in line:
            first.kill()
            break
    first.wait()
    second = subprocess.Popen(program, env=env, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    up.kill("files")
    out, said = second.communicate(timeout=120)
    assert second.returncode == 0, said
    arrived = re.search(r"(\d+) of (\d+) parts have arrived", said)
    assert arrived
    assert 1 <= int(arrived[1]) < int(arrived[2])
    assert out.startswith("commons://meters@1/meters.csv")

    assert up.api("founder", "POST", "/datasets/meters/versions/1/submit", json={"people": "no"}).status_code == 200
    done = up.api("steward", "POST", "/datasets/meters/versions/1/review", json={"outcome": "publish"}).json()
    file = done["files"][0]
    assert (file["sha256"], file["rows"]) == (hashlib.sha256(table.read_bytes()).hexdigest(), 5_200_000)
    assert file["columns"][1]["statistics"] == {"nulls": 0, "min": "0", "max": "96", "mean": "47.9998"}
    assert httpx.get(f"{up.portal}/datasets/meters/files/meters.csv", follow_redirects=True).content == table.read_bytes()
