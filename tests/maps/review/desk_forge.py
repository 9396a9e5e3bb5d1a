"""The command line in processes of their own, in no time: this one has all in memory, and forks.

It reads a line of JSON for each, ``["maps", "review", …]``, and writes ``{"pid": 123, "told": …}``,
the first object that the command printed; then it waits for a further line, and for the command to
end, and writes its exit code. It is run as a program, for the process of the tests has threads and
must not fork.
"""

import json
import os
import sys
from importlib import import_module

from minewatch.cli._app import run

# Else each would import them anew.
for name in ("minewatch.maps.review._app", "minewatch.study._review", "pyarrow.pandas_compat",
             "pydantic.v1", "uvicorn.protocols.http.h11_impl"):  # fmt: skip
    import_module(name)


def answer(said: object) -> None:
    """Write a line of JSON."""
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Run commands for as long as somebody asks."""
    for line in iter(sys.stdin.readline, ""):
        arguments = json.loads(line)
        end, begin = os.pipe()
        pid = os.fork()
        if not pid:
            code = 1
            try:
                os.dup2(begin, sys.stdout.fileno())
                code = run(arguments)
            finally:
                os._exit(code)
        os.close(begin)
        with os.fdopen(end) as told:
            lines = ""
            while not lines.endswith("}\n") and (one := told.readline()):
                lines += one
            answer({"pid": pid, "told": json.loads(lines or "{}")})
            sys.stdin.readline()
            answer(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


if __name__ == "__main__":
    main()
