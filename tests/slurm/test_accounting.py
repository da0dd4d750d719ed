"""Accounting that comes late, or says otherwise later: what was written down of a job's end is written anew, and told again."""

from __future__ import annotations

import json
import subprocess
import time

from notebooks_svc.agent.slurm.engine import SlurmEngine
from notebooks_svc.wire import LookItem
from tests.support.slurm import INSTANCE, SlurmWorld


def accounting_set(slurm: SlurmWorld, job: int, change: str) -> None:
    """As an administrator of the site would: right a record in the scheduler's own database."""
    socket = slurm.box.folder / "run/mysql/mysqld.sock"
    words = [
        "mariadb",
        f"--socket={socket}",
        "slurm_acct_db",
        "-e",
        f"update testing_job_table set {change} where id_job={job}",
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def looked(engine: SlurmEngine, id: str) -> LookItem:
    """What the site tells the portal now, from a look that begins now."""
    engine.look(instance=INSTANCE, since=time.time())  # whose jobs they are, the portal says with its first look
    engine.refresh(since=time.time())
    items, _ = engine.look(instance=INSTANCE, since=time.time() - 60)
    return next(item for item in items if item.id == id)


def test_a_record_that_is_corrected_is_told_again(slurm: SlurmWorld) -> None:
    order = slurm.start(slurm.order("sleep 6"))
    slurm.gone(order)
    engine = slurm.engine_new(reread_every_s=0.1)
    first = looked(engine, order.id)
    number = int(first.record.split("/")[1])
    assert (first.source, first.state, first.reason) == ("scheduler", "gone", "exited")
    assert looked(engine, order.id) == first, "read again, and the same: nothing is new"
    accounting_set(slurm, number, "time_end = time_end - 3")
    time.sleep(0.2)
    second = looked(engine, order.id)
    assert (second.ended, second.record) == ((first.ended or 0) - 3, first.record)
    accounting_set(slurm, number, "state = 7")  # NODE_FAIL
    time.sleep(0.2)
    assert looked(engine, order.id).reason == "node_fail"


def test_a_job_that_was_given_up_and_ran_after_all_is_told_by_its_record(slurm: SlurmWorld) -> None:
    order = slurm.start(slurm.order("sleep 2"))
    gone = slurm.gone(order)
    engine = slurm.engine_new(reread_every_s=0.1)
    path = engine.folder / f"{order.id}.json"
    lost = {**json.loads(path.read_text()), "started": None, "reason": "never began", "record": "", "ended": time.time()}
    path.write_text(json.dumps(lost))
    assert (item := engine.look_one(order.id)) is not None
    assert (item.source, item.record) == ("journal", ""), "nobody's accounting says that it never began"
    time.sleep(0.2)
    found = looked(engine, order.id)
    assert (found.source, found.record, found.ended, found.started) == ("scheduler", gone.record, gone.ended, gone.started)


def test_a_namesake_on_a_batch_hold_corrects_nothing(slurm: SlurmWorld) -> None:
    """A job called like the launch, with its comment, by the same person, but not on the allocation's account."""
    from tests.slurm.test_batch import Batch

    order = slurm.start(slurm.order("sleep 1"))
    assert order.batch is not None
    gone = slurm.gone(order)
    batch = Batch(slurm, order.batch.hub_username)
    batch.sync()
    job = batch.submitted(f"--job-name={order.id}", f"--comment=commons:{INSTANCE}", script="sleep 1")
    batch.ended(job)
    engine = slurm.engine_new(reread_every_s=0.1)
    assert looked(engine, order.id).record == gone.record
