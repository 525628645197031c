from __future__ import annotations

import base64
import json

from hypothesis import given
from hypothesis import strategies as st

from filewallball.redact import Redactor


@given(
    st.text(st.characters(codec="utf-8"), min_size=4).filter(lambda text: len(text.strip()) >= 4),
    st.text(max_size=20),
    st.text(max_size=20),
)
def test_no_spelling_of_a_secret_survives(secret: str, before: str, after: str) -> None:
    redactor = Redactor()
    redactor.add(secret)
    encoded = base64.b64encode(secret.encode()).decode()
    for spelling in (secret, encoded, json.dumps(secret)[1:-1], repr(secret)[1:-1]):
        assert spelling not in redactor.text(f"{before}{spelling}{after}") or spelling in "[secret]"


def test_what_a_secret_object_holds_is_learnt() -> None:
    redactor = Redactor()
    redactor.add_secret_object(
        {"data": {"a": base64.b64encode(b"hunter22").decode()}, "stringData": {"b": "plain99"}}
    )
    assert redactor.text("hunter22 aHVudGVyMjI= plain99") == "[secret] [secret] [secret]"


def test_short_values_stay_and_structures_are_walked() -> None:
    redactor = Redactor()
    redactor.add({"a": ["yes", "long enough"], "b": 7})
    assert redactor.data({"x": ["yes", "long enough"], "n": 7}) == {"x": ["yes", "[secret]"], "n": 7}


def test_lines_of_a_key_are_secret_each() -> None:
    redactor = Redactor()
    redactor.add("-----BEGIN KEY-----\nMIIEvQIBADANBg\n-----END KEY-----\n")
    assert redactor.text("log: MIIEvQIBADANBg") == "log: [secret]"
