"""The page of `femo serve` in a headless Chromium."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import cv2
import pytest
from skimage.data import astronaut

from femo_jax.live.output.video import VideoWriter

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (Debian: apt-get install chromium)")

FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
FLAGS += ("--disable-component-update", "--disable-sync", "--use-fake-ui-for-media-stream")
FLAGS += ("--use-fake-device-for-media-stream",)
PATIENCE = 120_000  # milliseconds until a test gives up
expect = playwright.expect
expect.set_options(timeout=PATIENCE)
PHONE = {"width": 390, "height": 844}


def photograph(width):
    """The portrait that scikit-image ships, with a face on every second frame of a clip."""
    image = cv2.cvtColor(astronaut(), cv2.COLOR_RGB2BGR)[:384]
    return cv2.resize(image, (width, width * 3 // 4))


@contextlib.contextmanager
def started(*arguments):
    """A server on a free port; gives its address, and its process."""
    command = [sys.executable, "-m", "femo_jax.cli.main", "serve", "--port", "0", *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "FEMO_TOKEN"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        lines = []
        for line in process.stderr:
            lines.append(line)
            if found := re.search(r"serving on (\S+);", line):
                break
        else:
            pytest.fail("".join(lines))
        yield found[1], process
    finally:
        process.terminate()
        process.communicate(timeout=60)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Four seconds: a face, then none."""
    path = tmp_path_factory.mktemp("clip") / "portrait.mp4"
    face = photograph(320)
    with VideoWriter(path, 10.0) as writer:
        for index in range(40):
            writer.write(face if index < 25 else face[::-1].copy())
    return path


@pytest.fixture(scope="module")
def address(clip):
    with started(str(clip), "--model", "small") as (url, _):
        yield url


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Chromium, whose camera shows a face."""
    camera = tmp_path_factory.mktemp("camera") / "face.mjpeg"
    jpeg = cv2.imencode(".jpg", photograph(320))[1].tobytes()
    camera.write_bytes(jpeg * 20)
    flags = [*FLAGS, f"--use-file-for-fake-video-capture={camera}"]
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser):
    """Opens the page; at the end of the test, nothing must have gone wrong in it but requests that it had refused."""
    problems = []

    def note(message):
        if message.type in ("error", "warning") and "status of 422" not in message.text:
            problems.append(message.text)

    with contextlib.ExitStack() as stack:

        def open_page(address, **options):
            context = browser.new_context(permissions=["camera"], **options)
            stack.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(PATIENCE)
            page.on("console", note)
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.goto(address)
            return page

        yield open_page
    assert problems == []


def numbers(page):
    """Widths of the bars of the first card."""
    return page.eval_on_selector_all(".card .bar span", "bars => bars.map(bar => parseFloat(bar.style.width))")


def picture(page):
    """What the page shows of the source."""
    return page.evaluate("document.querySelector('#video').toDataURL()")


def test_faces_come_and_go(open_page, address):
    page = open_page(address)
    page.wait_for_selector(".card")
    assert re.fullmatch(r"happy\??\s+\d+ %", page.inner_text(".card .label"))
    expect(page.locator("#rate")).not_to_have_text("- fps")
    bars = numbers(page)
    assert len(bars) == 7
    assert sum(bars) == pytest.approx(100, abs=1)
    assert page.get_attribute("#video", "aria-label").startswith("Frame with Face")
    page.wait_for_selector("#no-face", state="visible")
    expect(page.locator("#video")).to_have_attribute("aria-label", "Frame without a face")
    page.wait_for_selector(".card")
    page.locator(".track").nth(1).wait_for()


def test_pause_and_snapshot(open_page, address):
    page = open_page(address)
    page.wait_for_selector(".card")
    page.press("#pause", "Enter")
    assert page.inner_text("#pause") == "Resume"
    before = picture(page)
    # The server goes on: by the time that a second page has seen a face go, this one still shows what it showed.
    other = open_page(address)
    other.wait_for_selector(".card")
    other.wait_for_selector("#no-face", state="visible")
    assert picture(page) == before
    with page.expect_download() as download:
        page.click("#snapshot")
    assert re.fullmatch(r"femo-[\dT-]+\.png", download.value.suggested_filename)
    assert cv2.imread(str(download.value.path())).shape == (240, 320, 3)
    page.click("#pause")
    deadline = time.monotonic() + PATIENCE / 1000
    while picture(page) == before:
        assert time.monotonic() < deadline


def test_settings_are_checked_and_applied(open_page, address):
    page = open_page(address)
    page.click("summary")
    page.fill("#track-smoothing_ms", "-1")
    with page.expect_response("**/v1/settings") as answer:
        page.click("#settings-form button[type=submit]")
    assert answer.value.status == 422
    page.wait_for_selector("#track-smoothing_ms[aria-invalid=true]")
    assert "smoothing_ms is -1" in page.inner_text("#settings-message")
    page.fill("#track-smoothing_ms", "350")
    page.click("#settings-form button[type=submit]")
    expect(page.locator("#settings-message")).to_have_text("Applied.")
    values = page.evaluate("fetch('v1/settings').then(answer => answer.json())")["values"]
    assert values["track"]["smoothing_ms"] == 350


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_fault_of_accessibility_on_a_phone(open_page, address, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = open_page(address, viewport=PHONE, color_scheme=scheme, has_touch=True)
    page.wait_for_selector(".card")
    page.click("#pause")
    page.click("summary")
    found = axe.run(page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found if each["impact"] in ("serious", "critical")] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    sizes = page.eval_on_selector_all("button", "all => all.map(each => each.getBoundingClientRect().height)")
    assert min(size for size in sizes if size) >= 44


def test_the_camera_of_the_browser(open_page, address):
    page = open_page(address)
    page.click("#camera")
    expect(page.locator("#camera")).to_have_text("Stop my camera")
    recognized = re.compile(r'^femo_images_total\{kind="camera"\} (\S+)', re.MULTILINE)
    deadline = time.monotonic() + PATIENCE / 1000
    while not (found := recognized.search(page.request.get(f"{address}metrics").text())) or float(found[1]) < 5:
        assert time.monotonic() < deadline
    page.wait_for_selector(".card")
    assert "happy" in page.inner_text(".card .label")
    page.click("#camera")
    expect(page.locator("#camera")).to_have_text("Use my camera")
    page.wait_for_selector("#no-face", state="visible")  # as the source has it, and the camera has not


def test_a_server_with_a_token_that_ends_and_comes_back(browser, clip):
    """Its clients are told, and the page goes on by itself."""
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    arguments = (str(clip), "--model", "small", "--token", "a secret of tests")
    with started(*arguments) as (address, process):
        page.goto(address)
        page.fill("#token", "wrong token")
        page.press("#token", "Enter")
        page.wait_for_selector("text=This token is wrong.")
        page.fill("#token", "a secret of tests")
        page.press("#token", "Enter")
        page.wait_for_selector(".card")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 128 + signal.SIGINT
        page.wait_for_selector("text=The server cannot be reached.")
    port = re.search(r":(\d+)/", address)[1]
    shown = page.inner_text("#rate")
    with started(*arguments, "--port", port):
        expect(page.locator("#status")).to_have_text("")
        expect(page.locator("#rate")).not_to_have_text(shown)
    context.close()
