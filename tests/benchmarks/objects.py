"""
Granted data beside the bare store, measured in a notebook of the demo on a real object store. Run by `manage.py bench objects`.
"""

from __future__ import annotations

import json
import os
from statistics import median, quantiles
from typing import Any

from tests.support.kernel import run_in_kernel
from tests.support.objectstore import ObjectStore
from tests.support.up import Up

from .figures import say

ROUNDS = 6
FOLDER = "mauna-loa-co2/1"
KEY = f"{FOLDER}/bench.parquet"
# 256 MB that do not compress, in 16 row groups.
MAKE = """
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
table = pa.table({f"c{n}": np.random.default_rng(n).random(4_000_000) for n in range(8)})
pq.write_table(table, "bench.parquet", row_group_size=250_000, compression="none", use_dictionary=False)
root.upload_file("bench.parquet", "datasets", KEY)
import os; print(os.path.getsize("bench.parquet")); os.remove("bench.parquet")
"""
READ = """
import json, time, pyarrow as pa, pyarrow.parquet as pq, s3fs
mine = boto3.client("s3")
def whole(client):
    body = client.get_object(Bucket="datasets", Key=KEY)["Body"]
    size = 0
    while chunk := body.read(1 << 20):
        size += len(chunk)
    return size
def timed(ask):
    began = time.perf_counter(); ask(); return time.perf_counter() - began
uri = "s3://datasets/" + KEY
import pyarrow.fs as pafs
endpoint = os.environ["AWS_ENDPOINT_URL"].split("//")[1]
where = {"endpoint_override": endpoint, "scheme": "http", "region": "us-east-1"}
rooted = pafs.S3FileSystem(access_key=ROOT[0], secret_key=ROOT[1], **where)
granted, path = pafs.FileSystem.from_uri(uri)
works = {
    "boto3": lambda: whole(mine), "boto3 root": lambda: whole(root),
    "pyarrow": lambda: pq.read_table(path, filesystem=granted), "pyarrow root": lambda: pq.read_table(path, filesystem=rooted),
    "table root": lambda: pq.read_table(pa.BufferReader(root.get_object(Bucket="datasets", Key=KEY)["Body"].read())),
}
for work in works.values(): work()
first = timed(lambda: pafs.FileSystem.from_uri(uri)[0].get_file_info(path))
found = {name: [] for name in works}
for turn in range(ROUNDS):
    for name in (works if turn % 2 else reversed(works)):
        found[name].append(timed(works[name]))
found["first"] = [first]
print(json.dumps(found))
"""
VEND = """
import json, time, threading, requests
sts = boto3.client("sts", endpoint_url=os.environ["AWS_ENDPOINT_URL"], aws_access_key_id=ROOT[0], aws_secret_access_key=ROOT[1],
                   config=boto3.session.Config(parameter_validation=False))
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject",
    "Resource": "arn:aws:s3:::datasets/mauna-loa-co2/1/*"}]}, separators=(",", ":"))
def portal():
    http = requests.Session()
    url = os.environ["COMMONS_URL"] + "/data/v1/credentials"
    headers = {"Authorization": "Bearer " + os.environ["COMMONS_TOKEN"]}
    return lambda: http.get(url, headers=headers).raise_for_status()
def bare():
    return lambda: sts.assume_role(RoleArn="arn:aws:iam:::role/commons-reader", RoleSessionName="bench", Policy=POLICY,
                                   DurationSeconds=3600)
def run(make, seconds=4, clients=2):
    times = []
    def client():
        ask, end = make(), time.perf_counter() + seconds
        while time.perf_counter() < end:
            began = time.perf_counter(); ask(); times.append(time.perf_counter() - began)
    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    return times, len(times) / seconds
portal()(); bare()()
found = {"portal": [run(portal) for _ in range(2)], "bare": [run(bare) for _ in range(2)]}
print(json.dumps(found))
"""


def run(*, long: bool) -> None:
    """All figures of the object store."""
    with ObjectStore() as server:
        os.environ |= server.portal_env()
        with Up() as up:
            session = up.launch("colleague", minutes=60)
            head = (
                f"import os, boto3; ROOT, KEY, ROUNDS = {server.keys()!r}, {KEY!r}, {ROUNDS * (3 if long else 1)}\n"
                "root = boto3.client('s3', aws_access_key_id=ROOT[0], aws_secret_access_key=ROOT[1])\n"
            )
            size = int(_cell(up, session, head + MAKE))
            _reading(json.loads(_cell(up, session, head + READ)), size)
            _vending(json.loads(_cell(up, session, head + VEND)))


def _cell(up: Up, session: dict[str, Any], code: str) -> str:
    answer = run_in_kernel(*up.notebook_token(session["id"]), code, timeout_s=580)
    if answer.error:
        raise RuntimeError(f"{answer.error}\n{answer.traceback[-1]}")
    return answer.stdout.splitlines()[-1]


def _reading(found: dict[str, list[float]], size: int) -> None:
    """The best of the rounds is the one that neighbours on the machine disturbed least."""
    for tool in ("boto3", "pyarrow"):
        ours, floor = min(found[tool]), min(found[f"{tool} root"])
        say(
            f"256 MB Parquet by {tool} with the session's credential beside root keys",
            floor / ours,
            "≥ 0.95",
            f"{size / 1e6 / ours:.0f} MB/s beside {size / 1e6 / floor:.0f} MB/s, best of {len(found[tool])}",
            f"medians {median(found[tool]):.2f} s beside {median(found[f'{tool} root']):.2f} s",
        )
    say(
        "a table through the granted path beside its bytes by boto3 with root keys, made a table in memory",
        min(found["table root"]) / min(found["pyarrow"]),
        "≥ 0.95",
        f"a new program's first look, credential included, took {1000 * found['first'][0]:.0f} ms",
    )


def _vending(found: dict[str, list[tuple[list[float], float]]]) -> None:
    p95 = {who: 1000 * median(quantiles(times, n=20)[-1] for times, _ in runs) for who, runs in found.items()}
    rate = {who: median(rate for _, rate in runs) for who, runs in found.items()}
    say(
        "vending a credential beside a bare AssumeRole, two clients",
        rate["portal"] / rate["bare"],
        "told",
        f"{rate['portal']:.0f}/s beside {rate['bare']:.0f}/s",
        f"p95 {p95['portal']:.0f} ms beside {p95['bare']:.0f} ms",
    )
