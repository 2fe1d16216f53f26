"""A headless Chromium, driven over a pipe by the DevTools protocol (JSON messages that end with a zero byte)."""
import base64
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

COMMAND = next((c for c in ("chromium", "chromium-browser", "google-chrome") if shutil.which(c)), None)


class Browser:
    def __enter__(self):
        if not COMMAND:
            raise AssertionError("no Chromium: install the package chromium (sh tools/packages.sh test)")
        self.home = tempfile.mkdtemp(prefix="rote-browser-")
        to_browser, self.write_to = os.pipe()
        self.read_from, from_browser = os.pipe()
        files = f"exec 3<&{to_browser} 4>&{from_browser}; exec \"$@\""  # it reads from 3 and writes to 4
        self.process = subprocess.Popen(
            ["sh", "-c", files, "sh", COMMAND, "--headless", "--no-sandbox", "--disable-gpu",
             "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run", f"--user-data-dir={self.home}", "--remote-debugging-pipe"],
            pass_fds=(to_browser, from_browser), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self.number, self.left, self.session, self.events = 0, b"", None, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(self, *error):
        self.process.kill()
        self.process.wait()
        os.close(self.write_to)
        os.close(self.read_from)
        shutil.rmtree(self.home, ignore_errors=True)

    def message(self):
        while b"\0" not in self.left:
            more = os.read(self.read_from, 1 << 20)
            if not more:
                raise AssertionError("the browser has ended")
            self.left += more
        one, self.left = self.left.split(b"\0", 1)
        return json.loads(one)

    def call(self, method, **parameters):
        self.number += 1
        text = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            text["sessionId"] = self.session
        os.write(self.write_to, json.dumps(text).encode() + b"\0")
        while True:
            got = self.message()
            if got.get("id") == self.number:
                if "error" in got:
                    raise AssertionError(f"{method}: {got['error']}")
                return got["result"]
            self.events.append(got)

    def open(self, path, width, dark=False):
        """A page's file, laid out for a window of this width."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", media="", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.events = []
        self.call("Page.navigate", url=pathlib.Path(path).resolve().as_uri())
        while not any(e.get("method") == "Page.loadEventFired" for e in self.events):
            self.events.append(self.message())

    def value(self, expression):
        """Of JavaScript in the page; of a promise what it gives."""
        got = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in got:
            raise AssertionError(f"{expression[:80]}: {got['exceptionDetails']}")
        return got["result"].get("value")

    def complaints(self):
        """What the console was told since the page was opened, and what the page asked for but its own file."""
        out = []
        for e in self.events:
            p = e.get("params", {})
            if e.get("method") in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"):
                out.append(json.dumps(p)[:500])
            if e.get("method") == "Network.requestWillBeSent" and p["type"] != "Document" and \
                    not p["request"]["url"].startswith("data:"):
                out.append(f"asked for {p['request']['url'][:200]}")
        return out

    def screenshot(self, path):
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        data = self.call("Page.captureScreenshot", captureBeyondViewport=True,
                         clip={"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1})["data"]
        pathlib.Path(path).write_bytes(base64.b64decode(data))

    def pdf(self, path):
        pathlib.Path(path).write_bytes(base64.b64decode(self.call("Page.printToPDF", printBackground=False)["data"]))
