"""The reference: a page of Markdown for each command, from the objects that parse its command line.

What argparse prints for --help depends on the terminal and on Python's version, so nothing of that is used.
"""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from typing import Any, NamedTuple

from twisted.python import usage

from netlab.cli import parser

SERVERS = ("udp", "tcp", "tcpsel", "tcpv2", "tcpv3")

NOTE = "<!-- Written by `python -m docs.generate` from the command's own parser: change it there. -->"

EXAMPLES = "<!-- not compared: examples of the command's own help -->"

SERVERS_END = [
    (
        "1",
        "the port is taken, an option is wrong, or the `--record` file cannot be written; one line says more",
    ),
    ("130, 143", "Ctrl-C and SIGTERM: it closes its clients, and ends by that signal"),
]
"""With what status the servers end: twistd's parser does not know it."""

STATUS = re.compile(r" +(\d+) +(.*)")
LITERAL = re.compile(r"(?<![\w`-])--?[a-z][\w-]*(?![\w`])")
"""An option's name within a sentence, which is set as code."""


class Option(NamedTuple):
    """A row of a table of options."""

    names: str
    default: str
    about: str


def pages() -> dict[str, str]:
    """The text of each page, by its name in docs/reference."""
    top = commands(parser())
    files = {f"netlab-{name}.md": _command_page(name, command) for name, (_, command) in top.items()}
    files |= {f"twistd-netlab-{name}.md": _server_page(name) for name in SERVERS}
    rows = [(f"[netlab {name}](netlab-{name}.md)", help) for name, (help, _) in top.items()]
    servers = [
        (f"[twistd -n netlab-{name}](twistd-netlab-{name}.md)", _first(_options(name).longdesc))
        for name in SERVERS
    ]
    files["index.md"] = _page(
        "Reference",
        "Every command explains itself with `--help`; these pages are made of the same words.",
        *("## netlab", _table(("command", "what it does"), rows)),
        *("## Servers", _table(("command", "what it does"), servers)),
        "<!-- contents: : reference/netlab-* reference/twistd-* -->",
    )
    return files


def _page(title: str, *parts: str) -> str:
    return "\n\n".join([f"# {title}", NOTE, *filter(None, parts)]) + "\n"


def _first(text: str) -> str:
    """The first sentence that says what it is."""
    return text.partition(". ")[0].rstrip(".")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = (
        " | ".join(cell.replace("|", r"\|") for cell in line) for line in [head, ["---"] * len(head), *rows]
    )
    return "\n".join(f"| {line} |" for line in lines)


def _prose(text: str) -> str:
    """Text of a help in Markdown: options' names as code, no other character with a meaning of its own."""
    parts = re.split(r"(`[^`]*`)", " ".join(text.split()))
    return "".join(part if part.startswith("`") else _plain(part) for part in parts)


def _plain(text: str) -> str:
    escaped = re.sub(r"([\\*_<>\[\]])", r"\\\1", text)
    return LITERAL.sub(lambda found: f"`{found[0]}`", escaped)


# --- netlab's commands: argparse


def commands(whole: argparse.ArgumentParser) -> dict[str, tuple[str, argparse.ArgumentParser]]:
    """A parser's own commands: what its help says of each, and the parser of each."""
    found = {}
    for action in whole._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {each.dest: each.help or "" for each in action._choices_actions}
            found.update({name: (helps[name], command) for name, command in action.choices.items()})
    return found


def _command_page(name: str, command: argparse.ArgumentParser) -> str:
    variants = {variant: each for variant, (_, each) in commands(command).items()} or {"": command}
    shown = list(variants.values())
    parts = [_prose(command.description or "")]
    usages = [_usage(f"netlab {name} {variant}".rstrip(), each) for variant, each in variants.items()]
    parts.append(_usages(usages))
    if "" not in variants:
        word = next(a.metavar for a in command._actions if isinstance(a, argparse._SubParsersAction))
        helps = [(f"`{variant}`", _prose(help)) for variant, (help, _) in commands(command).items()]
        parts.append(_table((str(word), "what it is"), helps))
        if len({each.description for each in shown}) > 1:
            parts[-1] = _table(
                (str(word), "what it is", ""),
                [(*row, _prose(each.description or "")) for row, each in zip(helps, shown, strict=True)],
            )
    parts.append(_union({variant: _rows(each) for variant, each in variants.items()}))
    epilogs = dict.fromkeys(each.epilog for each in shown if each.epilog)
    parts += [part for epilog in epilogs for part in _epilog(epilog)]
    return _page(f"netlab {name}", *parts)


def _usages(lines: Sequence[str]) -> str:
    return "\n".join(["<!-- not compared: what stands for what -->", "```text", *lines, "```"])


def _usage(name: str, command: argparse.ArgumentParser) -> str:
    if command.usage is not None:
        return command.usage
    places = [f"{_place(action)}" for action in command._actions if not action.option_strings]
    return " ".join([name, "[options]", *places])


def _place(action: argparse.Action) -> str:
    """A positional argument in a usage line."""
    name = _value(action)
    return {"?": f"[{name}]", "*": f"[{name} ...]", "+": f"{name} ..."}.get(str(action.nargs), name)


def _value(action: argparse.Action) -> str:
    """What stands for an argument's value; nothing for a flag."""
    if action.nargs == 0:
        return ""
    if action.metavar is None and action.choices is not None:
        return "{" + ",".join(map(str, action.choices)) + "}"
    return str(action.metavar or action.dest)


def _rows(command: argparse.ArgumentParser) -> list[Option]:
    """A command's arguments. --help is left out: all have it."""
    return [
        Option(_names(action), _default(action), _prose(_help(action)))
        for action in command._actions
        if not isinstance(action, (argparse._HelpAction, argparse._SubParsersAction))
    ]


def _names(action: argparse.Action) -> str:
    value = _value(action)
    names = [f"`{f'{each} {value}'.rstrip()}`" for each in action.option_strings]
    return ", ".join(names) or f"`{value}`"


def _help(action: argparse.Action) -> str:
    return (action.help or "") % {**vars(action), "prog": "netlab"}


def _default(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    return _shown(action.default)


def _shown(value: Any) -> str:
    """A default as it would be written on the command line."""
    if value in (None, [], argparse.SUPPRESS):
        return ""
    if isinstance(value, tuple):
        value = ":".join(map(str, value))
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _union(tables: dict[str, list[Option]]) -> str:
    """One table of all variants' options; what not all of them have says which have it."""
    variants = list(tables)
    have: dict[Option, list[str]] = {}
    for variant, options in tables.items():
        for option in options:
            have.setdefault(option, []).append(variant)
    # What is explained otherwise for one of the variants stands beside what it is for the others.
    names = list(dict.fromkeys(option.names for option in have))
    rows = {option: have[option] for option in sorted(have, key=lambda each: names.index(each.names))}
    if not rows:
        return ""
    own = any(where != variants for where in rows.values())
    head = ("option", "default", "what it does", *(("only for",) if own else ()))
    lines = []
    for option, where in rows.items():
        only = "" if where == variants else ", ".join(f"`{each}`" for each in where)
        lines.append((*option, only) if own else tuple(option))
    return _table(head, lines)


def _epilog(text: str) -> Iterator[str]:
    """The parts of an epilog: each is headed by a word and a colon, what belongs to it is indented."""
    for part in re.split(r"\n(?=\S[^\n]*:\n )|\n\n", textwrap.dedent(text).strip()):
        heading, *lines = part.split("\n")
        indented = [line for line in lines if line.startswith(" ")]
        rest = [line for line in lines if not line.startswith(" ")]
        if not heading.endswith(":") or not indented:
            yield _prose(part)
            continue
        title = heading.rstrip(":")
        yield f"## {title[0].upper()}{title[1:]}"
        statuses = [found for line in indented if (found := STATUS.fullmatch(line))]
        if statuses:
            rest = [line for line in lines if not STATUS.fullmatch(line)]
            yield _table(
                ("status", "what it means"), [(f"`{found[1]}`", _prose(found[2])) for found in statuses]
            )
        else:
            yield f"{EXAMPLES}\n```text\n" + textwrap.dedent("\n".join(indented)) + "\n```"
        if rest:
            yield _prose(" ".join(rest))


# --- the servers: twisted.python.usage


def _options(name: str) -> Any:
    """The options of a server, as twistd would make them."""
    options: usage.Options = import_module(f"netlab.taps.{name}").Options()
    return options


def _server_page(name: str) -> str:
    options = _options(name)
    return _page(
        f"twistd -n netlab-{name}",
        _prose(options.longdesc),
        _usages([options.getSynopsis().removeprefix("Usage: ")]),
        _table(("option", "default", "what it does"), _server_rows(options)),
        "twistd's own options, such as `-n` (stay in the foreground) and `--pidfile=`, stand before the "
        "server's name: `twistd --help` explains them.",
        "## Exit status",
        _table(("status", "what it means"), [(f"`{status}`", about) for status, about in SERVERS_END]),
    )


def _server_rows(options: Any) -> list[Option]:
    short = {long: key for key, long in options.synonyms.items() if len(key) == 1}
    rows = []
    for written in sorted(set(options.longOpt)):
        name = written.rstrip("=")
        if name in ("help", "version"):
            continue
        value = "=VALUE" if written.endswith("=") else ""
        names = [*([f"`-{short[name]}`"] if name in short else []), f"`--{name}{value}`"]
        default = _shown(options.defaults.get(name)) if value else ""
        rows.append(Option(", ".join(names), default, _prose(options.docs[name])))
    return rows
