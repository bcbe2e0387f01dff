"""A token store over SQLite as Zoho's article Kaizen 192 describes it, written anew from that description.

One table `oauthtoken` whose only index is its primary key; every operation connects, runs its statement and closes,
as the SDK's own database store does; every save commits, under SQLite's default settings (rollback journal, full sync).
Unlike the article's store it binds its parameters, which costs the same and keeps a quote in a name from being SQL.
"""

import sqlite3
from contextlib import closing

COLUMNS = (
    "id", "user_name", "client_id", "client_secret", "refresh_token",
    "access_token", "grant_token", "expiry_time", "redirect_url", "api_domain",
)
SCHEMA = (
    "CREATE TABLE oauthtoken (id varchar(10) NOT NULL, user_name varchar(255), client_id varchar(255),"
    " client_secret varchar(255), refresh_token varchar(255), access_token varchar(255), grant_token varchar(255),"
    " expiry_time varchar(20), redirect_url varchar(255), api_domain varchar(255), PRIMARY KEY (id))"
)
LIST = ", ".join(COLUMNS)
MARKS = ", ".join("?" for _ in COLUMNS)


class KaizenSqliteStore:
    """The operations that the benchmark asks for; a token is a dict of the table's columns."""

    def __init__(self, path):
        self.path = path
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(SCHEMA)

    def populate(self, rows):
        """Inserts many rows in one transaction: not an operation of the article's store."""
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.executemany(f"INSERT INTO oauthtoken ({LIST}) VALUES ({MARKS})", rows)

    def find_token(self, token):
        """Fills the absent fields of a token that names its user; None where no row has that user."""
        row = self._first("user_name", token["user_name"])
        return None if row is None else _fill(token, row)

    def find_token_by_id(self, token_id):
        row = self._first("id", token_id)
        if row is None:
            raise LookupError("no token with this id")
        return _fill({}, row)

    def save_token(self, token):
        """Updates the row of the token's user, else inserts one."""
        given = [column for column in COLUMNS if column != "id" and token.get(column) is not None]
        assignments = ", ".join(f"{column} = ?" for column in given)
        values = [token[column] for column in given]
        with closing(sqlite3.connect(self.path)) as connection, connection:
            update = f"UPDATE oauthtoken SET {assignments} WHERE user_name = ?"
            if connection.execute(update, [*values, token["user_name"]]).rowcount > 0:
                return
            newest = connection.execute("SELECT max(CAST(id AS INTEGER)) FROM oauthtoken").fetchone()[0]
            token["id"] = str((newest or 0) + 1)
            row = [token.get(column) for column in COLUMNS]
            connection.execute(f"INSERT INTO oauthtoken ({LIST}) VALUES ({MARKS})", row)

    def _first(self, column, value):
        with closing(sqlite3.connect(self.path)) as connection:
            query = f"SELECT {LIST} FROM oauthtoken WHERE {column} = ? LIMIT 1"
            return connection.execute(query, (value,)).fetchone()


def _fill(token, row):
    for column, value in zip(COLUMNS, row):
        if token.get(column) is None:
            token[column] = value
    return token
