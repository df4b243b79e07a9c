"""The agent's files: the same facts of those on disk and of those in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fleetpy.ids import Epoch, UnitHash, UnitName, UnitUID
from fleetpy.model.states import UnitGoal
from fleetpy_agent.applied import STRAY, AppliedRecord
from fleetpy_agent.files import DiskFiles, HostFiles
from fleetpy_agent.memory_files import MemoryFiles
from tests.unit.agent.harness import DB, WEB, text

if TYPE_CHECKING:
    from pathlib import Path

RECORD = AppliedRecord(
    uid=UnitUID(3), epoch=Epoch(4), hash=UnitHash("5" * 40), goal=UnitGoal.LAUNCHED, restarted="noon"
)


@pytest.fixture(params=["disk", "memory"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> HostFiles:
    return MemoryFiles() if request.param == "memory" else disk(tmp_path)


def disk(root: Path) -> DiskFiles:
    (root / "links").mkdir(exist_ok=True)
    return DiskFiles(root / "units", root / "agent", root / "links")


def test_there_is_nothing_at_first(files: HostFiles) -> None:
    assert files.records() == {}
    assert files.read_session() is None


def test_what_was_applied_is_kept_until_it_is_forgotten(files: HostFiles) -> None:
    files.save(WEB, RECORD)
    files.save(DB, STRAY)
    assert files.records() == {WEB: RECORD, DB: STRAY}
    files.forget(WEB)
    files.forget(WEB)
    assert files.records() == {DB: STRAY}


def test_a_unit_file_that_nothing_is_known_of_is_a_stray(files: HostFiles) -> None:
    files.write(WEB, text(), "")
    files.write(DB, text(), "")
    files.save(DB, RECORD)
    assert files.records() == {WEB: STRAY, DB: RECORD}
    files.remove(WEB)
    assert files.records() == {DB: RECORD}


def test_files_can_be_removed_twice(files: HostFiles) -> None:
    files.write(WEB, text(), "[Unit]\nAfter=x\n")
    files.remove(WEB)
    files.remove(WEB)
    assert files.records() == {}


def test_the_session_is_replaced_as_a_whole(files: HostFiles) -> None:
    files.write_session(b"one")
    files.write_session(b"two")
    assert files.read_session() == b"two"


def test_a_name_that_nobody_has_taken_collides_with_nothing(files: HostFiles, tmp_path: Path) -> None:
    assert files.collision(WEB, [tmp_path]) is None


def test_where_systemd_finds_our_files_is_known(files: HostFiles) -> None:
    assert files.is_ours(WEB, str(files.unit_file(WEB)))
    assert not files.is_ours(WEB, "/lib/systemd/system/web.service")
    assert not files.is_ours(WEB, "")


def test_unit_files_and_drop_ins_stand_where_systemd_looks(tmp_path: Path) -> None:
    files = disk(tmp_path)
    files.write(WEB, "[Service]\nExecStart=/bin/ä\n", "[Service]\nEnvironment=FLEET_EPOCH=1\n")
    dropins = tmp_path / "links" / "web.service.d"
    assert (tmp_path / "units" / WEB).read_text(encoding="utf-8") == "[Service]\nExecStart=/bin/ä\n"
    assert (dropins / "10-fleet.conf").read_text(encoding="utf-8") == "[Service]\nEnvironment=FLEET_EPOCH=1\n"
    files.write(WEB, text(), "")
    assert not dropins.exists()


def test_a_drop_in_of_somebody_else_stays(tmp_path: Path) -> None:
    files = disk(tmp_path)
    files.write(WEB, text(), "[Service]\nEnvironment=FLEET_EPOCH=1\n")
    other = tmp_path / "links" / "web.service.d" / "50-admin.conf"
    other.write_text("[Service]\nNice=5\n", encoding="utf-8")
    files.remove(WEB)
    assert [file.name for file in other.parent.iterdir()] == ["50-admin.conf"]


def test_a_later_agent_finds_what_an_earlier_one_left(tmp_path: Path) -> None:
    disk(tmp_path).save(WEB, RECORD)
    disk(tmp_path).write_session(b"mine")
    assert disk(tmp_path).records() == {WEB: RECORD}
    assert disk(tmp_path).read_session() == b"mine"


def test_a_record_that_cannot_be_read_is_applied_anew(tmp_path: Path) -> None:
    files = disk(tmp_path)
    (tmp_path / "agent" / "applied" / f"{WEB}.json").write_bytes(b"{")
    assert files.records() == {WEB: STRAY}


def test_files_of_no_unit_are_passed_over(tmp_path: Path) -> None:
    files = disk(tmp_path)
    for path in ("units/.new", "units/README", "agent/applied/.new", "agent/applied/x.txt"):
        (tmp_path / path).write_text("?", encoding="utf-8")
    assert files.records() == {}


def test_a_name_that_is_too_long_for_a_file_is_the_disk_s_error(tmp_path: Path) -> None:
    name = UnitName("x" * 247 + ".service")
    with pytest.raises(OSError, match="too long"):
        disk(tmp_path).save(name, RECORD)


@pytest.mark.parametrize("taken", ["file", "mask", "link"])
def test_a_unit_of_the_host_s_own_is_a_collision(tmp_path: Path, taken: str) -> None:
    files = disk(tmp_path)
    path = tmp_path / "links" / WEB
    if taken == "file":
        path.write_text(text(), encoding="utf-8")
    else:
        path.symlink_to("/dev/null" if taken == "mask" else "/opt/web.service")
    assert files.collision(WEB, [tmp_path / "none", tmp_path / "links"]) == str(path)
    assert files.collision(WEB, [tmp_path / "none"]) is None


def test_our_own_link_is_no_collision_even_if_its_file_is_gone(tmp_path: Path) -> None:
    files = disk(tmp_path)
    (tmp_path / "links" / WEB).symlink_to(files.unit_file(WEB))
    assert files.collision(WEB, [tmp_path / "links"]) is None
    assert files.is_ours(WEB, str(tmp_path / "links" / WEB))


def test_an_alias_of_another_unit_of_ours_is_a_collision(tmp_path: Path) -> None:
    files = disk(tmp_path)
    (tmp_path / "links" / WEB).symlink_to(files.unit_file(DB))
    assert files.collision(WEB, [tmp_path / "links"]) == str(tmp_path / "links" / WEB)
