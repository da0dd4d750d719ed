"""
The engines of a site behind one small interface: start, find again, look, stop, extend, mark.

Which engine runs a group is written in its order; hub, gateway and agent ask here and need not know.
"""

from __future__ import annotations

from pathlib import Path

from ..wire import HomeWish, LookItem, RunOrder
from .home import home_prepare
from .local import Engine
from .slurm.engine import SlurmEngine
from .slurm.site import SlurmSite


class Engines:
    """
    All engines over one engine folder.

    :param homes: where homes of the local engine lie
    :param slurm: the cluster's description, at a site that has one
    """

    def __init__(self, folder: Path, *, homes: Path, environments: Path, slurm: SlurmSite | None = None) -> None:
        self.folder, self.homes, self.environments = folder, homes, environments
        self.local = Engine(folder)
        self.slurm = SlurmEngine(folder, slurm) if slurm else None

    def start(
        self,
        order: RunOrder,
        env: dict[str, str],
        *,
        home: HomeWish | None = None,
        private: dict[str, str] | None = None,
    ) -> None:
        """
        Start, or do nothing when it runs already.

        :param home: made ready before, as whoever will run in it
        :param private: files laid into the home, readable by its owner alone; on the local engine the caller has its own
        :raises AlreadyRan: when it ran and ended
        :raises OSError: on the local engine, when the home cannot be written
        :raises SlurmRefused, SlurmSilent: see `SlurmEngine.start`
        """
        if order.engine == "slurm":
            self._slurm().start(order, env, home, private)
            return
        if home is not None:
            home_prepare(
                home=self.homes / home.home,
                shared=self.homes / home.shared,
                environment=self.environments / home.environment,
                files=home.files,
            )
        self.local.start(order, env)

    def of(self, id: str) -> Engine | SlurmEngine:
        """The engine that has this id; the local one for an id that nobody ordered."""
        order = self.local.order(id)
        return self._slurm() if order is not None and order.engine == "slurm" else self.local

    def order(self, id: str) -> RunOrder | None:
        """What was ordered."""
        return self.local.order(id)

    def stop(self, id: str) -> None:
        """Ask for its end. Safe to repeat."""
        self.of(id).stop(id)

    def extend(self, id: str, deadline: float) -> bool:
        """Move the deadline; False when it has ended."""
        return self.of(id).extend(id, deadline)

    def mark_ready(self, id: str, at: float) -> float:
        """Write down the first moment it was of use; a second call answers the first moment."""
        return self.local.mark_ready(id, at)

    def look_one(self, id: str) -> LookItem | None:
        """One group: alive, gone, unknown; None when nothing of that name was ever ordered."""
        return self.of(id).look_one(id)

    def look(self, *, instance: str, since: float) -> tuple[list[LookItem], bool]:
        """Every group of this portal that lives or ended since; and whether nothing was unreadable."""
        items, complete = self.local.look(instance=instance, since=since)
        if self.slurm is not None:
            more, all_known = self.slurm.look(instance=instance, since=since)
            items, complete = [*items, *more], complete and all_known
        return items, complete

    def _slurm(self) -> SlurmEngine:
        if self.slurm is None:
            raise RuntimeError("a Slurm launch was ordered at a site that has no Slurm")
        return self.slurm
