"""Brings a database to the newest schema: `migrations/*.sql` in order, once each, by yoyo."""

from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from yoyo import get_backend, read_migrations

MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(url: str) -> list[str]:
    """Applies what is missing to the database at `url`; the names of what was applied, in order.

    Each migration is a transaction of its own. The caller makes sure that one runs at a time
    (CloudFormation does): a lock that a killed run left behind is therefore stale, and broken.
    """
    parts = urlsplit(url)
    backend = get_backend(urlunsplit(parts._replace(scheme="postgresql+psycopg")))
    backend.break_lock()
    with backend.lock():
        pending = backend.to_apply(read_migrations(str(MIGRATIONS)))
        names = [migration.id for migration in pending]
        backend.apply_migrations(pending)
    return names
