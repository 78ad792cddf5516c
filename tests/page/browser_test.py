"""Tests what the page shows, in a real browser.

  FIREBREAKCTL=... PAGE_SCENE=... python3 browser_test.py

The tests are skipped, with the reason, where there is no chromium.
"""
import sys
import unittest

from scene import (PATIENCE, Browser, Nobody, Page, Scene,
                   missing_for_browser)

NASTY = ["/shop.v1.Evil/<img src=x onerror=alert(1)>",
         "/shop.v1.Evil/</script><script>document.title='owned'</script>",
         "/shop.v1.Evil/\x1b[2J\x00\n\u202e\"'&lt;",
         "/shop.v1.Evil/javascript:alert(1)",
         "/shop.v1.Long/" + "<b>" * 1400]

# Notes in the page when each state of a method's tile was first seen.
WATCH = """(() => {
  window.seen = [];
  const look = () => {
    const tile = [...document.querySelectorAll('.tile')]
        .find((t) => t.querySelector('.name').textContent === '%s');
    const state = tile && tile.querySelector('.state').textContent;
    if (state && state !== window.seen.at(-1)?.state) {
      window.seen.push({state, at: Date.now(), tile: tile.textContent});
    }
  };
  new MutationObserver(look).observe(document.getElementById('tile-list'),
      {subtree: true, childList: true, characterData: true});
  look();
})()"""


def tile(name):
    return ("[...document.querySelectorAll('.tile')].find((t) => "
            f"t.querySelector('.name').textContent === '{name}')")


class BrowserTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.browser = Browser()

    @classmethod
    def tearDownClass(cls):
        cls.browser.__exit__()

    def setUp(self):
        self.browser.look_like(1200, 800)

    def test_the_story_of_an_outage(self):
        with Scene(1, 3) as scene, Page(scene.targets) as page:
            browser = self.browser
            browser.open(page.url)
            browser.wait(tile("Method1"))
            browser.get(WATCH % "Method1")
            scene.tell("trip 0 1")
            browser.wait("window.seen.at(-1).state.includes('open')")
            # The worst method comes first, with its reason and its timer.
            self.assertEqual(browser.get(
                "document.querySelector('.tile .name').textContent"), "Method1")
            text = browser.get(tile("Method1") + ".textContent")
            self.assertIn("2 failures in a row (limit 2)", text)
            browser.wait(tile("Method1") +
                         ".querySelector('.timer').textContent.includes('probe')")
            # The probe becomes due with time; until then no call is a probe.
            browser.wait(tile("Method1") + ".textContent.includes("
                         "'the next call is a probe')")
            scene.tell("probe 0 1")
            browser.wait("window.seen.at(-1).state.includes('half-open')")
            scene.tell("heal 0 1")
            browser.wait("window.seen.at(-1).state.includes('closed')")
            states = [each["state"] for each in browser.get("window.seen")]
            self.assertEqual(states, ["● closed", "✕ open", "◐ half-open",
                                      "● closed"])
            # How long after the event's own time the page showed each state.
            browser.get("document.querySelector('[data-view=events]').click()")
            browser.wait("document.querySelectorAll('#event-list time')"
                         ".length === 3")
            events = browser.get(
                "[...document.querySelectorAll('#event-list time')]"
                ".map((t) => Date.parse(t.dateTime)).reverse()")
            shown = [each["at"] for each in browser.get("window.seen")][1:]
            for event, at in zip(events, shown):
                print(f"    shown {at - event} ms after the event")
                # The goal is 1000, but a machine may stand still.
                self.assertLess(at - event, 10_000)
            self.assertEqual(browser.complaints, [])

    def test_names_are_text(self):
        with Scene(1, 1, NASTY) as scene, Page(scene.targets) as page:
            browser = self.browser
            browser.open(page.url)
            browser.wait("document.querySelectorAll('.tile').length === 6")
            for view in ("fleet", "events", "tiles"):
                browser.get(
                    f"document.querySelector('[data-view={view}]').click()")
                browser.wait(f"!document.getElementById('{view}').hidden")
            for i in range(6):
                scene.tell(f"trip 0 {i}")
            scene.tell("refuse 0 1")
            browser.wait("document.querySelectorAll('.tile.open').length === 6")
            for i in range(6):
                browser.get(f"document.querySelectorAll('.tile')[{i}].click()")
                browser.wait("document.querySelector('#detail dl')")
                browser.get("document.getElementById('detail').close()")
            self.assertEqual(browser.get(
                "document.querySelectorAll('main img, main script, main b,"
                " dialog img, dialog script, dialog b').length"), 0)
            self.assertEqual(browser.get("document.title"), "firebreak")
            self.assertEqual(browser.complaints, [])
            # The table for browsers without JavaScript escapes them too.
            _, _, plain = page.ask("GET", "/plain")
            self.assertNotIn("<img", plain)
            self.assertNotIn("<script", plain)
            self.assertNotIn("\x1b", plain)
            self.assertIn("&lt;img src=x onerror=alert(1)&gt;", plain)

    def test_everything_about_one_method(self):
        with Scene(2, 2) as scene, Page(scene.targets) as page:
            browser = self.browser
            scene.tell("trip 1 0")
            scene.tell("refuse 1 0")
            scene.tell("refuse 1 0")
            browser.open(page.url)
            browser.wait(tile("Method0") + ".classList.contains('open')")
            self.assertIn("1 of 2 processes",
                          browser.get(tile("Method0") + ".textContent"))
            browser.get(tile("Method0") + ".click()")
            browser.wait("document.querySelector('#detail pre')")
            # Of the two processes, the one in trouble is shown.
            self.assertEqual(browser.get(
                "document.querySelector('#detail select').value"),
                scene.targets[1])
            text = browser.get("document.getElementById('detail').textContent")
            for part in ("/shop.v1.Service0/Method0",
                         "the breaker has been open for 12s", "breaker_open",
                         "version 1", "consecutiveFailures",
                         "closed → ✕ open"):
                self.assertIn(part, text)
            # The dialog has no control that changes something, and Escape
            # closes it.
            self.assertEqual(browser.get(
                "document.querySelectorAll('#detail form').length"), 0)
            self.assertEqual(browser.get(
                "[...document.querySelectorAll('#detail button')]"
                ".map((b) => b.textContent).join()"), "Close")
            for kind in ("rawKeyDown", "keyUp"):
                browser.call("Input.dispatchKeyEvent", type=kind, key="Escape",
                             code="Escape", windowsVirtualKeyCode=27)
            browser.wait("!document.getElementById('detail').open")
            self.assertEqual(browser.complaints, [])

    def test_a_change_is_confirmed_with_the_token(self):
        with Scene(1, 1) as scene, \
                Page(scene.targets, "--allow-changes") as page:
            browser = self.browser
            browser.open(page.url)
            browser.wait(tile("Method0"))
            browser.get(tile("Method0") + ".click()")
            browser.wait("document.querySelector('#detail dl')")
            browser.get("[...document.querySelectorAll('#detail button')]"
                        ".find((b) => b.textContent.startsWith('Refuse'))"
                        ".click()")

            def submit(token):
                browser.get("document.querySelector('#detail form input')"
                            f".value = '{token}'")
                browser.get("document.querySelector('#detail form')"
                            ".requestSubmit()")

            submit("wrong-token-wrong-token")
            browser.wait("document.getElementById('detail').textContent"
                         ".includes('not the one for changes')")
            self.assertEqual(browser.get(tile("Method0") +
                                         ".querySelector('.state').textContent"),
                             "● closed")
            submit(page.token)
            browser.wait(tile("Method0") +
                         ".textContent.includes('held open')")
            # The browser itself complains of the refusal, a response with 403.
            self.assertEqual([each for each in browser.complaints
                              if "403" not in each], [])

    def test_a_target_that_dies_greys_out_and_comes_back(self):
        with Scene(2, 2) as scene, Page(scene.targets) as page:
            browser = self.browser
            browser.open(page.url)
            browser.wait(tile("Method0"))
            browser.get("document.querySelector('[data-view=fleet]').click()")
            browser.wait("document.querySelectorAll('#heat .cell').length === 4")
            scene.tell("stop 1")
            browser.wait("document.querySelectorAll('#heat .dead').length === 2")
            self.assertIn("1 of 2 processes answer", browser.get(
                "document.getElementById('status').textContent"))
            scene.tell("stop 0")
            browser.wait("document.querySelectorAll('.tile.stale').length === 2")
            scene.tell("start 1")
            scene.tell("start 0")
            browser.wait("document.querySelectorAll('#heat .dead').length === 0")
            browser.wait("document.querySelectorAll('.tile.stale').length === 0")
            scene.tell("trip 1 0")
            browser.wait("document.querySelectorAll('#heat .open').length === 1")
            self.assertEqual(browser.complaints, [])

    def test_what_answers_in_the_place_of_a_process_is_told(self):
        with Scene(2, 2) as scene, Page(scene.targets) as page:
            browser = self.browser
            browser.open(page.url)
            browser.wait(tile("Method1"))
            browser.get("document.querySelector('[data-view=fleet]').click()")
            browser.wait("document.querySelectorAll('#heat .cell').length === 4")

            def expect(said):
                browser.wait(
                    "document.querySelectorAll('#heat .dead').length === 2")
                browser.wait("[...document.querySelectorAll('#heat .dead')]"
                             ".every((cell) => cell.title.startsWith("
                             f"'{scene.targets[1]}: {said}'))")
                status = browser.get(
                    "document.getElementById('status').textContent")
                self.assertIn("1 of 2 processes answer", status)
                self.assertIn(f"{scene.targets[1]}: {said}", status)
                # The other process goes on meanwhile.
                scene.tell("trip 0 1")
                browser.wait("document.querySelectorAll('#heat .open')"
                             ".length === 1")
                scene.tell("reset 0 1")
                browser.wait("document.querySelectorAll('#heat .open')"
                             ".length === 0")

            def expect_back():
                scene.tell("start 1")
                browser.wait(
                    "document.querySelectorAll('#heat .dead').length === 0")

            for kind, said in (("bare", "it has no firebreak admin service"),
                               # Bytes that are no message are no answer.
                               ("garbage", "it has no firebreak admin service"),
                               ("mute", "INTERNAL, without a message")):
                scene.tell(f"{kind} 1")
                expect(said)
                expect_back()
            for kind in ("random", "http1", "silent"):
                scene.tell("stop 1")
                with Nobody(scene.targets[1], kind) as nobody:
                    self.assertTrue(nobody.asked.wait(PATIENCE), kind)
                    expect("")
                expect_back()
            self.assertEqual(browser.complaints, [])

    def test_a_process_of_another_version_is_shown_as_far_as_it_goes(self):
        with Scene(2, 2) as scene, Page(scene.targets) as page:
            browser = self.browser
            browser.open(page.url)
            browser.wait(tile("Method1"))
            browser.get("document.querySelector('[data-view=fleet]').click()")
            scene.tell("newer 1")
            browser.wait("[...document.querySelectorAll('#heat .cell')]"
                         ".some((cell) => cell.title.includes('state 99'))")
            # Its other method is no longer shown as called, and the other
            # process is shown as before.
            browser.wait("[...document.querySelectorAll('#heat .cell')].filter("
                         "(cell) => cell.title.includes('not called'))"
                         ".length === 1")
            browser.get("[...document.querySelectorAll('#heat .cell')].find("
                        "(cell) => cell.title.includes('state 99')).click()")
            browser.wait("document.querySelector('#detail table')")
            text = browser.get("document.getElementById('detail').textContent")
            for part in ("state 99", "of a version to come",
                         "This process does not tell"):
                self.assertIn(part, text)
            for word in ("undefined", "NaN", "Invalid"):
                self.assertNotIn(word, text)
            browser.get("document.getElementById('detail').close()")
            scene.tell("start 1")
            browser.wait("document.querySelectorAll('#heat .closed')"
                         ".length === 4")
            self.assertEqual(browser.complaints, [])

    def test_a_page_whose_server_goes_says_so(self):
        with Scene(1, 1) as scene, Page(scene.targets) as page:
            browser = self.browser
            browser.open(page.url)
            browser.wait(tile("Method0"))
            page.process.terminate()
            browser.wait("document.getElementById('status').textContent"
                         ".includes('is lost')")

    def test_keyboard_filter_narrow_and_dark(self):
        with Scene(1, 12) as scene, Page(scene.targets) as page:
            browser = self.browser
            browser.look_like(320, 600, "dark")
            browser.open(page.url)
            browser.wait(tile("Method0"))
            # Nothing is wider than the window, and the background is dark.
            self.assertLessEqual(browser.get(
                "document.documentElement.scrollWidth"), 320)
            self.assertEqual(browser.get(
                "getComputedStyle(document.body).backgroundColor"),
                "rgb(18, 20, 24)")
            # The keyboard opens a tile, and each control has a name.
            browser.get("document.querySelector('.tile').focus()")
            for kind in ("rawKeyDown", "char", "keyUp"):
                browser.call("Input.dispatchKeyEvent", type=kind, key="Enter",
                             code="Enter", windowsVirtualKeyCode=13, text="\r")
            browser.wait("document.getElementById('detail').open")
            browser.get("document.getElementById('detail').close()")
            nameless = browser.call("Accessibility.getFullAXTree")["nodes"]
            for node in nameless:
                role = node.get("role", {}).get("value")
                if role in ("button", "searchbox", "combobox", "link"):
                    self.assertTrue(node.get("name", {}).get("value"), node)
            browser.get("""(() => {
              const filter = document.getElementById('filter');
              filter.value = 'method11';
              filter.dispatchEvent(new Event('input'));
            })()""")
            browser.wait("[...document.querySelectorAll('#tile-list li')]"
                         ".filter((each) => !each.hidden).length === 1")
            self.assertEqual(browser.complaints, [])


if __name__ == "__main__":
    missing = missing_for_browser()
    if missing:
        print(f"skipped: {missing}")
        sys.exit(77)
    unittest.main(verbosity=2)
