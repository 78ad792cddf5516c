"""Tests how the page shows the story of scripts/demo.

  FIREBREAKCTL=... SHOP_DEMO=... python3 demo_test.py

The test is skipped, with the reason, where there is no chromium.
"""
import os
import subprocess
import sys
import unittest

from scene import PATIENCE, Browser, Page, missing_for_browser

# Notes when each event of payment first was on the page, and each state of the
# tile. What was there before the watch began does not count as late.
WATCH = """(() => {
  window.watchedFrom = Date.now();
  window.events = new Map();
  window.states = [];
  const look = () => {
    for (const item of document.querySelectorAll('#event-list li')) {
      const time = item.querySelector('time')?.dateTime;
      if (!time || !item.textContent.includes(' payment ')) continue;
      const key = time + item.textContent;
      if (window.events.has(key)) continue;
      window.events.set(key, {text: item.textContent, shown: Date.now(),
                              at: Date.parse(time)});
    }
    const tile = [...document.querySelectorAll('.tile')]
        .find((t) => t.querySelector('.name').textContent === 'Charge');
    const state = tile?.querySelector('.state').textContent;
    if (state && state !== window.states.at(-1)?.state) {
      window.states.push({state, text: tile.textContent});
    }
  };
  new MutationObserver(look).observe(document.querySelector('main'),
      {subtree: true, childList: true, characterData: true});
  look();
})()"""


class DemoTest(unittest.TestCase):
    def test_the_page_shows_the_story_as_it_happens(self):
        # The browser starts first, since its start may outlast the story.
        browser = Browser()
        self.addCleanup(browser.__exit__)
        demo = subprocess.Popen(
            [os.environ["SHOP_DEMO"], "--seconds-per-phase", "2",
             "--normal-priority"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True)
        self.addCleanup(demo.stdout.close)
        self.addCleanup(demo.wait)
        self.addCleanup(demo.terminate)
        said = ""
        for line in demo.stdout:
            said += line
            if "look on: " in line:
                break
        target = said.split()[-1]
        with Page([target]) as page:
            browser.open(page.url)
            browser.wait("document.documentElement.dataset.draws > 0")
            browser.get(
                "document.querySelector('[data-view=events]').click()")
            browser.get(WATCH)
            browser.wait("[...window.events.values()].some((event) => "
                         "event.text.includes('→ ● closed'))")
            browser.wait("window.states.at(-1).state === '● closed'")
            events = browser.get("[...window.events.values()]"
                                 ".sort((a, b) => a.at - b.at)")
            states = browser.get("window.states")
            watched_from = browser.get("window.watchedFrom")
            complaints = list(browser.complaints)
        said += demo.communicate(timeout=2 * PATIENCE)[0]
        print(said.splitlines()[-1])

        changes = [event for event in events if "→" in event["text"]]
        story = [event["text"].split("→ ")[1].split(" ")[1]
                 for event in changes]
        self.assertEqual(story[:1], ["open"], events)
        self.assertIn("half-open", story)
        self.assertEqual(story[-1], "closed")
        self.assertIn("failures in a row", changes[0]["text"])
        for event in changes:
            if event["at"] < watched_from:
                continue
            late = event["shown"] - event["at"]
            print(f"    shown {late} ms after: {event['text']}")
            # The goal is 1000, but a machine may stand still.
            self.assertLess(late, 10_000)
        # The breaker is half open for milliseconds, so the tile may not have
        # shown that, nor what was before it opened if the page came later.
        shown = [each["state"] for each in states
                 if "half" not in each["state"]]
        self.assertIn("✕ open", shown)
        self.assertEqual(shown[shown.index("✕ open"):][:2],
                         ["✕ open", "● closed"])
        opened = next(each["text"] for each in states if "open" in each["state"])
        self.assertIn("failures in a row", opened)
        self.assertEqual(complaints, [])
        self.assertEqual(demo.returncode, 0, said)


if __name__ == "__main__":
    missing = missing_for_browser()
    if missing:
        print(f"skipped: {missing}")
        sys.exit(77)
    unittest.main(verbosity=2)
