"""Logins and console sessions: argon2id, digests instead of secrets, idle and absolute limits."""

from __future__ import annotations

import pytest

from bot.records.errors import BadValue, UnknownRecord
from bot.records.staff import ABSOLUTE, IDLE, Role, StaffStore
from bot.records.tables import audit, staff, staff_sessions
from tests.stores import Stores

PASSWORD = "a long pass phrase"


async def test_the_right_password_opens_and_everything_else_does_not(stores: Stores) -> None:
    member = await stores.staff.add(" Mara ", "Mara Lind", PASSWORD, Role.CLINICIAN)
    assert await stores.staff.verify("MARA", PASSWORD) == member
    for login, password in (
        ("mara", "a long pass phrasE"),
        ("nobody", PASSWORD),
        ("mara", ""),
        ("mara", "x" * 9999),
    ):
        assert await stores.staff.verify(login, password) is None
    (row,) = await stores.rows(staff)
    assert row["password_hash"].startswith("$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("login", ("two words", "N", PASSWORD)),
        ("login", ("", "N", PASSWORD)),
        ("login", ("taken", "N", PASSWORD)),
        ("name", ("new", "  ", PASSWORD)),
        ("password", ("new", "N", "short")),
    ],
)
async def test_bad_fields_are_named(stores: Stores, field: str, arguments: tuple[str, str, str]) -> None:
    await stores.staff.add("taken", "N", PASSWORD, Role.RECEPTION)
    with pytest.raises(BadValue, match=f"^{field}:"):
        await stores.staff.add(*arguments, Role.RECEPTION)


async def test_sessions_are_fresh_secrets_of_which_only_digests_are_kept(stores: Stores) -> None:
    member = await stores.member()
    one, two = await stores.staff.open_session(member), await stores.staff.open_session(member)
    assert len({one.token, two.token, one.csrf, two.csrf}) == 4
    session = await stores.staff.session(one.token)
    assert session is not None
    assert session.member.id == member
    assert StaffStore.csrf_matches(session, one.csrf)
    assert not StaffStore.csrf_matches(session, two.csrf)
    kept = repr(await stores.rows(staff_sessions)) + repr(one)
    assert not any(secret in kept for secret in (one.token, one.csrf))
    await stores.staff.close_session(one.token)
    assert await stores.staff.session(one.token) is None
    assert await stores.staff.session(two.token) is not None
    assert await stores.staff.session("guessed") is None


async def test_a_session_ends_unused_and_after_a_shift_however_used(stores: Stores) -> None:
    member = await stores.member()
    idle = await stores.staff.open_session(member)
    stores.clock.pass_(seconds=IDLE.total_seconds() - 1)
    assert await stores.staff.session(idle.token) is not None  # used: the half hour starts again
    stores.clock.pass_(seconds=IDLE.total_seconds() - 1)
    assert await stores.staff.session(idle.token) is not None
    stores.clock.pass_(seconds=IDLE.total_seconds())
    assert await stores.staff.session(idle.token) is None
    busy = await stores.staff.open_session(member)
    for _ in range(int(ABSOLUTE / IDLE) * 2 - 1):
        stores.clock.pass_(seconds=IDLE.total_seconds() / 2)
        assert await stores.staff.session(busy.token) is not None
    stores.clock.pass_(seconds=IDLE.total_seconds() / 2)
    assert await stores.staff.session(busy.token) is None


async def test_disabling_and_a_new_password_end_every_session(stores: Stores) -> None:
    member = await stores.member("mara")
    first = await stores.staff.open_session(member)
    await stores.staff.set_password(member, "another pass phrase", by="s_admin")
    assert await stores.staff.session(first.token) is None
    assert await stores.staff.verify("mara", PASSWORD) is None
    second = await stores.staff.open_session(member)
    await stores.staff.disable(member)
    assert await stores.staff.session(second.token) is None
    assert await stores.staff.verify("mara", "another pass phrase") is None
    assert [person.login for person in await stores.staff.all()] == ["mara"]
    actions = [(row["actor"], row["action"]) for row in await stores.rows(audit)]
    assert ("s_admin", "staff.password") in actions
    assert ("operator", "staff.disable") in actions


async def test_an_unknown_member_is_a_typed_error(stores: Stores) -> None:
    for call in (stores.staff.get("s_x"), stores.staff.disable("s_x")):
        with pytest.raises(UnknownRecord, match="s_x"):
            await call
