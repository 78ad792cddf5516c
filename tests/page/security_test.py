"""Tests who may look at the page, and who may change something there.

  FIREBREAKCTL=... PAGE_SCENE=... python3 security_test.py
"""
import json
import os
import resource
import socket
import subprocess
import time
import unittest

from scene import PATIENCE, Page, Scene

METHOD = json.dumps({"method": "/shop.v1.Service0/Method0", "channel": "shop"})
OPEN = json.dumps({"selector": json.loads(METHOD),
                   "state": "BREAKER_STATE_FORCED_OPEN", "duration": "60s",
                   "reason": "a test"})
JSON = {"Content-Type": "application/json"}


class SecurityTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scene = Scene(1, 2)
        cls.target = cls.scene.targets[0]

    @classmethod
    def tearDownClass(cls):
        cls.scene.__exit__()

    def change(self, page, headers, what="override", body=OPEN):
        return page.ask("POST", f"/api/{what}?target={self.target}", body,
                        headers)

    def state(self, page):
        _, _, text = page.ask("POST", f"/api/method?target={self.target}",
                              METHOD, JSON)
        return json.loads(text)["method"]["method"]["breakers"][0]["state"]

    def test_it_only_shows_unless_it_is_told_to(self):
        with Page([self.target]) as page:
            status, _, text = self.change(
                page, {**JSON, "X-Firebreak-Token": "x" * 32})
            self.assertEqual(status, 403, text)
            self.assertIn("--allow-changes", text)
            self.assertEqual(self.state(page), "BREAKER_STATE_CLOSED")

    def raw(self, page, *parts):
        """Sends each part as a packet, and returns the whole answer."""
        with socket.create_connection(("127.0.0.1", page.port),
                                      PATIENCE) as link:
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            answer = b""
            try:
                for part in parts:
                    link.sendall(part)
                    time.sleep(0.2)
                while more := link.recv(65536):
                    answer += more
            except ConnectionError:
                pass  # the server does not read what it refuses
            return answer

    def test_the_body_of_what_is_refused_is_no_request(self):
        with Page([self.target]) as page:
            inner = b"GET /plain HTTP/1.1\r\nHost: localhost\r\n\r\n"
            answer = self.raw(
                page,
                b"POST /x HTTP/1.1\r\nHost: evil.example\r\n"
                b"Content-Length: %d\r\n\r\n" % len(inner), inner)
            self.assertNotIn(b" 200 ", answer)
            self.assertLessEqual(answer.count(b"HTTP/1.1 "), 1, answer)

    def test_a_body_says_how_long_it_is(self):
        with Page([self.target]) as page:
            head = b"POST /api/method HTTP/1.1\r\nHost: localhost\r\n"
            self.assertIn(b" 411 ", self.raw(
                page, head + b"Transfer-Encoding: chunked\r\n\r\n",
                b"5\r\nhello\r\n0\r\n\r\n"))
            self.assertIn(b" 411 ", self.raw(page, head + b"\r\n"))

    def test_a_change_needs_the_token_and_our_own_page(self):
        with Page([self.target], "--allow-changes") as page:
            good = {**JSON, "X-Firebreak-Token": page.token}
            ours = f"http://127.0.0.1:{page.port}"
            refused = [
                JSON,
                {**JSON, "X-Firebreak-Token": ""},
                {**JSON, "X-Firebreak-Token": page.token[:-1]},
                {**JSON, "X-Firebreak-Token": page.token + "0"},
                {**good, "Origin": "http://evil.example"},
                {**good, "Origin": "null"},
                {**good, "Origin": f"http://localhost:{page.port}"},
                {**good, "Sec-Fetch-Site": "cross-site"},
                {**good, "Sec-Fetch-Site": "same-site"},
                # A form of another site can send these types unasked.
                {**good, "Content-Type": "text/plain"},
                {**good, "Content-Type": "application/x-www-form-urlencoded"},
                {**good, "Host": "evil.example"},
            ]
            for headers in refused:
                status, _, text = self.change(page, headers)
                self.assertIn(status, (403, 415, 421), (headers, text))
                self.assertNotIn(page.token, text)
            self.assertEqual(self.state(page), "BREAKER_STATE_CLOSED")
            for path in ("override", "clear", "reset"):
                status, _, _ = self.change(page, JSON, path, METHOD)
                self.assertEqual(status, 403, path)
            # A link, which somebody may be tricked to follow, changes nothing.
            status, _, _ = page.ask(
                "GET", f"/api/override?target={self.target}", None, good)
            self.assertEqual(status, 404)

            status, _, text = self.change(page, {
                **good, "Origin": ours, "Sec-Fetch-Site": "same-origin"})
            self.assertEqual(status, 200, text)
            self.assertEqual(self.state(page), "BREAKER_STATE_FORCED_OPEN")
            body = json.dumps({"selector": json.loads(METHOD)})
            status, _, text = self.change(page, good, "clear", body)
            self.assertEqual(status, 200, text)
            status, _, text = self.change(page, good, "reset", body)
            self.assertEqual(status, 200, text)
            self.assertEqual(self.state(page), "BREAKER_STATE_CLOSED")

    def test_another_name_is_refused(self):
        with Page([self.target], "--allow-host", "dash.example") as page:
            for host in ("evil.example", f"evil.example:{page.port}", "",
                         "127.0.0.1.evil.example", "127.0.0.2",
                         "[::1].evil.example"):
                for path in ("/", "/events", "/plain", "/app.js", "/nothing"):
                    status, _, _ = page.ask("GET", path, None, {"Host": host})
                    self.assertEqual(status, 421, (host, path))
            for host in ("localhost", f"localhost:{page.port}", "127.0.0.1",
                         f"[::1]:{page.port}", "LOCALHOST", "dash.example"):
                status, _, _ = page.ask("GET", "/", None, {"Host": host})
                self.assertEqual(status, 200, host)

    def test_its_headers_let_nothing_else_in(self):
        with Page([self.target]) as page:
            for path in ("/", "/app.js", "/style.css", "/plain"):
                _, headers, _ = page.ask("GET", path)
                policy = headers["Content-Security-Policy"]
                self.assertIn("default-src 'none'", policy)
                self.assertIn("frame-ancestors 'none'", policy)
                self.assertNotIn("unsafe", policy)
                self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
                self.assertNotIn("Access-Control-Allow-Origin", headers)

    def test_by_default_it_is_on_the_loopback_interface_alone(self):
        with Page([self.target]) as page:
            with open("/proc/net/tcp", encoding="ascii") as file:
                places = [line.split()[1] for line in file.readlines()[1:]
                          if line.split()[3] == "0A"]
            mine = [place for place in places
                    if place.endswith(f":{page.port:04X}")]
            self.assertEqual(mine, [f"0100007F:{page.port:04X}"])

    def test_a_port_that_is_taken_is_an_error(self):
        with Page([self.target]) as page:
            for listen in (f"127.0.0.1:{page.port}", "127.0.0.1:x", "nonsense",
                           "127.0.0.1:70000"):
                done = subprocess.run(
                    [os.environ["FIREBREAKCTL"], "serve", "--listen", listen,
                     "--target", self.target],
                    capture_output=True, text=True, timeout=PATIENCE,
                    check=False)
                self.assertEqual(done.returncode, 2, listen)
                self.assertIn("--listen", done.stderr)
                self.assertEqual(done.stderr.count("\n"), 1, done.stderr)

    def test_bad_requests_are_told_so(self):
        with Page([self.target]) as page:
            for path, body in (("/api/method?target=nobody", METHOD),
                               ("/api/method", METHOD),
                               (f"/api/method?target={self.target}", "{"),
                               (f"/api/method?target={self.target}", "[1]"),
                               (f"/api/method?target={self.target}", "\xff")):
                status, _, _ = page.ask("POST", path, body.encode("latin-1"),
                                        JSON)
                self.assertEqual(status, 400, (path, body))
            status, _, _ = page.ask("POST",
                                    f"/api/method?target={self.target}",
                                    "x" * 100_000, JSON)
            self.assertIn(status, (400, 413))
            status, _, _ = page.ask("GET", "/../../etc/passwd")
            self.assertEqual(status, 404)
            self.assertEqual(page.ask("GET", "/")[0], 200)

    def test_a_thousand_viewers_that_never_read_harm_nobody(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE,
                           (max(soft, min(hard, 2_000)), hard))
        with Page([self.target]) as page:
            viewers = []
            statuses = []
            for _ in range(1_000):
                viewer = socket.create_connection(("127.0.0.1", page.port),
                                                  PATIENCE)
                viewer.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n"
                               b"Connection: close\r\n\r\n")
                statuses.append(viewer.recv(12).split()[1])
                viewers.append(viewer)
            self.assertEqual(statuses.count(b"200"), 32)
            self.assertEqual(statuses.count(b"503"), 968)
            # Viewers that were refused hold no files and no threads.
            self.assertLess(
                len(os.listdir(f"/proc/{page.process.pid}/fd")), 100)
            self.assertLess(
                len(os.listdir(f"/proc/{page.process.pid}/task")), 100)
            # Other requests are answered meanwhile.
            self.assertEqual(page.ask("GET", "/")[0], 200)
            self.assertEqual(page.ask("GET", "/plain")[0], 200)
            for viewer in viewers:
                viewer.close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
