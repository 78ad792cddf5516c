"""What the tests of the page share: the scene, `firebreakctl serve`, a browser.

  with Scene(2, 3) as scene, Page(scene.targets) as page:
      with Browser() as browser:
          browser.open(page.url)
          browser.wait("document.querySelector('.tile.open')")

No wait here is for a fixed time. Each is for something to happen, and fails
only after a generous time, since a machine may stand still.
"""
import http.client
import json
import os
import random
import shutil
import socket
import subprocess
import tempfile
import threading
import time

PATIENCE = 60


class Scene:
    """The processes of page_scene, which do what tell() says."""

    def __init__(self, processes, methods, names=()):
        escaped = ["".join(f"%{byte:02x}" for byte in name.encode())
                   for name in names]
        self.process = subprocess.Popen(
            [os.environ["PAGE_SCENE"], str(processes), str(methods), *escaped],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True)
        self.targets = []
        for line in self.process.stdout:
            if line == "ready\n":
                break
            self.targets.append(line.strip())

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer == "ok\n", (line, answer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(PATIENCE)
        self.process.stdout.close()


class Nobody:
    """Something that is no gRPC server, at the port of a stopped process.

    `asked` is set as soon as somebody has connected to it."""

    def __init__(self, target, kind):
        self.kind = kind
        self.asked = threading.Event()
        self.socket = socket.create_server(
            (target.rsplit(":", 1)[0], int(target.rsplit(":", 1)[1])))
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self):
        links = []
        while True:
            try:
                link, _ = self.socket.accept()
            except OSError:
                break
            links.append(link)
            self.asked.set()
            try:
                if self.kind == "random":
                    link.sendall(random.Random(1).randbytes(4096))
                    link.close()
                elif self.kind == "http1":
                    link.sendall(b"HTTP/1.1 400 Bad Request\r\n"
                                 b"Content-Length: 0\r\n\r\n")
                    link.close()
            except OSError:
                pass  # the client has gone
        for link in links:
            link.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.socket.close()


class Page:
    """`firebreakctl serve`, on a free port."""

    def __init__(self, targets, *args):
        self.process = subprocess.Popen(
            [os.environ["FIREBREAKCTL"], "serve", "--listen", "127.0.0.1:0",
             "--target", ",".join(targets), *args],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True)
        self.url = self.process.stdout.readline().strip()
        self.port = int(self.url.rstrip("/").rsplit(":", 1)[1])
        self.token = None
        if "--allow-changes" in args and "--change-token-file" not in args:
            self.token = self.process.stdout.readline().split()[-1]

    def ask(self, method, path, body=None, headers=None):
        """Returns (status, headers, text) of the answer to a request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port,
                                                timeout=PATIENCE)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), \
                answer.read().decode()
        finally:
            connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(PATIENCE)
        self.process.stdout.close()


def missing_for_browser():
    """Returns why there is no browser, or None if there is one."""
    if not shutil.which("chromium"):
        return "no chromium"
    try:
        import websocket  # noqa: F401
    except ImportError:
        return "no python3-websocket"
    return None


class Browser:
    """Headless Chromium, over its DevTools protocol."""

    def __init__(self, width=1200, height=800):
        import websocket
        self.folder = tempfile.mkdtemp(prefix="firebreak-page-")
        self.process = subprocess.Popen(
            ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu",
             "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
             "--disable-background-networking", "--disable-component-update",
             "--remote-debugging-port=0", "--remote-allow-origins=*",
             f"--window-size={width},{height}",
             f"--user-data-dir={self.folder}", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        port_file = os.path.join(self.folder, "DevToolsActivePort")
        try:
            port = _until(lambda: self._port(port_file))
            url = _until(lambda: self._page(port))
            self.socket = websocket.create_connection(url, timeout=PATIENCE)
        except Exception:
            self.process.kill()
            self.process.wait()
            raise
        self.serial = 0
        self.complaints = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")

    @staticmethod
    def _port(path):
        try:
            with open(path, encoding="ascii") as file:
                return file.readline().strip()
        except OSError:
            return None

    @staticmethod
    def _page(port):
        connection = http.client.HTTPConnection("127.0.0.1", int(port),
                                                timeout=PATIENCE)
        try:
            connection.request("GET", "/json/list")
            pages = json.loads(connection.getresponse().read())
            return next((page["webSocketDebuggerUrl"] for page in pages
                         if page["type"] == "page"), None)
        except OSError:
            return None
        finally:
            connection.close()

    def call(self, method, **params):
        self.serial += 1
        self.socket.send(json.dumps(
            {"id": self.serial, "method": method, "params": params}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == self.serial:
                assert "error" not in message, (method, message)
                return message["result"]
            self._note(message)

    def _note(self, message):
        params = message.get("params", {})
        if message.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(str(params["exceptionDetails"]))
        elif message.get("method") == "Runtime.consoleAPICalled":
            if params["type"] in ("error", "warning", "assert"):
                self.complaints.append(str(params["args"]))
        elif message.get("method") == "Log.entryAdded":
            if params["entry"]["level"] in ("error", "warning"):
                self.complaints.append(str(params["entry"]))
        elif message.get("method") == "Page.javascriptDialogOpening":
            self.complaints.append("a dialog: " + params["message"])

    def open(self, url):
        """Opens a page, and forgets earlier complaints."""
        self.call("Page.navigate", url="about:blank")
        self.complaints = []
        self.call("Page.navigate", url=url)

    def look_like(self, width, height, scheme="light", scale=1):
        self.call("Emulation.setDeviceMetricsOverride", width=width,
                  height=height, deviceScaleFactor=scale, mobile=width < 600)
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": scheme}])

    def get(self, expression):
        """Returns the value of a JavaScript expression."""
        result = self.call("Runtime.evaluate", expression=expression,
                           returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, (expression, result)
        return result["result"].get("value")

    def wait(self, expression):
        """Waits until the expression is true; an exception counts as false."""
        _until(lambda: self.get("(() => { try { return Boolean("
                                f"{expression}); }} catch {{ return false; }} "
                                "})()"), expression)

    def picture(self, path):
        import base64
        data = self.call("Page.captureScreenshot", format="png")["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
        self.process.terminate()
        self.process.wait(PATIENCE)
        shutil.rmtree(self.folder, ignore_errors=True)


def _until(condition, what=""):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"not within {PATIENCE} s: {what}")
