"""Slurm's reasons and states in the words of somebody who has never heard of Slurm."""

from __future__ import annotations

# Why a job waits. Those not named here are shown as they are.
WAITING = {
    "None": "It is about to start.",
    "Priority": "Others asked before you; your turn comes by itself.",
    "Resources": "All machines of this size are busy; it starts when one is free.",
    "Dependency": "It waits for an earlier copy of the same launch to end.",
    "BeginTime": "The scheduler tries again in a moment.",
    "Cleaning": "The machine before is being tidied up.",
    "JobHeldAdmin": "An operator of the site is holding it. Ask for help if it lasts.",
    "JobHeldUser": "It is on hold at the site.",
    "Licenses": "A licence it needs is in use.",
    "NodeDown": "The machine it was given is down; it waits for another.",
    "ReqNodeNotAvail": "The machines it could use are reserved or under maintenance.",
    "Reservation": "It waits for a reservation to begin.",
    "PartitionDown": "This part of the site is closed for now.",
    "PartitionInactive": "This part of the site is closed for now.",
    "PartitionConfig": "This part of the site has no machine of this size. Choose a smaller size.",
    "PartitionTimeLimit": "It asks for more time than this part of the site allows.",
    "PartitionNodeLimit": "It asks for more than this part of the site has.",
    "InvalidAccount": "The site does not know this allocation yet.",
    "InvalidQOS": "The site does not know this allocation yet.",
    "Nodes_required_for_job_are_DOWN,_DRAINED_or_reserved_for_jobs_in_higher_priority_partitions": (
        "The machines it could use are down, being repaired or reserved."
    ),
}
SITE_FAULTS = ("NODE_FAIL", "BOOT_FAIL", "PREEMPTED")
# Beginnings of reasons that name a limit of the allocation at the site.
LIMITS = ("Assoc", "QOS")


def waiting_words(state: str, reason: str) -> str:
    """Why it waits, in plain words."""
    if state == "CONFIGURING":
        return "A machine is being started for it."
    reason = reason.strip("()")
    if reason in WAITING:
        return WAITING[reason]
    if reason.startswith("Nodes_required") or reason.startswith("Nodes required"):
        return WAITING["Nodes_required_for_job_are_DOWN,_DRAINED_or_reserved_for_jobs_in_higher_priority_partitions"]
    if reason.startswith(LIMITS):
        return f"The allocation's own limit at the site is reached ({reason}); it starts when something of it ends."
    return f"The site says: {reason}."


def ended_words(state: str, *, stop: str) -> str:
    """
    Why a job ended, as journals say it.

    :param stop: why it was asked to stop, "" when it was not
    """
    if state in SITE_FAULTS:
        return state.lower()  # the portal charges nothing for these
    if state == "OUT_OF_MEMORY":
        return "out of memory"
    if state in ("TIMEOUT", "DEADLINE"):
        return "deadline"
    if state == "CANCELLED":
        return stop or "cancelled at the site"
    return stop or "exited"
