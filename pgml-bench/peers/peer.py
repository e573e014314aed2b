"""What the peers that read tables share: rows from PostgreSQL, and the protocol with the benchmark."""

import numpy as np
import psycopg
from protocol import serve, timed  # noqa: F401 (for the peers)


def fetchall(connection, query):
    """The rows as most programs get them: tuples of Python numbers."""
    with psycopg.connect(connection) as session:
        return session.execute(query).fetchall()


def copy_binary(connection, query, n_columns):
    """The rows as a float32 matrix by the fastest way that psycopg has: a binary COPY, taken apart by numpy.

    The query's columns must be `real` without NULLs.
    """
    with psycopg.connect(connection) as session, session.cursor() as cursor:
        with cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT BINARY)") as copy:
            data = b"".join(copy)
    fields = [("n_fields", ">i2")]
    for i in range(n_columns):
        fields += [(f"length{i}", ">i4"), (f"x{i}", ">f4")]
    row = np.dtype(fields)
    header, trailer = 19, 2
    rows = np.frombuffer(data, row, offset=header, count=(len(data) - header - trailer) // row.itemsize)
    matrix = np.empty((len(rows), n_columns), np.float32)
    for i in range(n_columns):
        matrix[:, i] = rows[f"x{i}"]
    return matrix


def feature_list(n_features):
    """`x1, x2, …`: the feature columns of the benchmark's tables."""
    return ", ".join(f"x{i + 1}" for i in range(n_features))
