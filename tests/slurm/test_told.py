"""What is wrong at a site is told to the person on the page of their session, with what to do. Nothing is charged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from notebooks_svc.sessions.failures import CATALOGUE
from tests.support.slurm import ENVIRONMENTS, SlurmUp


@contextmanager
def no_environment(demo: SlurmUp) -> Iterator[None]:
    """Nothing is installed at the site."""
    link = demo.slurm_folder / "environments"
    link.unlink()
    link.mkdir()
    yield
    link.rmdir()
    link.symlink_to(ENVIRONMENTS)


@contextmanager
def no_partition(demo: SlurmUp) -> Iterator[None]:
    """The part of the site that the resource stands for is closed."""
    demo.box.run("scontrol", "update", "partitionname=hpc", "state=inactive")
    yield
    demo.box.run("scontrol", "update", "partitionname=hpc", "state=up")


@pytest.mark.parametrize(("bad", "code"), [(no_environment, "environment_missing"), (no_partition, "partition_gone")])
def test_what_is_bad_is_told_on_the_sessions_page_with_what_to_do_and_costs_nothing(
    demo: SlurmUp, bad: Callable[[SlurmUp], AbstractContextManager[None]], code: str
) -> None:
    before = demo.allocation()
    with bad(demo):
        session = demo.wait_session(demo.launch_only()["id"], "failed", limit_s=40)
    assert session["failure"] == {
        "code": code,
        "cause": CATALOGUE[code].cause,
        "advice": CATALOGUE[code].advice,
        "charged": False,
    }
    story = demo.api("colleague", "GET", f"/sessions/{session['id']}/log").json()["items"]
    assert story[-1]["text"].endswith("0 credits charged.")
    after = demo.allocation()
    assert (after["spent"], after["available"]) == (before["spent"], before["available"])
    demo.verify()
