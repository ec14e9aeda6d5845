"""The screenshots of the documentation: the page of `femo serve`, on a desktop and on a phone, and a report.

    python tools/screenshots.py docs/images

They show `make demo`'s clip, which is made from a portrait of an astronaut in the public domain that scikit-image
ships. Needs Chromium and Playwright.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
from demo_clip import FRAMES_PER_SECOND, frames
from playwright.sync_api import Browser, sync_playwright
from skimage.data import astronaut

from femo_jax.cli.main import main as femo
from femo_jax.live.output.video import VideoWriter

DESKTOP, PHONE = {"width": 1120, "height": 850}, {"width": 390, "height": 844}
REPORT = {"width": 900, "height": 850}
FIRST_SECONDS = 3.0  # of the clip, in which the face is in view
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


def write_clip(path: Path, seconds: float | None = None) -> None:
    """The clip of the demo, or its first seconds, forth and back so that the face stays in view."""
    shown = list(frames(cv2.cvtColor(astronaut(), cv2.COLOR_RGB2BGR)))
    if seconds is not None:
        shown = shown[: round(seconds * FRAMES_PER_SECOND)]
        shown = (shown + shown[::-1]) * 5
    with VideoWriter(path, FRAMES_PER_SECOND) as clip:
        for frame in shown:
            clip.write(frame)


def shoot_page(browser: Browser, address: str, path: Path, size: dict, scheme: str) -> None:
    """The live view once a timeline has grown for some seconds."""
    page = browser.new_page(viewport=size, color_scheme=scheme)
    page.goto(address)
    page.wait_for_selector(".track")
    page.wait_for_timeout(14_000)
    page.screenshot(path=path, quality=85)
    page.close()


def main() -> None:
    """Writes live-desktop.jpg, live-phone.jpg and report.png."""
    parser = argparse.ArgumentParser(description="The screenshots of the documentation.")
    parser.add_argument("folder", type=Path, help="for example docs/images")
    folder = parser.parse_args().folder
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as driver:
        clip, report = Path(temporary) / "astronaut.mp4", Path(temporary) / "report.html"
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        write_clip(clip)
        if femo(["report", str(clip), "-o", str(report), "--thumbnails"]) != 0:
            sys.exit("femo report failed")
        page = browser.new_page(viewport=REPORT)
        page.goto(report.as_uri())
        page.screenshot(path=folder / "report.png")
        write_clip(clip, FIRST_SECONDS)
        command = [sys.executable, "-m", "femo_jax.cli.main", "serve", str(clip), "--port", "0"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
            assert server.stderr is not None
            found = next(match for line in server.stderr if (match := re.search(r"serving on (\S+);", line)))
            shoot_page(browser, found[1], folder / "live-desktop.jpg", DESKTOP, "light")
            shoot_page(browser, found[1], folder / "live-phone.jpg", PHONE, "dark")
            server.terminate()
        browser.close()


if __name__ == "__main__":
    main()
