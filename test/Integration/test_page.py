"""The web page at "/" in a real browser: headless Chromium, driven by Selenium.

What the demo model would not say (markup, errors in the middle of a stream) is said by forged answers: the page asks for
/v1/chat/completions by fetch(), which a test may replace; everything else comes from the live server.
"""

import contextlib
import json
import re
import shutil
import signal
import time

import pytest

from serving import demo, server, serving  # noqa: F401

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: no browser test of the page")
from selenium.common.exceptions import StaleElementReferenceException  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

STORY = "Tell me a story about a fox named Ada."

# Replaces the answer to a chat request: a status other than 200, or events of a stream with 30 ms between them.
FORGE = """
const real = window.fetch;
window.fetch = async (url, options) => {
  if (!String(url).endsWith("chat/completions")) return real(url, options);
  window.asked = JSON.parse(options.body);
  window.authorization = options.headers.Authorization ?? null;
  const {status, headers, body, events} = FORGED;
  if (status !== 200) return new Response(body, {status, headers});
  const encoder = new TextEncoder();
  return new Response(new ReadableStream({
    async start(controller) {
      for (const event of events) {
        controller.enqueue(encoder.encode(event));
        await new Promise((next) => setTimeout(next, 30));
      }
      controller.close();
    }
  }), {status, headers: {"Content-Type": "text/event-stream"}});
};
"""


# Calls `seen` with the text of the last answer whenever it grows: what is on the page for a moment only.
OBSERVE = """
new MutationObserver(() => {
  const texts = document.querySelectorAll(".message.assistant .text");
  if (texts.length) (SEEN)(texts[texts.length - 1].textContent);
}).observe(document.getElementById("conversation"), {subtree: true, childList: true, characterData: true});
"""


@pytest.fixture(scope="module")
def chromium():
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not browser or not driver:
        pytest.skip("chromium and chromium-driver are not installed: no browser test of the page")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--window-size=1100,800"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    browser.set_page_load_timeout(60)
    yield browser
    browser.quit()


class Page:
    """The page as someone sees it."""

    def __init__(self, browser, url):
        self.browser = browser
        self.scripts = []
        browser.get_log("browser")
        browser.get(url + "/")
        browser.execute_script("localStorage.clear(); sessionStorage.clear()")
        self.url = url

    def forge(self, events=(), status=200, headers=None, body=""):
        """From the next load on, chat requests are answered so."""
        forged = {"status": status, "headers": headers or {}, "body": body, "events": list(events)}
        script = f"{{ const FORGED = {json.dumps(forged)}; {FORGE} }}"
        made = self.browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})
        self.scripts.append(made["identifier"])
        self.browser.refresh()

    def close(self):
        for script in self.scripts:
            self.browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", {"identifier": script})
        self.browser.get("about:blank")

    def observe(self, seen):
        self.browser.execute_script(OBSERVE.replace("SEEN", seen))

    def by_id(self, name):
        return self.browser.find_element(By.ID, name)

    def all(self, selector):
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def texts(self, selector):
        return [found.text for found in self.all(selector)]

    def wait(self, condition, seconds=20):
        """Until condition() is true; its value."""
        waiting = WebDriverWait(self.browser, seconds, 0.02, (StaleElementReferenceException, IndexError))
        return waiting.until(lambda _: condition())

    def ask(self, text):
        self.by_id("prompt").send_keys(text, Keys.ENTER)

    def answer(self):
        """Text of the last answer so far."""
        return self.all(".message.assistant .text")[-1].get_property("textContent")

    def wait_for_end(self):
        self.wait(lambda: self.all(".message.assistant") and not self.all(".message.running"))

    def figures(self):
        return self.texts(".message.assistant .figures")[-1]

    def set(self, **settings):
        """Types into the dialog of settings."""
        self.by_id("open-settings").click()
        for name, value in settings.items():
            field = self.by_id(name)
            field.clear()
            field.send_keys(str(value))
        self.by_id("system").send_keys(Keys.ESCAPE)
        self.wait(lambda: not self.by_id("settings").is_displayed())

    def complaints(self):
        """What the browser's console holds, except statuses that a test asked for."""
        return [entry for entry in self.browser.get_log("browser") if "the server responded with" not in entry["message"]]


@contextlib.contextmanager
def busy(server):
    """Thirty-two long answers that others wait for."""
    body = {"prompt": "Once upon a time", "max_tokens": 1000, "n": 16, "ignore_eos": True}
    streams = [server.stream("/v1/completions", body) for _ in range(2)]
    try:
        yield
    finally:
        for stream in streams:
            stream.close()


@pytest.fixture
def page(chromium, server):
    page = Page(chromium, server.url)
    page.browser.refresh()
    yield page
    page.close()


def content(text, **more):
    return "data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}], **more}) + "\n\n"


END = "data: " + json.dumps({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}) + "\n\ndata: [DONE]\n\n"


def test_an_answer_streams(page):
    page.set(**{"temperature": 0})
    page.observe("(text) => (window.seen ??= []).push([performance.now(), text])")
    page.ask(STORY)
    page.wait_for_end()
    seen = page.browser.execute_script("return seen")
    texts = [text for _, text in seen]
    assert all(after.startswith(before) for before, after in zip(texts, texts[1:]))
    assert len(set(texts)) > 10 and texts[-1] == page.answer()
    # It grew over the time that the answer took, not at its end.
    middle = next(at for at, text in seen if 2 * len(text) >= len(texts[-1]))
    assert middle < seen[-1][0]
    assert len(page.answer()) > 50
    tokens, rate, first = re.fullmatch(r"(\d+) tokens · ([\d.]+) tokens/s · first after ([\d.]+) m?s", page.figures()).groups()
    assert int(tokens) > 10 and float(rate) > 1 and float(first) > 0
    # A conversation: the model hears what it said.
    page.ask("What is 2 + 3?")
    page.wait(lambda: len(page.all(".message.assistant")) == 2)
    page.wait_for_end()
    assert page.texts(".message.user .text") == [STORY, "What is 2 + 3?"]
    assert page.by_id("prompt").get_property("value") == ""
    assert page.complaints() == []


def test_the_model_is_named(page):
    page.wait(lambda: page.by_id("model").text)
    assert page.by_id("model").text in page.browser.title


def test_the_queue_is_shown(page, server):
    page.wait(lambda: "idle" in page.by_id("queue").get_attribute("class"))
    assert (page.by_id("running").text, page.by_id("waiting").text) == ("0", "0")
    assert re.fullmatch(r"[\d.]+%", page.by_id("cache").text)
    with busy(server):
        page.wait(lambda: int(page.by_id("running").text) >= 2)
        page.wait(lambda: float(page.by_id("cache").text.rstrip("%")) > 0)
        assert "busy" in page.by_id("queue").get_attribute("class")
    page.wait(lambda: page.by_id("running").text == "0")


def test_stop(page, server):
    """The client goes away, and the server stops working for it."""
    page.observe("(text) => { if (text.length > 10) document.getElementById('stop').click(); }")
    with busy(server):  # so that the answer takes its time
        before = server.metrics()
        page.ask(STORY)
        page.wait_for_end()
        assert "stopped" in page.figures() and len(page.answer()) > 10
        server.wait_until(lambda figures: figures["nibble:client_disconnects_total"] > before["nibble:client_disconnects_total"])


def test_what_was_stopped_stays(page):
    page.forge([content(f"word{i} ") for i in range(1000)] + [END])
    page.ask(STORY)
    page.wait(lambda: len(page.answer()) > 20)
    page.by_id("stop").click()
    page.wait_for_end()
    stopped = page.answer()
    assert "stopped" in page.figures()
    assert stopped.startswith("word0 word1 ") and "word999" not in stopped
    time.sleep(0.3)
    assert page.answer() == stopped
    # By keyboard, and the conversation goes on.
    page.ask("Again.")
    page.wait(lambda: len(page.all(".message.assistant")) == 2 and len(page.answer()) > 20)
    page.by_id("prompt").send_keys(Keys.ESCAPE)
    page.wait_for_end()
    assert [message["role"] for message in page.browser.execute_script("return asked.messages")] == ["user", "assistant", "user"]


def test_markup_is_text(page):
    evil = "<script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\"> **bold** &amp; <b>b</b>"
    page.forge([content(evil[:20]), content(evil[20:]), END])
    page.ask(evil)
    page.wait_for_end()
    assert page.answer() == evil
    assert page.texts(".message.user .text") == [evil]
    assert page.all(".message script, .message img, .message b") == []
    assert page.browser.title != "owned"
    # Nor would a script run if it got into the page.
    page.browser.execute_script(
        "const s = document.createElement('div'); s.innerHTML = '<img src=\"data:,\" onerror=\"document.title = 1\">'; document.body.append(s)")
    time.sleep(0.3)
    assert page.browser.title != "1"
    assert any("Content Security Policy" in entry["message"] for entry in page.complaints())


def test_settings_go_into_the_request(page):
    page.forge([content("Yes."), END])
    page.set(**{"system": "Be brief.", "temperature": 0.5, "max-tokens": 7, "key": "secret"})
    page.ask("Hello")
    page.wait_for_end()
    asked = page.browser.execute_script("return asked")
    assert asked["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
    assert (asked["temperature"], asked["max_tokens"], asked["stream"]) == (0.5, 7, True)
    assert page.browser.execute_script("return authorization") == "Bearer secret"
    # Remembered in this browser, the key in this tab.
    page.browser.refresh()
    assert page.by_id("system").get_property("value") == "Be brief."
    assert page.by_id("key").get_property("value") == "secret"
    assert "secret" not in page.browser.execute_script("return JSON.stringify({...localStorage})")


def test_errors_of_the_server_are_shown(page):
    overloaded = json.dumps({"error": {"message": "The queue is full.", "type": "overloaded", "param": None, "code": None}})
    page.forge(status=429, headers={"Retry-After": "2"}, body=overloaded)
    page.ask(STORY)
    page.wait(lambda: page.texts(".error .reason") == ["The queue is full. Try again in 2 s."])
    assert page.texts(".message.user .text") == [STORY]
    page.all(".error .again")[0].click()
    page.wait(lambda: len(page.all(".error .reason")) == 1)
    # In the middle of an answer: what came stays until one tries again.
    page.forge([content("Once"), 'data: {"error": {"message": "The server goes away."}}\n\ndata: [DONE]\n\n'])
    page.ask(STORY)
    page.wait(lambda: page.texts(".error .reason") == ["The server goes away."])
    assert page.answer() == "Once"


def test_a_key_is_asked_for(demo, chromium):
    with serving(demo, "--api-key", "open sesame") as server:
        page = Page(chromium, server.url)
        page.browser.refresh()
        page.wait(lambda: page.by_id("key-wanted").is_displayed())
        assert page.browser.switch_to.active_element.get_attribute("id") == "key"
        page.wait(lambda: page.browser.execute_script("return document.querySelector('.offline').textContent") == "API key needed")
        page.browser.switch_to.active_element.send_keys("wrong", Keys.ENTER)
        asked = 'return performance.getEntriesByType("resource").filter((entry) => entry.name.endsWith("/models")).length'
        page.wait(lambda: page.browser.execute_script(asked) == 2 and page.by_id("key-wanted").is_displayed())
        page.browser.switch_to.active_element.send_keys("open sesame", Keys.ENTER)
        page.wait(lambda: not page.by_id("settings").is_displayed() and page.by_id("model").text)
        page.wait(lambda: "idle" in page.by_id("queue").get_attribute("class"))
        page.ask(STORY)
        page.wait_for_end()
        assert page.texts(".conversation .error") == [] and page.answer()
        page.close()


def test_a_server_that_is_gone(demo, chromium):
    with serving(demo) as server:
        page = Page(chromium, server.url)
        page.wait(lambda: "idle" in page.by_id("queue").get_attribute("class"))
        server.stop(signal.SIGKILL)
        page.ask(STORY)
        page.wait(lambda: page.texts(".error .reason") == ["The server cannot be reached."])
        page.wait(lambda: "no connection" in page.by_id("queue").text)
    with serving(demo, port=server.port):
        page.wait(lambda: "idle" in page.by_id("queue").get_attribute("class"))
        page.all(".error .again")[0].click()
        page.wait_for_end()
        assert page.texts(".conversation .error") == [] and page.answer()
        page.close()


def test_headers(server):
    for path, kind in (("/", "text/html"), ("/page.js", "text/javascript"), ("/page.css", "text/css"), ("/icon.svg", "image/svg+xml")):
        status, headers, body = server.request("GET", path)
        assert status == 200 and headers["content-type"].startswith(kind) and body
        assert "default-src 'none'" in headers["content-security-policy"] and "unsafe" not in headers["content-security-policy"]
        status, _, body = server.request("GET", path, headers={"If-None-Match": headers["etag"]})
        assert (status, body) == (304, "")


def test_new_conversation_and_keyboard(page):
    page.forge([content("Yes."), END])
    prompt = page.by_id("prompt")
    prompt.send_keys("one", Keys.SHIFT, Keys.ENTER, Keys.NULL, "two")
    assert prompt.get_property("value") == "one\ntwo"
    prompt.send_keys(Keys.ENTER)
    page.wait_for_end()
    page.by_id("new").click()
    assert page.all(".message") == []
    assert page.by_id("welcome").is_displayed()
    assert page.browser.switch_to.active_element == prompt
    page.all(".examples button")[0].click()
    page.wait_for_end()
    assert len(page.browser.execute_script("return asked.messages")) == 1


def test_dark_and_light(page, chromium):
    def ground():
        return chromium.execute_script("return getComputedStyle(document.body).backgroundColor")

    for scheme in ("light", "dark"):
        chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
        page.browser.refresh()
        brightness = sum(map(int, re.findall(r"\d+", ground())[:3])) / 3
        assert brightness > 200 if scheme == "light" else brightness < 60
    before = ground()
    page.by_id("theme").click()
    assert ground() != before
    after = ground()
    page.browser.refresh()
    assert ground() == after


def test_it_fits_a_phone(page, chromium):
    page.forge([content("A" * 300 + " and some words. " * 20), END])
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": 360, "height": 640, "deviceScaleFactor": 2, "mobile": True})
    try:
        page.ask(STORY)
        page.wait_for_end()
        assert chromium.execute_script("return document.documentElement.scrollWidth") == 360
        for name in ("send", "new", "open-settings", "queue"):
            box = page.by_id(name).rect
            assert box["width"] > 0 and box["x"] >= 0 and box["x"] + box["width"] <= 360 and box["y"] + box["height"] <= 640, name
    finally:
        chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
