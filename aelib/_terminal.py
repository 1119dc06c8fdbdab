"""Print safely: output that fails never changes the exit code."""

import functools
import io
import os
import sys
from contextlib import contextmanager, suppress

import click

COLORS = {
    "yes": "green",
    "passed": "green",
    "NO": "yellow",
    "missed": "yellow",
    "failed": "red",
    "timeout": "red",
    "interrupted": "red",
    "error:": "red",
}
# Replacements for encodings without these characters; any other becomes a question mark.
ASCII = str.maketrans({"≤": "<=", "≥": ">=", "…": "...", "×": "x", "–": "-", "—": "-", "’": "'", "“": '"', "”": '"'})

verbosity = "normal"  # of the progress: "quiet", "normal" or "verbose"; set by `progress`


class SafeStream(io.TextIOBase):
    """A text stream that never fails: it writes what can be written and drops the rest.

    It does not expose the stream's `buffer`, so that no library can bypass it.
    """

    def __init__(self, stream):
        self._stream = stream

    @property
    def encoding(self):
        return self._stream.encoding or "utf-8"

    @property
    def errors(self):
        return "replace"

    def writable(self):
        return True

    def fileno(self):
        return self._stream.fileno()

    def isatty(self):
        with suppress(ValueError):
            return self._stream.isatty()
        return False

    def write(self, text):
        with suppress(OSError, ValueError):
            self._stream.write(_encodable(text, self.encoding))
        return len(text)

    def flush(self):
        with suppress(OSError, ValueError):
            self._stream.flush()


class Command(click.Command):
    """A subcommand whose summary `aelib --help` shows whole; click would truncate it to one line."""

    def get_short_help_str(self, limit=45):
        return " ".join(self.help.partition("\n\n")[0].split())


class Group(click.Group):
    """A command that lists its subcommands in the order in which they were added."""

    command_class = Command

    def list_commands(self, context):
        return list(self.commands)


class NullStream(io.TextIOBase):
    """A text stream that drops everything."""

    def writable(self):
        return True

    def write(self, text):
        return len(text)


def guard():
    """Make stdout and stderr safe for everything that prints: click, tqdm, print, a traceback."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            # Closed by the parent process. The next file opened would get its number and receive what is printed.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if not isinstance(stream, SafeStream):
            setattr(sys, name, NullStream() if stream is None else SafeStream(stream))


def echo(text, err=False):
    """Print a line to stdout, or to stderr."""
    click.echo(text, file=sys.stderr if err else sys.stdout, color=has_color(err))


def error(message):
    """Print an error to stderr, on one line."""
    echo(f"{paint('error:', err=True)} {' '.join(str(message).split())}", err=True)


def paint(word, err=False):
    """Return a word in its color of COLORS, if it has one and the stream that it is printed to shows colors."""
    return click.style(word, fg=COLORS[word]) if word in COLORS and has_color(err) else word


def has_color(err=False):
    """Return whether to print in color: to a terminal, unless NO_COLOR or FORCE_COLOR say otherwise."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return os.environ.get("TERM") != "dumb" and (sys.stderr if err else sys.stdout).isatty()


@contextmanager
def progress(level):
    """Set how much progress is shown inside a `with`: "quiet", "normal" or "verbose".

    Inside, only progress is written to stderr: errors are raised, and printed by the caller.
    """
    global verbosity
    before = verbosity, sys.stderr
    verbosity = level
    if level == "quiet":
        sys.stderr = NullStream()
    try:
        yield
    finally:
        verbosity, sys.stderr = before


def verbosity_options(verbose_help=None):
    """Add the option -q and, given its help text, -v to a command; they set how much progress it shows."""

    def decorate(function):
        @functools.wraps(function)
        def command(*args, quiet, verbose=False, **kwargs):
            if quiet and verbose:
                raise click.UsageError("--quiet and --verbose cannot be used together")
            with progress("quiet" if quiet else "verbose" if verbose else "normal"):
                return function(*args, **kwargs)

        if verbose_help:
            command = click.option("-v", "--verbose", is_flag=True, help=verbose_help)(command)
        return click.option("-q", "--quiet", is_flag=True, help="Print only the result and errors.")(command)

    return decorate


def _encodable(text, encoding):
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(ASCII).encode(encoding, "replace").decode(encoding)
    return text
