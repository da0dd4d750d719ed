"""
Triggers that refuse to change or remove a transfer, whoever asks.

Table rebuilds on SQLite drop triggers silently: they are installed after every migration and looked for at start, in
`/health/ready` and by `ledger_verify`.
"""

from __future__ import annotations

from typing import Any

from django.db import connections

TABLE = "ledger_transfer"
SQLITE = {
    "ledger_transfer_no_update": f"CREATE TRIGGER IF NOT EXISTS ledger_transfer_no_update BEFORE UPDATE ON {TABLE} "
    "BEGIN SELECT RAISE(ABORT, 'ledger transfers are never changed'); END",
    "ledger_transfer_no_delete": f"CREATE TRIGGER IF NOT EXISTS ledger_transfer_no_delete BEFORE DELETE ON {TABLE} "
    "BEGIN SELECT RAISE(ABORT, 'ledger transfers are never removed'); END",
}
POSTGRES_FUNCTION = """
CREATE OR REPLACE FUNCTION ledger_transfer_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'ledger transfers are never changed or removed' USING ERRCODE = 'integrity_constraint_violation'; END $$
"""
POSTGRES = {
    "ledger_transfer_no_update": f"CREATE OR REPLACE TRIGGER ledger_transfer_no_update BEFORE UPDATE OR DELETE ON {TABLE} "
    "FOR EACH ROW EXECUTE FUNCTION ledger_transfer_refuse()",
    "ledger_transfer_no_truncate": f"CREATE OR REPLACE TRIGGER ledger_transfer_no_truncate BEFORE TRUNCATE ON {TABLE} "
    "FOR EACH STATEMENT EXECUTE FUNCTION ledger_transfer_refuse()",
}


class TriggersMissing(Exception):
    """The ledger is not protected: names the missing triggers and the remedy."""


def triggers_install(*, using: str = "default", **_: Any) -> None:
    """Install the triggers where they are missing. Connected to `post_migrate`."""
    if using != "default":
        return
    connection = connections[using]
    if TABLE not in connection.introspection.table_names():
        return
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(POSTGRES_FUNCTION)
        for statement in _wanted(connection.vendor).values():
            cursor.execute(statement)


def check_triggers(using: str = "default") -> None:
    """
    Look whether the triggers are in place.

    :raises TriggersMissing: naming those that are not
    """
    connection = connections[using]
    query = (
        f"SELECT tgname FROM pg_trigger WHERE tgrelid = '{TABLE}'::regclass AND NOT tgisinternal AND tgenabled <> 'D'"
        if connection.vendor == "postgresql"
        else f"SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = '{TABLE}'"
    )
    with connection.cursor() as cursor:
        cursor.execute(query)
        present = {name for (name,) in cursor.fetchall()}
    missing = sorted(set(_wanted(connection.vendor)) - present)
    if missing:
        raise TriggersMissing(f"the ledger lacks its triggers {', '.join(missing)}; run `manage.py migrate` to install them")


def _wanted(vendor: str) -> dict[str, str]:
    return POSTGRES if vendor == "postgresql" else SQLITE
