"""When would it start? Asked of the scheduler without submitting anything, and remembered for a while."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

from ...wire import TestAnswer, TestAsk
from .commands import TEST_ONLY, SlurmRefused
from .engine import SlurmEngine
from .options import size_options

KEEP_S = 30.0
_answers: dict[tuple[object, ...], tuple[float, TestAnswer]] = {}
_lock = threading.Lock()


def test_only(engine: SlurmEngine, ask: TestAsk, instance: str) -> TestAnswer:
    """
    `sbatch --test-only` for a size; the same question within half a minute gets the same answer.

    Asked as the service user, who has no account of the allocation: the size decides, not whose it is.

    :raises SlurmSilent: the scheduler does not answer
    """
    batch = ask.batch
    key = (instance, batch.partition, batch.cores, batch.memory_gib, batch.gpus, ask.minutes)
    with _lock:
        kept = _answers.get(key)
        if kept is not None and time.monotonic() - kept[0] < KEEP_S:
            return kept[1]
        answer = _ask(engine, ask, instance)
        _answers[key] = (time.monotonic(), answer)
        if len(_answers) > 500:
            _answers.clear()
        return answer


def _ask(engine: SlurmEngine, ask: TestAsk, instance: str) -> TestAnswer:
    words = [word for word in size_options(ask.batch, instance) if not word.startswith(("--account", "--qos"))]
    try:
        said = engine.commands.test_only([*words, f"--time={ask.minutes}"])
    except SlurmRefused as refusal:
        # The service user may lack an association of its own: that says nothing about the person's launch.
        return TestAnswer(refusal="" if refusal.code == "no_association" else str(refusal))
    match = TEST_ONLY.search(said)
    if match is None:
        return TestAnswer()
    word = match[1]
    moment = float(word) if word.isdigit() else datetime.fromisoformat(word).astimezone(UTC).timestamp()
    return TestAnswer(starts_in_s=max(0.0, moment - time.time()))
