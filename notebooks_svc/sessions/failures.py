"""The error catalogue: each failure's plain cause, whether it was charged, and one suggested button."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Failure:
    """An entry: what happened, what to do, and whether the time was charged."""

    cause: str
    advice: str
    button: str = "Launch again"
    free: bool = True


CATALOGUE: dict[str, Failure] = {
    "not_sent": Failure(
        "The launch could not be handed to the site within five minutes, so it was withdrawn.",
        "Launch again. If it happens twice, the status page says whether the site is down.",
    ),
    "environment_missing": Failure(
        "The software environment of this launch is not installed at the site.",
        "Choose another environment or tell the operator; it is not your mistake.",
    ),
    "home_unwritable": Failure(
        "Your home folder at the site cannot be written: the disk is full or not connected.",
        "Free some space on the files page, then launch again.",
    ),
    "boot_timeout": Failure(
        "The notebook server did not answer in time.",
        "Launch again. If it happens twice, a package you installed may keep Jupyter from starting.",
    ),
    "boot_failed": Failure(
        "The notebook server ended while it was starting.",
        "The last lines of its log are below. A package you installed may keep Jupyter from starting.",
    ),
    "spec_refused": Failure(
        "The site asked for a launch that was already withdrawn.", "Launch again when you need a notebook."
    ),
    "launch_over": Failure("This launch had run before and is not repeated.", "Launch again."),
    "runner_lost": Failure(
        "The process that looks after your notebook was lost, so the notebook was ended.",
        "Your files are kept. Launch again; nothing was charged.",
    ),
    "node_lost": Failure(
        "The machine at the site that ran your notebook failed.", "Launch again; nothing was charged and your files are kept."
    ),
    "out_of_memory": Failure(
        "The notebook server needed more memory than its size has.", "Launch again with the next larger size."
    ),
    "partition_gone": Failure(
        "The part of the site this resource stands for is closed.",
        "Choose another resource. The operator has been told; it is not your mistake.",
        "Choose another resource",
    ),
    "partition_drained": Failure(
        "Every machine this resource stands for is down or under repair.",
        "Choose another resource, or try again later.",
        "Choose another resource",
    ),
    "size_unavailable": Failure(
        "The site has no machine of this size.", "Choose a smaller size or another resource.", "Choose a smaller size"
    ),
    "walltime": Failure(
        "The site does not run anything for as long as you asked.", "Choose fewer minutes; you can add time while it runs."
    ),
    "no_association": Failure(
        "The site's scheduler does not know you on this allocation.",
        "It is put right by itself within a minute. Launch again; if it happens twice, ask for help.",
    ),
    "budget_fence": Failure(
        "The site's scheduler counts more use on this allocation than the portal does, and refused.",
        "It is put right by itself within a minute. Launch again; if it happens twice, ask for help.",
    ),
    "account_missing": Failure(
        "The site could not make an account for you.", "Tell the operator; it is not your mistake.", "Ask for help"
    ),
    "scheduler_refused": Failure(
        "The site's scheduler refused the launch.", "What it said is below. Launch again, or ask for help.", "Ask for help"
    ),
    "site_lost": Failure("The site has no record of this session.", "Nothing was charged. Launch again; your files are kept."),
    "site_error": Failure("The site could not start the notebook.", "Launch again. If it happens twice, ask for help."),
}

# Why a session that ran came to its end.
ENDS: dict[str, str] = {
    "person": "You stopped it.",
    "manager": "It was stopped by a manager of your enterprise.",
    "deadline": "The minutes bought were used up.",
    "operator": "An operator ended it. This is free of charge.",
    "shutdown": "The portal was shut down.",
    "allocation_ended": "The allocation is no longer active.",
    "person_left": "The person left the enterprise or was deactivated.",
    "queue_over": "It waited too long for a place.",
    "boot_over": "It took too long to start.",
    "exited": "It ended by itself.",
    "idle": "It was idle.",
    "failed": "It could not be started.",
    "shut_down": "It was shut down from the notebook, or was idle.",
    "session_ended": "Its session ended.",
    "lease_over": "Its time was used up.",
    "not_claimed": "It was granted but never started.",
}


def failure_find(message: str) -> str:
    """The catalogue's key for a site's message ("key: words")."""
    key = message.partition(":")[0].strip()
    if key in CATALOGUE:
        return key
    return "spec_refused" if "gave no spec" in message else "site_error"
