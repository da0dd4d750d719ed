"""A launch that cannot be started: the error catalogue's key and what the site says of it, in the form JupyterHub expects."""

from __future__ import annotations

from jupyterhub.spawner import SpawnException


class NotStarted(SpawnException):
    """
    Raised by the spawner; as text it is `<key>: <words>`, which is what the portal reads.

    :param failure: a key of the portal's error catalogue
    """

    def __init__(self, failure: str, words: str, *, status_code: int = 500) -> None:
        super().__init__(f"{failure}: {words}", reason=failure, status_code=status_code)

    def __str__(self) -> str:
        return str(self.message)
