"""Measures an update of a large fleet in the page: 200 methods, 20 processes.

  FIREBREAKCTL=... PAGE_SCENE=... python3 measure.py [METHODS PROCESSES]

The last line is for comparing runs. Nothing is asserted, since the figures
depend on the machine.
"""
import sys

from scene import Browser, Page, Scene, missing_for_browser

DRAWS = 40


def main(methods=200, processes=20):
    missing = missing_for_browser()
    if missing:
        sys.exit(f"nothing measured: {missing}")
    with Scene(processes, methods) as scene, Page(scene.targets) as page, \
            Browser() as browser:
        scene.tell("churn")
        browser.open(page.url)
        browser.wait(f"document.querySelectorAll('.tile').length === {methods}")
        figures = {}
        for view in ("tiles", "fleet"):
            browser.get(
                f"document.querySelector('[data-view={view}]').click()")
            browser.wait("document.documentElement.dataset.draws > 5")
            browser.get("""(() => {
              window.costs = [];
              new MutationObserver(() => window.costs.push(
                  Number(document.documentElement.dataset.drawMs)))
                  .observe(document.documentElement,
                           {attributeFilter: ['data-draws']});
            })()""")
            browser.wait(f"window.costs.length >= {DRAWS}")
            costs = sorted(browser.get("window.costs"))
            figures[view] = (costs[len(costs) // 2], costs[-1])
            print(f"{view}: {methods} methods x {processes} processes, "
                  f"{len(costs)} updates: median {figures[view][0]} ms, "
                  f"longest {figures[view][1]} ms")
        print(f"page: tiles_ms={figures['tiles'][0]} "
              f"tiles_max_ms={figures['tiles'][1]} "
              f"fleet_ms={figures['fleet'][0]} "
              f"fleet_max_ms={figures['fleet'][1]}")


if __name__ == "__main__":
    main(*(int(each) for each in sys.argv[1:]))
