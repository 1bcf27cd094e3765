"""Runs pkilint's programs for judges.py, all in one process: they take long to load. Reads a JSON list of a program's
name and its arguments from each line, and answers with a line of its exit code and what it printed."""

import contextlib
import importlib
import io
import json
import sys

answers = sys.stdout
for line in sys.stdin:
    program, *arguments = json.loads(line)
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        try:
            exit_code = importlib.import_module(f"pkilint.bin.{program}").main(arguments)
        except SystemExit as end:
            exit_code = end.code
    print(json.dumps([exit_code, output.getvalue()]), file=answers, flush=True)
