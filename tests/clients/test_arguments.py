"""The command line: what may be written, what is said of what may not, and that --help names all."""

from __future__ import annotations

import argparse
import subprocess
import sys

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from netlab import PORT, cli
from netlab.clients import arguments
from netlab.clients.arguments import HOST, TIMEOUT, VARIANTS, Target
from tests.clients.running import NETLAB, ClientTestCase, run
from tests.support import PATIENCE

OF_ALL = ["--message", "--local-port", "--timeout", "--interval", "--count", "--hex", "--help"]
OF_SOME = {
    "udp": ["--echo"],
    "tcp": ["--echo"],
    "tcpv2": ["--echo", "--start-order"],
    "tcpv3": ["--echo", "--start-order", "--layout"],
}


class Targets(SynchronousTestCase):
    def test_are_read(self) -> None:
        for written, target in (
            ("pc7", ("pc7", PORT)),
            ("pc7:80", ("pc7", 80)),
            ("192.0.2.7", ("192.0.2.7", PORT)),
            ("192.0.2.7:65535", ("192.0.2.7", 65535)),
            (":7000", (HOST, 7000)),
            ("pc7:", ("pc7", PORT)),
            ("[::1]", ("::1", PORT)),
            ("[::1]:7000", ("::1", 7000)),
            ("[fe80::1%eth0]:7000", ("fe80::1%eth0", 7000)),
        ):
            self.assertEqual(arguments.target(written), target, written)

    def test_are_refused(self) -> None:
        for written, why in (
            ("::1", r"'::1': write an IPv6 address in brackets: \[::1\]:5005"),
            ("2001:db8::1", "write an IPv6 address in brackets"),
            ("[::1", r"an IPv6 address is written \[::1\] or \[::1\]:5005"),
            ("[::1]7000", "an IPv6 address is written"),
            ("pc7:0", "'0': a port is a number from 1 to 65535"),
            ("pc7:65536", "'65536': a port is a number"),
            ("pc7:http", "'http': a port is a number"),
            ("[::1]:x", "'x': a port is a number"),
        ):
            error = self.assertRaises(argparse.ArgumentTypeError, arguments.target, written)
            self.assertRegex(str(error), why)


class Options(SynchronousTestCase):
    def test_defaults(self) -> None:
        for variant in VARIANTS:
            options = cli.parser().parse_args(["client", variant])
            self.assertEqual(options.target, Target(HOST, PORT))
            self.assertEqual((options.message, options.local_port, options.count), (None, None, 1))
            self.assertEqual((options.timeout, options.interval, options.hex), (TIMEOUT, 0, False))
            self.assertEqual(options.echo, variant == "tcp")  # whose servers always answer

    def test_all_that_may_be_written(self) -> None:
        words = (
            "client tcpv3 pc7 -m a --message b -e --start-order 4294967295 --layout scripts "
            "--local-port 1 --timeout 0.5 --interval 2 --count 3 --hex"
        )
        options = cli.parser().parse_args(words.split())
        self.assertEqual((options.message, options.echo, options.hex), (["a", "b"], True, True))
        self.assertEqual((options.start_order, options.layout), (0xFFFFFFFF, "scripts"))
        self.assertEqual((options.local_port, options.timeout, options.interval), (1, 0.5, 2))
        self.assertEqual(options.count, 3)


class Mistakes(ClientTestCase):
    MISTAKES = (
        ("client tcp ::1", "argument HOST[:PORT]: '::1': write an IPv6 address in brackets: [::1]:5005"),
        ("client tcp pc7:0", "argument HOST[:PORT]: '0': a port is a number from 1 to 65535"),
        ("client tcp pc7 5005", "unrecognized arguments: 5005"),
        ("client tcp --ehco", "netlab client tcp: error: unrecognized arguments: --ehco"),
        ("client tcp 5006", "argument HOST[:PORT]: '5006': a port alone is written :5006"),
        ("client udp --start-order 1", "unrecognized arguments: --start-order"),
        ("client tcpv2 --layout guide", "unrecognized arguments: --layout"),
        (
            "client tcpv2 --start-order -1",
            "argument --start-order: '-1': an order is a number from 0 to 4294967295",
        ),
        (
            "client tcpv3 --start-order 4294967296",
            "argument --start-order: '4294967296': an order is a number from 0 to 4294967295",
        ),
        ("client tcpv3 --layout mine", "argument --layout: invalid choice: 'mine'"),
        ("client tcp --local-port 0", "argument --local-port: '0': a port is a number from 1 to 65535"),
        ("client tcp --timeout 0", "argument --timeout: 0: it must be more than 0 seconds"),
        ("client tcp --timeout soon", "argument --timeout: 'soon': a number of seconds is wanted"),
        ("client tcp --timeout nan", "argument --timeout: 'nan': a number of seconds is wanted"),
        ("client tcp --interval inf", "argument --interval: 'inf': a number of seconds is wanted"),
        ("client tcp --interval -1", "argument --interval: '-1': a number of seconds is wanted"),
        ("client tcp --count 0 -m x", "argument --count: '0': a number from 1 is wanted"),
        ("client tcp --count 1.5 -m x", "argument --count: '1.5': a number from 1 is wanted"),
        ("client tcp -m", "argument -m/--message: expected one argument"),
        ("client tcpv4", "invalid choice: 'tcpv4'"),
        ("client", "the following arguments are required: VARIANT"),
        ("server", "invalid choice: 'server'"),
        ("", "the following arguments are required: COMMAND"),
        ("completion", "the following arguments are required: shell"),
        ("completion fish", "invalid choice: 'fish'"),
    )

    def test_are_told_in_one_line(self) -> None:
        # In one process, since there are many; what follows shows that the command does as this does.
        code = (
            "import sys; from netlab.cli import main\n"
            "for words in sys.argv[1:]:\n"
            "    try: main(words.split())\n"
            "    except SystemExit as end: print(end.code, file=sys.stderr)\n"
        )
        ended = run(sys.executable, "-c", code, *(words for words, _ in self.MISTAKES))
        self.assertEqual(ended.out, [])
        errors = [line for line in ended.err if not line.startswith((" ", "usage: "))]
        self.assertEqual(len(errors), 2 * len(self.MISTAKES), ended.err)
        for (words, said), line, status in zip(self.MISTAKES, errors[::2], errors[1::2], strict=True):
            self.assertRegex(line, r"^netlab( client( \w+)?| completion)?: error: ", words)
            self.assertIn(said, line, words)
            self.assertEqual(status, "2", words)

    def test_end_the_command_with_status_2(self) -> None:
        for words, said in (
            ("client tcp pc7:x", "error: argument HOST[:PORT]: 'x': a port is a number from 1 to 65535"),
            ("client tcp --count 2", "error: --count repeats what -m gives: there is none"),
        ):
            ended = run(*NETLAB, *words.split())
            self.assertEqual((ended.status, ended.out), (2, []), ended)
            self.assertEqual([line for line in ended.err if said in line], [f"netlab client tcp: {said}"])
            self.assertNotIn("Traceback", "".join(ended.err))


class Help(SynchronousTestCase):
    def test_of_the_command(self) -> None:
        ended = run(*NETLAB, "--help")
        self.assertEqual((ended.status, ended.err), (0, []))
        text = "\n".join(ended.out)
        for word in "client", "completion", "twistd -n netlab-tcp", "netlab-udp", "--version":
            self.assertIn(word, text)

    def test_of_each_variant_names_its_options(self) -> None:
        for variant, own in OF_SOME.items():
            ended = run(*NETLAB, "client", variant, "--help")
            self.assertEqual((ended.status, ended.err), (0, []))
            text = "\n".join(ended.out)
            named = {word.strip(",") for word in text.split() if word.startswith("--")}
            self.assertEqual({*OF_ALL, *own} - named, set())
            others = {option for options in OF_SOME.values() for option in options} - set(own)
            self.assertEqual(others & {word for line in ended.out for word in line.split()[:3]}, set())
            for line in arguments.STATUSES.splitlines():
                self.assertIn(line, ended.out)
            self.assertLessEqual(max(map(len, ended.out)), 100)

    def test_version(self) -> None:
        ended = run(*NETLAB, "--version")
        self.assertEqual((ended.status, ended.out[0].split()[0]), (0, "netlab"))


class Completion(SynchronousTestCase):
    def test_bash_accepts_the_script(self) -> None:
        try:
            import shtab  # noqa: F401
        except ImportError:
            raise SkipTest("shtab is not installed") from None
        done = subprocess.run(
            [*NETLAB, "completion", "bash"], capture_output=True, timeout=PATIENCE, check=True
        )
        self.assertIn(b"--start-order", done.stdout)
        try:
            checked = subprocess.run(["bash", "-n"], input=done.stdout, capture_output=True, timeout=PATIENCE)
        except FileNotFoundError:
            raise SkipTest("there is no bash") from None
        self.assertEqual((checked.returncode, checked.stderr), (0, b""))

    def test_without_shtab_it_tells_what_to_install(self) -> None:
        code = "import sys; sys.modules['shtab'] = None; from netlab.cli import main; sys.exit(main())"
        ended = run(sys.executable, "-c", code, "completion", "bash")
        self.assertEqual(
            (ended.status, ended.out, ended.err),
            (2, [], ["completion needs shtab: pip install 'netlab[client]'"]),
        )
