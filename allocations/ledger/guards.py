"""
Triggers that refuse to change or remove a transfer, whoever asks.

Table rebuilds on SQLite drop triggers silently: they are installed after every migration and looked for at start, in
`/health/ready` and by `ledger_verify`.
"""

from __future__ import annotations

from typing import Any

from django.db import connections

TABLES = ("ledger_transfer", "ledger_root", "ledger_roothead")
POSTGRES_FUNCTION = """
CREATE OR REPLACE FUNCTION ledger_transfer_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'ledger transfers are never changed or removed' USING ERRCODE = 'integrity_constraint_violation'; END $$
"""


def _sqlite(table: str) -> dict[str, str]:
    return {
        f"{table}_no_update": f"CREATE TRIGGER IF NOT EXISTS {table}_no_update BEFORE UPDATE ON {table} "
        "BEGIN SELECT RAISE(ABORT, 'ledger transfers are never changed'); END",
        f"{table}_no_delete": f"CREATE TRIGGER IF NOT EXISTS {table}_no_delete BEFORE DELETE ON {table} "
        "BEGIN SELECT RAISE(ABORT, 'ledger transfers are never removed'); END",
    }


def _postgres(table: str) -> dict[str, str]:
    return {
        f"{table}_no_update": f"CREATE OR REPLACE TRIGGER {table}_no_update BEFORE UPDATE OR DELETE ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION ledger_transfer_refuse()",
        f"{table}_no_truncate": f"CREATE OR REPLACE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION ledger_transfer_refuse()",
    }


def triggers_wanted(vendor: str) -> dict[str, dict[str, str]]:
    """The triggers by table: name → statement that makes it."""
    make = _postgres if vendor == "postgresql" else _sqlite
    return {table: make(table) for table in TABLES}


class TriggersMissing(Exception):
    """The ledger is not protected: names the missing triggers and the remedy."""


def triggers_install(*, using: str = "default", **_: Any) -> None:
    """Install the triggers where they are missing. Connected to `post_migrate`."""
    if using != "default":
        return
    connection = connections[using]
    tables = set(connection.introspection.table_names())
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(POSTGRES_FUNCTION)
        for table, statements in triggers_wanted(connection.vendor).items():
            for statement in statements.values() if table in tables else ():
                cursor.execute(statement)


def check_triggers(using: str = "default") -> None:
    """
    Look whether the triggers are in place.

    :raises TriggersMissing: naming those that are not
    """
    connection = connections[using]
    if connection.vendor == "postgresql":
        query = (
            "SELECT tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid"
            " WHERE relname = ANY(%s) AND NOT tgisinternal AND tgenabled <> 'D'"
        )
        parameters: list[Any] = [list(TABLES)]
    else:
        query = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name IN (%s, %s, %s)"
        parameters = list(TABLES)
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        present = {name for (name,) in cursor.fetchall()}
    wanted = {name for statements in triggers_wanted(connection.vendor).values() for name in statements}
    missing = sorted(wanted - present)
    if missing:
        raise TriggersMissing(f"the ledger lacks its triggers {', '.join(missing)}; run `manage.py migrate` to install them")
