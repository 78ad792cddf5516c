"""Tests `firebreakctl top`, in a terminal and in a pipe.

  FIREBREAKCTL=... PAGE_SCENE=... python3 terminal_test.py
"""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
import unittest

from scene import PATIENCE, Nobody, Scene

CTL = os.environ["FIREBREAKCTL"]


class Terminal:
    """`firebreakctl top` in a terminal with `columns` columns."""

    def __init__(self, targets, columns, *args):
        ours, theirs = pty.openpty()
        self.ours = ours
        self.before = termios.tcgetattr(theirs)
        self.theirs = theirs
        self.resize(columns)
        environment = {key: value for key, value in os.environ.items()
                       if key != "COLUMNS"}
        self.process = subprocess.Popen(
            [CTL, "top", "--interval", "100ms", "--target", ",".join(targets),
             *args], stdin=theirs, stdout=theirs, stderr=theirs,
            env=environment)
        self.text = b""

    def resize(self, columns):
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ,
                    struct.pack("HHHH", 24, columns, 0, 0))

    def press(self, keys):
        os.write(self.ours, keys.encode())

    def wait(self, wanted):
        """Waits until a frame contains `wanted`."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if wanted in self.frame():
                return
            if select.select([self.ours], [], [], 0.1)[0]:
                self.text += os.read(self.ours, 65536)
        raise AssertionError(f"{wanted!r} is not in {self.frame()!r}")

    def look_on(self, seconds):
        """Reads as a terminal does, since unread output blocks the program."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            if select.select([self.ours], [], [], 0.1)[0]:
                self.text += os.read(self.ours, 65536)

    def wait_for(self, event):
        end = time.monotonic() + PATIENCE
        while not event.is_set():
            assert time.monotonic() < end, "nobody came"
            self.look_on(0.1)

    def frame(self):
        """Returns the text of the newest complete frame."""
        frames = self.text.decode(errors="replace").split("\x1b[H")[1:]
        whole = [each for each in frames if each.endswith("\x1b[J")]
        last = whole[-1] if whole else ""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", last).replace("\r", "")

    def kill(self):
        """Ends a program that a failed test has left running."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def end(self):
        self.look_on(PATIENCE)
        code = self.process.wait(0)
        after = termios.tcgetattr(self.theirs)
        os.close(self.ours)
        os.close(self.theirs)
        return code, after == self.before


class TopTest(unittest.TestCase):
    def test_it_is_live_and_leaves_the_terminal_as_it_was(self):
        with Scene(2, 3) as scene:
            terminal = Terminal(scene.targets, 100)
            self.addCleanup(terminal.kill)
            terminal.wait("2 of 2 processes, 6 methods, 0 open; by worst")
            scene.tell("trip 1 2")
            terminal.wait("6 methods, 1 open")
            terminal.press("s")
            terminal.wait("by calls")
            terminal.press("/method2\r")
            terminal.wait("only method2")
            self.assertNotIn("Method1", terminal.frame())
            scene.tell("stop 0")
            terminal.wait("1 of 2 processes")
            terminal.press("q")
            self.assertEqual(terminal.end(), (0, True))

    def test_what_answers_in_the_place_of_a_process_is_told(self):
        with Scene(2, 3) as scene:
            terminal = Terminal(scene.targets, 100)
            self.addCleanup(terminal.kill)
            for kind, said in (("bare", "it has no firebreak admin service"),
                               # Bytes that are no message are no answer.
                               ("garbage", "it has no firebreak admin service"),
                               ("mute", "INTERNAL, without a message")):
                terminal.wait("2 of 2 processes")
                scene.tell(f"{kind} 1")
                terminal.wait(f"{scene.targets[1]}: {said}")
                # The other process goes on meanwhile.
                self.assertIn("1 of 2 processes", terminal.frame())
                scene.tell("trip 0 2")
                terminal.wait("6 methods, 1 open")
                scene.tell("reset 0 2")
                terminal.wait("6 methods, 0 open")
                scene.tell("start 1")
            for kind in ("random", "http1", "silent"):
                terminal.wait("2 of 2 processes")
                scene.tell("stop 1")
                with Nobody(scene.targets[1], kind) as nobody:
                    terminal.wait_for(nobody.asked)
                    terminal.wait(f"{scene.targets[1]}: ")
                    self.assertIn("1 of 2 processes", terminal.frame())
                    scene.tell("trip 0 2")
                    terminal.wait("6 methods, 1 open")
                    scene.tell("reset 0 2")
                scene.tell("start 1")
            terminal.wait("2 of 2 processes")
            # A process of another version counts as one that answers.
            scene.tell("newer 1")
            terminal.wait("state 99")
            self.assertIn("2 of 2 processes", terminal.frame())
            scene.tell("start 1")
            terminal.wait("6 methods, 0 open")
            terminal.press("q")
            self.assertEqual(terminal.end(), (0, True))

    def test_an_error_without_a_message_is_no_answer(self):
        with Scene(1, 1) as scene:
            scene.tell("mute 0")
            for command in (["list"], ["show", "Method0"], ["alerts"]):
                done = subprocess.run(
                    [CTL, *command, "--target", scene.targets[0]],
                    capture_output=True, text=True, timeout=PATIENCE,
                    check=False)
                self.assertEqual(done.returncode, 1, command)
                self.assertIn("INTERNAL, without a message", done.stderr)

    def test_it_leaves_at_once_though_a_process_is_frozen(self):
        with Scene(1, 1) as living, Scene(1, 1) as frozen:
            # The timeout is longer than a test may take.
            terminal = Terminal(living.targets + frozen.targets, 100,
                                "--timeout", "1h")
            self.addCleanup(terminal.kill)
            terminal.wait("2 of 2 processes")
            frozen.process.send_signal(signal.SIGSTOP)
            try:
                # It is asked at every interval, so a request waits by then.
                terminal.look_on(2.5)
                terminal.press("q")
                self.assertEqual(terminal.end(), (0, True))
            finally:
                frozen.process.send_signal(signal.SIGCONT)

    def test_it_fits_twenty_columns_and_ends_when_it_is_told_to(self):
        with Scene(1, 3) as scene:
            scene.tell("trip 0 1")
            terminal = Terminal(scene.targets, 20)
            self.addCleanup(terminal.kill)
            terminal.wait("open")
            frame = terminal.frame()
            self.assertLessEqual(max(map(len, frame.split("\n"))), 20, frame)
            self.assertIn("Method1", frame)
            terminal.process.terminate()
            self.assertEqual(terminal.end(), (0, True))

    def test_a_pipe_gets_one_plain_frame(self):
        with Scene(1, 3) as scene:
            scene.tell("trip 0 1")
            done = subprocess.run(
                [CTL, "top", "--target", scene.targets[0]],
                capture_output=True, text=True, timeout=PATIENCE, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertNotIn("\x1b", done.stdout)
            self.assertEqual(len(done.stdout.splitlines()), 5, done.stdout)
            self.assertIn("/shop.v1.Service0/Method1", done.stdout)
            for wrong in (["--sort", "nonsense"], ["--interval", "1ms"],
                          ["--interval", "x"]):
                done = subprocess.run(
                    [CTL, "top", "--target", scene.targets[0], *wrong],
                    capture_output=True, text=True, timeout=PATIENCE,
                    check=False)
                self.assertEqual(done.returncode, 2, wrong)
        done = subprocess.run(
            [CTL, "top", "--target", scene.targets[0], "--timeout", "500ms"],
            capture_output=True, text=True, timeout=PATIENCE, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("0 of 1 processes", done.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
