"""Sealed values open only with their key and only in their own place; key files are checked on loading."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.records.crypto import KEY_BYTES, Cipher, KeyFile
from bot.records.errors import CipherError, KeyFileError

CIPHER = Cipher({"k1": b"1" * KEY_BYTES}, "k1", b"r" * KEY_BYTES)
WORDS = "我胸口很痛 my chest hurts"


@given(st.text(), st.text(), st.text())
def test_what_is_sealed_opens_in_its_place(text: str, record: str, column: str) -> None:
    assert CIPHER.open(CIPHER.seal(text, record=record, column=column), record=record, column=column) == text


@given(st.data())
def test_any_changed_byte_is_refused(data: st.DataObject) -> None:
    blob = bytearray(CIPHER.seal(WORDS, record="m_1", column="messages.body_enc"))
    index = data.draw(st.integers(0, len(blob) - 1))
    blob[index] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CipherError):
        CIPHER.open(bytes(blob), record="m_1", column="messages.body_enc")


@given(st.integers(0, 60))
def test_a_value_cut_short_is_refused(length: int) -> None:
    blob = CIPHER.seal(WORDS, record="m_1", column="c")[:length]
    with pytest.raises(CipherError):
        CIPHER.open(blob, record="m_1", column="c")


@pytest.mark.parametrize(("record", "column"), [("m_2", "c"), ("m_1", "d"), ("m_", "1c"), ("m_1c", "")])
def test_a_value_moved_elsewhere_is_refused(record: str, column: str) -> None:
    blob = CIPHER.seal(WORDS, record="m_1", column="c")
    with pytest.raises(CipherError):
        CIPHER.open(blob, record=record, column=column)


def test_errors_do_not_repeat_the_text() -> None:
    blob = CIPHER.seal(WORDS, record="m_1", column="c")
    other = Cipher({"k9": b"9" * KEY_BYTES}, "k9", b"r" * KEY_BYTES)
    for broken in (lambda: other.open(blob, record="m_1", column="c"),
                   lambda: CIPHER.open(blob, record="m_2", column="c")):  # fmt: skip
        with pytest.raises(CipherError) as caught:
            broken()
        assert "chest" not in str(caught.value)
        assert caught.value.__cause__ is None


def test_rotation_keeps_old_values_readable_and_addresses_findable(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    before = KeyFile.load_or_create(path)
    old = before.seal(WORDS, record="m_1", column="c")
    after = KeyFile.rotate(path)
    new = after.seal(WORDS, record="m_1", column="c")
    assert (Cipher.key_of(old), Cipher.key_of(new)) == ("k1", "k2")
    assert after.open(old, record="m_1", column="c") == WORDS
    with pytest.raises(CipherError, match="does not hold its key 'k2'"):
        before.open(new, record="m_1", column="c")
    assert after.lookup("address", "telegram", "5") == before.lookup("address", "telegram", "5")


def test_lookup_depends_on_every_part_and_purpose() -> None:
    digests = {
        CIPHER.lookup("address", "telegram", "12"),
        CIPHER.lookup("address", "telegram1", "2"),
        CIPHER.lookup("address", "web", "12"),
        CIPHER.lookup("phone", "telegram", "12"),
        Cipher({"k1": b"1" * KEY_BYTES}, "k1", b"x" * KEY_BYTES).lookup("address", "telegram", "12"),
    }
    assert len(digests) == 5


def test_the_first_run_makes_a_private_key_file_and_the_second_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "keys.json"
    blob = KeyFile.load_or_create(path).seal(WORDS, record="m_1", column="c")
    assert path.stat().st_mode & 0o777 == 0o600
    assert KeyFile.load_or_create(path).open(blob, record="m_1", column="c") == WORDS
    assert [entry.name for entry in path.parent.iterdir()] == ["keys.json"]


def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    KeyFile.load_or_create(path)
    path.chmod(0o640)
    with pytest.raises(KeyFileError, match="chmod 600"):
        KeyFile.load_or_create(path)


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"keys": {}}', '{"current": "k1", "root": "!", "keys": {"k1": "AA=="}}', "\x00",
     json.dumps({"current": "k2", "root": "A" * 43 + "=", "keys": {"k1": "A" * 43 + "="}}),
     json.dumps({"current": "k1", "root": "A" * 43 + "=", "keys": {"k1": 5}})],
)  # fmt: skip
def test_a_malformed_key_file_is_refused_without_showing_keys(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(KeyFileError) as caught:
        KeyFile.load(path)
    assert "A" * 43 not in str(caught.value)
