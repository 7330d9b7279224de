"""A program that closes itself, and prints what it could do before and can do after."""

import json
import os
import resource
import socket
import subprocess
import sys
import threading
from pathlib import Path

import duckdb

from queries.isolated import barrier

CALLS = {
    "make a socket": lambda: socket.socket().fileno(),
    "make a pair of sockets": lambda: socket.socketpair()[0].fileno(),
    "make a pipe": lambda: os.pipe(),
    "read a file": lambda: Path("/etc/passwd").read_bytes(),
    "read another's environment": lambda: Path(
        f"/proc/{os.getppid()}/environ"
    ).read_bytes(),
    "list a folder": lambda: list(Path("/").iterdir()),
    "write a file": lambda: Path("written").write_text("it"),
    "make a folder": lambda: Path("folder").mkdir(),
    "remove a file": lambda: Path("written").unlink(),
    "become another process": lambda: os.waitpid(os.fork() or os._exit(0), 0),
    "start a program": lambda: subprocess.run(["true"], check=True),
    "start a thread": lambda: threading.Thread(target=int).start(),
    "signal another process": lambda: os.kill(os.getppid(), 0),
    "set a limit": lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)),
    "take much memory": lambda: bytearray(1 << 28),
}
STATEMENTS = [
    "COPY (SELECT 1) TO 'written.csv'",
    "WITH x AS (COPY (SELECT 1) TO 'written.csv') SELECT * FROM x",
    "ATTACH 'other.duckdb'",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_csv('/proc/self/environ')",
    "SELECT * FROM glob('/*')",
]


def done(what):
    """Return the names of what succeeds."""
    found = []
    for name, attempt in what.items():
        try:
            attempt()
        except (OSError, RuntimeError, ValueError, MemoryError):
            continue
        found.append(name)
    return found


def rows_of(database, sql):
    """Return the rows of a statement; none where it fails."""
    try:
        return database.execute(sql).fetchall()
    except duckdb.Error:
        return []


def main():
    database = duckdb.connect(config={"threads": 2})  # with no lock of its own
    database.execute("SELECT 1")
    before = done(CALLS)
    barrier.limit(cpu_s=60)
    by = barrier.close(memory_bytes=1 << 27)
    told = {
        "before": before,
        "by": by,
        "after": done(CALLS),
        "rows": [row for sql in STATEMENTS for row in rows_of(database, sql)],
        "total": rows_of(database, "SELECT sum(i)::BIGINT FROM range(1000000) t(i)"),
    }
    print(json.dumps(told))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
