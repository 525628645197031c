"""What a person does with the file wall, in a real browser: Debian's Chromium, without a screen."""

from __future__ import annotations

import hashlib
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from app_lab import PASSWORD, App
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

PATIENCE_SECONDS = 30
PHONE = (390, 844)
"""Width and height in pixels."""


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chrome]:
    """It keeps what it downloads in the test's folder, and asks nobody but us."""
    options = ChromeOptions()
    for word in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-background-networking"):
        options.add_argument(f"--{word}")
    options.add_argument(f"--user-data-dir={tmp_path / 'profile'}")
    options.add_argument("--lang=en")
    options.add_experimental_option("prefs", {"download.default_directory": str(tmp_path / "downloads")})
    options.binary_location = shutil.which("chromium") or ""
    found = Chrome(options, Service(shutil.which("chromedriver")))
    try:
        yield found
    finally:
        found.quit()


def wait(browser: Chrome) -> WebDriverWait[Chrome]:
    return WebDriverWait(browser, PATIENCE_SECONDS, poll_frequency=0.05)


def fill(browser: Chrome, **fields: str) -> None:
    for name, value in fields.items():
        browser.find_element(By.CSS_SELECTOR, f"main [name={name}]").send_keys(value)
    browser.find_element(By.CSS_SELECTOR, "main form button").click()


def test_sign_up_upload_download_and_see_it(browser: Chrome, app: App, tmp_path: Path) -> None:
    content = secrets.token_bytes(3 * 2**20)
    (tmp_path / "여름 사진.bin").write_bytes(content)
    browser.get(app.site)
    browser.find_element(By.LINK_TEXT, "Sign up").click()
    fill(browser, name="홍길동", email=f"{secrets.token_hex(6)}@example.org", password=PASSWORD)
    wait(browser).until(lambda page: page.find_elements(By.CSS_SELECTOR, "form.upload, a[href='/files']"))
    browser.get(f"{app.site}/files")
    fill(browser, file=str(tmp_path / "여름 사진.bin"))
    link = wait(browser).until(lambda page: page.find_element(By.PARTIAL_LINK_TEXT, "여름 사진.bin"))
    browser.set_window_size(*PHONE)
    wide = browser.execute_script("return document.documentElement.scrollWidth > window.innerWidth")
    assert wide is False, "on a phone nothing is wider than the screen"
    link.click()
    digest = hashlib.sha256(content).hexdigest()
    wait(browser).until(lambda page: digest in page.find_element(By.TAG_NAME, "main").text)
    browser.find_element(By.CSS_SELECTOR, "a[href$='/download']").click()
    arrived = tmp_path / "downloads" / "여름 사진.bin"
    wait(browser).until(lambda _: arrived.exists() and arrived.stat().st_size == len(content))
    assert arrived.read_bytes() == content
    errors = [line for line in browser.get_log("browser") if line["level"] == "SEVERE"]
    assert errors == []
