#!/usr/bin/env python3
"""Runs the commands of README.md and the book as they are written, each page in a fresh directory.

A block marked `sh` is run as it stands, and has to succeed. A comment before it says otherwise:

    <!-- run: no, REASON -->              not run; the reason is told
    <!-- run: 30 s -->                    runs until then, and is ended as Ctrl-C does
    <!-- run: 30 s after the first -->    its first command is run to its end, the next one as above

The program is the one that LATHE names, target/debug/lathe by default. Where the system lets it, all runs in a network
of its own, so that nothing else on the machine has the ports.
"""

import fcntl
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^(?:[ \t]*<!-- run: (?P<how>[^>]*) -->\n)?[ \t]*```sh\n(?P<text>.*?)^[ \t]*```", re.S | re.M)
LIMIT_S = 300


def run(command, directory, environment, seconds):
    """How the command ended: None if all is well, else a reason."""
    process = subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=directory, env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    try:
        said, _ = process.communicate(timeout=seconds or LIMIT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGINT)
        try:
            said, _ = process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            said, _ = process.communicate()
            return "does not end by Ctrl-C\n" + said
        if not seconds:
            return f"does not end within {LIMIT_S} s\n" + said
        # A shell that is interrupted says so in its own way; the program ends with success.
        return None if process.returncode in (0, 130, -signal.SIGINT) else f"exit code {process.returncode}\n{said}"
    if seconds:
        return f"ends by itself, with exit code {process.returncode}\n{said}"
    return None if process.returncode == 0 else f"exit code {process.returncode}\n{said}"


def parts(text, how):
    """Commands and for how many seconds each runs (0: to its end)."""
    timed = re.match(r"(\d+) s( after the first)?", how or "")
    if not timed:
        return [(text, 0)]
    if not timed[2]:
        return [(text, int(timed[1]))]
    first, rest = text.split("\n", 1)
    return [(first, 0), (rest, int(timed[1]))]


def isolate():
    """Goes on in a network namespace with nothing but loopback, if there can be one."""
    inside = "LATHE_BOOK_INSIDE"
    if inside in os.environ:
        with socket.socket() as any_socket:
            up = struct.pack("16sh", b"lo", 1 | 64)
            fcntl.ioctl(any_socket, 0x8914, up)  # SIOCSIFFLAGS: up and running
        return
    unshare = ["unshare", "--net"] + ([] if os.geteuid() == 0 else ["--map-root-user"])
    if shutil.which("unshare") and subprocess.run([*unshare, "true"], capture_output=True).returncode == 0:
        os.environ[inside] = "1"
        os.execvp("unshare", [*unshare, sys.executable, __file__, *sys.argv[1:]])


def main():
    isolate()
    lathe = Path(os.environ.get("LATHE", ROOT / "target/debug/lathe")).resolve()
    if not lathe.exists():
        sys.exit(f"{lathe}: missing; make build")
    wanted = sys.argv[1:]
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    ran = failed = left_out = 0
    for page in pages:
        name = str(page.relative_to(ROOT))
        if wanted and not any(part in name for part in wanted):
            continue
        directory = Path(tempfile.mkdtemp(prefix="lathe-book-"))
        bin_dir = directory / ".bin"
        bin_dir.mkdir()
        (bin_dir / "lathe").symlink_to(lathe)
        environment = {key: value for key, value in os.environ.items() if not key.startswith("LATHE") and key != "RUST_LOG"}
        environment["PATH"] = f"{bin_dir}:{environment['PATH']}"
        for block in BLOCK.finditer(page.read_text()):
            how, text = block["how"], textwrap.dedent(block["text"]).strip()
            first = text.splitlines()[0]
            if how and how.startswith("no, "):
                left_out += 1
                print(f"{name}: not run: {first}  ({how[4:]})")
                continue
            for command, seconds in parts(text, how):
                wrong = run(command, directory, environment, seconds)
                ran += 1
                print(f"{name}: {'ok' if wrong is None else 'FAILED'}: {command.splitlines()[0]}")
                if wrong is not None:
                    failed += 1
                    print("    " + wrong.replace("\n", "\n    "))
        shutil.rmtree(directory, ignore_errors=True)
    print(f"{ran - failed} passed, {failed} failed, {left_out} skipped")
    sys.exit(1 if failed or not ran else 0)


if __name__ == "__main__":
    main()
