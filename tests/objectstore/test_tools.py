"""
Ordinary tools in the notebook environment, with nothing but the environment a session is given: what works, what is refused,
and that nothing fails when keys run out in the middle.
"""

from __future__ import annotations

import subprocess
import textwrap
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from allocations.datasets.models import Dataset
from allocations.datasets.snippets import one_lines
from notebooks_svc.storage import denials
from tests.support.needs import program_needed
from tests.support.objectstore import ObjectStore
from tests.support.up import environments_ready

from .conftest import Ground

ROWS = 20_000
MAKE = f"""
import pandas as pd, sys
pd.DataFrame({{"n": range({ROWS}), "x": [i * 0.5 for i in range({ROWS})]}}).to_parquet(sys.argv[1], row_group_size=2000)
"""


@pytest.fixture(scope="module")
def parquet(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A table in ten row groups."""
    path = tmp_path_factory.mktemp("tables") / "numbers.parquet"
    python = environments_ready() / "base" / "bin" / "python"
    subprocess.run([str(python), "-c", MAKE, str(path)], check=True)
    return path.read_bytes()


@pytest.fixture
def tables(ground: Ground, parquet: bytes) -> Ground:
    """`numbers` was granted, `secret` was not."""
    ground.grant(ground.dataset("numbers", "controlled", body=parquet, name="numbers.parquet"))
    ground.dataset("secret", "controlled", body=parquet, name="numbers.parquet")
    return ground


def script(ground: Ground, code: str) -> str:
    """Code that knows where the tables lie; it leaves its answers in `out`."""
    head = f"""
        import json, warnings
        warnings.simplefilter("ignore")
        URI, SECRET = "s3://{ground.bucket}/numbers/1/numbers.parquet", "s3://{ground.bucket}/secret/1/numbers.parquet"
        FOLDER, COMMONS = "s3://{ground.bucket}/numbers/1/", "commons://numbers/numbers.parquet"
        BUCKET, KEY, SCRATCH = "{ground.bucket}", "numbers/1/numbers.parquet", "s3://{ground.scratch}"
        out = {{}}
        def denied(ask):
            try:
                ask()
            except (OSError, Exception) as error:
                said = f"{{type(error).__name__}} {{error}}"
                words = ("AccessDenied", "Access Denied", "Forbidden", "ACCESS_DENIED", "403", "PermissionError")
                return any(word in said for word in words)
            return "not refused"
    """
    return textwrap.dedent(head) + textwrap.dedent(code) + "\nprint(json.dumps(out))"


EVERYTHING = """
    import boto3, dask.dataframe as dd, pandas as pd, polars as pl, pyarrow.dataset as ds, pyarrow.parquet as pq, s3fs
    import pyarrow as pa
    s3 = boto3.client("s3")
    out["boto3"] = s3.get_object(Bucket=BUCKET, Key=KEY)["ContentLength"]
    out["boto3 list"] = [row["Key"] for row in s3.list_objects_v2(Bucket=BUCKET, Prefix="numbers/1/")["Contents"]]
    out["s3fs"] = len(s3fs.S3FileSystem().open(URI).read())
    out["s3fs ls"] = s3fs.S3FileSystem().ls(FOLDER) == [URI.removeprefix("s3://")]
    out["pandas"] = len(pd.read_parquet(URI))
    out["dask"] = len(dd.read_parquet(URI))
    out["dask glob"] = len(dd.read_parquet(FOLDER + "*.parquet"))
    out["pyarrow"] = pq.read_table(URI).num_rows
    out["pyarrow dataset"] = ds.dataset(FOLDER).count_rows()
    out["polars"] = pl.read_parquet(URI).height
    out["polars scan"] = pl.scan_parquet(URI).select(pl.col("n").sum()).collect().item()
    out["commons pandas"] = len(pd.read_parquet(COMMONS))
    out["commons dask"] = len(dd.read_parquet(COMMONS))
    out["commons pyarrow"] = pq.read_table("fsspec+" + COMMONS).num_rows
    import commons
    out["commons path"] = pl.read_parquet(commons.path(COMMONS)).height
    frame = pd.DataFrame({"a": [1, 2, 3]})
    frame.to_parquet(SCRATCH + "/from-pandas.parquet")
    frame.to_csv(SCRATCH + "/from-pandas.csv")
    dd.from_pandas(frame, npartitions=2).to_parquet(SCRATCH + "/from-dask")
    pq.write_table(pa.table({"a": [1, 2]}), SCRATCH + "/from-pyarrow.parquet")
    names = ("/from-pandas.parquet", "/from-dask", "/from-pyarrow.parquet")
    out["written"] = [len(pd.read_parquet(SCRATCH + name)) for name in names]
    import os
    out["environment"] = [len(pd.read_csv(os.environ["COMMONS_SCRATCH"] + "/from-pandas.csv"))]
"""
REFUSED = """
    out["refused"] = {
        "boto3": denied(lambda: s3.get_object(Bucket=BUCKET, Key="secret/1/numbers.parquet")),
        "s3fs": denied(lambda: s3fs.S3FileSystem().open(SECRET).read()),
        "pandas": denied(lambda: pd.read_parquet(SECRET)),
        "dask": denied(lambda: dd.read_parquet(SECRET).compute()),
        "pyarrow": denied(lambda: pq.read_table(SECRET)),
        "polars": denied(lambda: pl.read_parquet(SECRET)),
        "write": denied(lambda: frame.to_csv(FOLDER + "mine.csv")),
        "pyarrow write": denied(lambda: pq.write_table(pa.table({"a": [1]}), FOLDER + "mine.parquet")),
    }
"""


def expected(size: int) -> dict[str, Any]:
    """What each tool must have found."""
    rows = ("pandas", "dask", "dask glob", "pyarrow", "pyarrow dataset", "polars")
    commons = ("commons pandas", "commons dask", "commons pyarrow", "commons path")
    return {
        "boto3": size,
        "boto3 list": ["numbers/1/numbers.parquet"],
        "s3fs": size,
        "s3fs ls": True,
        **dict.fromkeys([*rows, *commons], ROWS),
        "polars scan": sum(range(ROWS)),
        "written": [3, 3, 2],
        "environment": [3],
    }


def test_every_tool_reads_and_writes_with_the_environment_alone(tables: Ground, parquet: bytes) -> None:
    out = tables.run(script(tables, EVERYTHING + REFUSED), tables.env(tables.session()))
    refused = out.pop("refused")
    assert out == expected(len(parquet))
    assert refused == dict.fromkeys(refused, True)
    assert [info.key for info in tables.store.list("datasets/numbers/")] == ["datasets/numbers/1/numbers.parquet"]
    config = (tables.home / ".local/share/commons/aws.ini").read_text()
    assert "credential_process" in config
    assert not any(word in config for word in ("aws_secret", "COMMONS_TOKEN", "token ="))


def test_a_long_computation_outlives_its_keys(tables: Ground, settings: Any) -> None:
    """
    Keys of 4 seconds stand for those of an hour, and 16 seconds for more than three hours: boto3, s3fs and pyarrow, one object
    of each from beginning to end, reading all the time while keys run out; nothing fails.
    """
    settings.OBJECTS_CREDENTIAL_S = 4
    code = """
        import threading, time
        import boto3, fsspec, pandas as pd, pyarrow.fs as pafs, pyarrow.parquet as pq, s3fs
        s3, files = boto3.client("s3"), s3fs.S3FileSystem(use_listings_cache=False)
        arrow, path = pafs.FileSystem.from_uri(URI)
        begun, failed, last = time.monotonic(), [], {}
        def go(name, read):
            while time.monotonic() < begun + 16:
                try:
                    read()
                    last[name] = time.monotonic() - begun
                except Exception as error:
                    failed.append(f"{name}: {type(error).__name__} {error}")
                    return
                time.sleep(0.5)
        def through_s3fs():
            with files.open(URI, block_size=100_000) as file:
                file.seek(-50, 2); file.read()
        works = {
            "boto3": lambda: s3.get_object(Bucket=BUCKET, Key=KEY)["Body"].read(),
            "s3fs": through_s3fs,
            "pyarrow": lambda: pq.read_table(path, filesystem=arrow, columns=["n"]),
        }
        threads = [threading.Thread(target=go, args=work) for work in works.items()]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        out["failed"], out["last"] = failed, last
    """
    out = tables.run(script(tables, code), tables.env(tables.session()))
    assert out["failed"] == []
    assert set(out["last"]) == {"boto3", "s3fs", "pyarrow"}
    assert min(out["last"].values()) > 12, "each read on when three keys had run out"


def test_one_key_serves_many_reads(tables: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """With keys of an hour a program asks once, whatever it reads."""
    asked: list[str] = []
    vend = tables.vendor.vend
    monkeypatch.setattr(tables.vendor, "vend", lambda name, scope, **more: (asked.append(name), vend(name, scope, **more))[1])
    code = """
        import boto3
        s3 = boto3.client("s3")
        out["read"] = sum(s3.get_object(Bucket=BUCKET, Key=KEY)["ContentLength"] > 0 for _ in range(30))
    """
    assert tables.run(script(tables, code), tables.env(tables.session())) == {"read": 30}
    assert len(asked) == 1


def test_revoking_reaches_a_running_program_at_its_next_read(tables: Ground, tmp_path: Path) -> None:
    code = f"""
        import boto3, pathlib, time, pandas as pd, fsspec
        s3 = boto3.client("s3")
        file = fsspec.filesystem("commons").open(COMMONS, block_size=1000)
        out["before"] = [len(pd.read_parquet(URI)), len(pd.read_parquet(COMMONS)), len(file.read(10))]
        signal = pathlib.Path({str(tmp_path)!r})
        (signal / "read").touch()
        while not (signal / "revoked").exists(): time.sleep(0.05)
        out["s3"] = denied(lambda: s3.get_object(Bucket=BUCKET, Key=KEY))
        out["pandas"] = denied(lambda: pd.read_parquet(URI))
        try:
            file.seek(100_000); file.read(10)
        except PermissionError as error:
            out["open file"] = str(error)
        try:
            pd.read_parquet(COMMONS)
        except PermissionError as error:
            out["words"] = str(error)
    """
    import threading

    answers: dict[str, Any] = {}
    session = tables.session()
    program = threading.Thread(target=lambda: answers.update(tables.run(script(tables, code), tables.env_of[session.pk])))
    tables.env_of[session.pk] = tables.env(session)
    program.start()
    while not (tmp_path / "read").exists() and program.is_alive():
        program.join(0.05)
    from allocations.datasets.models import Access

    tables.revoke(Access.objects.get(allocation=tables.allocation, state="granted"))
    (tmp_path / "revoked").touch()
    program.join(60)
    assert answers["before"] == [ROWS, ROWS, 10]
    assert (answers["s3"], answers["pandas"]) == (True, True)
    assert "the steward ended the access" in answers["words"]
    assert "Over." in answers["open file"]


def test_a_helper_says_why_there_is_no_key(tables: Ground) -> None:
    session = tables.session()
    env = tables.env(session)
    code = """
        import boto3
        try:
            boto3.client("s3").get_object(Bucket=BUCKET, Key=KEY)
        except Exception as error:
            out["said"] = str(error)
    """
    outside = tables.run(script(tables, code), {name: value for name, value in env.items() if name != "COMMONS_TOKEN"})
    assert "this is no session of Compute Commons" in outside["said"]
    wrong = tables.run(script(tables, code), env | {"COMMONS_DATASET": "secret"})
    assert "it is controlled and was not granted" in wrong["said"]
    narrow = tables.run(script(tables, code), env | {"COMMONS_DATASET": "numbers"})
    assert narrow == {}
    tables.end(session)
    assert "This session is over" in tables.run(script(tables, code), env)["said"]
    assert denials.denials(at=timezone.now())


def test_over_tls_with_a_certificate_of_its_own(tables: Ground, objectstore: ObjectStore) -> None:
    """
    The store's own certificate. boto3 and s3fs take it from AWS_CA_BUNDLE, pyarrow from SSL_CERT_FILE (which a site may set,
    because it replaces the public ones for everything else); polars believes public certificates only.
    """
    env = tables.env(tables.session()) | {
        "AWS_ENDPOINT_URL": f"https://127.0.0.1:{objectstore.tls_port}",
        "AWS_CA_BUNDLE": str(objectstore.ca),
        "SSL_CERT_FILE": str(objectstore.ca),
    }
    code = """
        import boto3, dask.dataframe as dd, pandas as pd, pyarrow.parquet as pq, s3fs, pyarrow as pa
        out["boto3"] = boto3.client("s3").get_object(Bucket=BUCKET, Key=KEY)["ContentLength"] > 0
        bucket = SCRATCH.split("/")[2]
        out["put"] = bool(boto3.client("s3").put_object(Bucket=bucket, Key="tls", Body=b"x"))
        out["pandas"] = len(pd.read_parquet(URI))
        out["dask"] = len(dd.read_parquet(URI))
        out["pyarrow"] = pq.read_table(URI).num_rows
        pd.DataFrame({"a": [1]}).to_parquet(SCRATCH + "/tls.parquet")
        out["written"] = len(pd.read_parquet(SCRATCH + "/tls.parquet"))
        out["refused"] = denied(lambda: pd.read_parquet(SECRET))
    """
    out = tables.run(script(tables, code), env)
    assert out == {"boto3": True, "put": True, "pandas": ROWS, "dask": ROWS, "pyarrow": ROWS, "written": 1, "refused": True}


PRELUDE = "import commons, dask.dataframe as dd, pandas as pd, polars as pl, pyarrow.parquet as pq; print(len("


@pytest.mark.parametrize("slug", ["numbers", "air"])
def test_the_lines_on_a_datasets_page_run_as_they_stand(tables: Ground, slug: str) -> None:
    """Each tool's line, copied from the page: Parquet and CSV, in Python, a terminal, and R."""
    tables.dataset("air", "open")
    dataset = Dataset.objects.get(slug=slug)
    version = dataset.versions.get()
    lines = dict(one_lines(dataset, version, list(version.files.all())))
    env = tables.env(tables.session())
    python = environments_ready() / "base" / "bin" / "python"
    rows = ROWS if slug == "numbers" else 2
    tools = {"pandas", "Dask", "polars"} | ({"pyarrow"} if slug == "numbers" else set())
    assert set(lines) == tools | {"Terminal", "R"}
    for tool in sorted(tools):
        assert _said([str(python), "-c", f"{PRELUDE}{lines[tool]}))"], env, tables.home) == str(rows), tool
    file = version.files.get()
    assert _said(["sh", "-c", lines["Terminal"]], env, tables.home) == file.path
    assert (tables.home / file.path).stat().st_size == file.size_bytes
    r = program_needed("Rscript", package="r-base-core")
    (tables.home / file.path).unlink()
    comment, read = lines["R"].splitlines()
    _said(["sh", "-c", comment.partition(": ")[2]], env, tables.home)
    assert _said([r, "--vanilla", "-e", f"cat(nrow({read}))"], env, tables.home) == str(rows)
    column = 2 if slug == "numbers" else 1
    total = sum(n * 0.5 for n in range(ROWS)) if slug == "numbers" else 4
    assert float(_said([r, "--vanilla", "-e", f"cat(format(sum({read}[[{column}]]), digits = 15))"], env, tables.home)) == total


def test_a_script_that_has_read_ends_well(tables: Ground) -> None:
    """Many at once, because it is a race: pyarrow's threads let go of a file while Python ends."""
    code = "import commons, pyarrow.parquet as pq; print(pq.read_table('fsspec+commons://numbers/numbers.parquet').num_rows)"
    env = tables.env(tables.session())
    argv = [str(environments_ready() / "base" / "bin" / "python"), "-c", code]
    running = [
        subprocess.Popen(argv, env=env, cwd=tables.home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(8)
    ]
    ended = [(*one.communicate(timeout=120), one.returncode) for one in running]
    assert {(out, code) for out, _, code in ended} == {(f"{ROWS}\n", 0)}, ended


def _said(argv: list[str], env: dict[str, str], folder: Path) -> str:
    done = subprocess.run(argv, env=env, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()
