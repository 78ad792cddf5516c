"""Takes the pictures of the page for the documentation.

  FIREBREAKCTL=... PAGE_SCENE=... python3 pictures.py FOLDER
"""
import os
import sys

from scene import Browser, Page, Scene, missing_for_browser

SHOP = ["PaymentService/Charge", "PaymentService/Refund",
        "InventoryService/Reserve", "InventoryService/Release",
        "OrderService/CreateOrder", "CatalogService/Find",
        "CatalogService/GetPrice", "UserService/GetUser"]


def main(folder):
    missing = missing_for_browser()
    if missing:
        sys.exit(f"no pictures: {missing}")
    names = ["/shop.v1." + name for name in SHOP]
    with Scene(4, 0, names) as scene, Page(scene.targets) as page, \
            Browser() as browser:
        scene.tell("churn")
        browser.look_like(1180, 620)
        browser.open(page.url)
        # So many points make a curve.
        browser.wait("document.querySelector('.spark .p99')?.getAttribute('d')"
                     ".split('L').length > 6")
        scene.tell("trip 0 0")
        scene.tell("refuse 0 0")
        scene.tell("trip 2 0")
        scene.tell("trip 1 5")
        scene.tell("probe 1 5")
        browser.wait("document.querySelectorAll('.tile.open').length > 0")
        browser.picture(os.path.join(folder, "page.png"))
        browser.look_like(1180, 620, "dark")
        browser.get("document.querySelector('[data-view=fleet]').click()")
        browser.wait("document.querySelectorAll('#heat .open').length > 0")
        browser.picture(os.path.join(folder, "page-fleet-dark.png"))
        browser.get("document.querySelector('#heat .open').click()")
        browser.wait("document.querySelector('#detail pre')")
        browser.look_like(1180, 620)
        browser.picture(os.path.join(folder, "page-method.png"))


if __name__ == "__main__":
    main(sys.argv[1])
