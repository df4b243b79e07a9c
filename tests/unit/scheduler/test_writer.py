"""What guards the leader's transactions."""

from __future__ import annotations

from fleetpy.ids import Epoch, MachineID, UnitHash, UnitName, UnitUID
from fleetpy.model.states import UnitGoal
from fleetpy.planner.actions import Place, Unplace
from fleetpy.registry.keys import Keys
from fleetpy.registry.protocol import Absent, Present
from fleetpy_scheduler.writer import transactions

KEYS = Keys()
LIVE, LOST, CROWDED = MachineID("a" * 32), MachineID("b" * 32), MachineID("c" * 32)
WEB, DB = UnitName("web.service"), UnitName("db.service")


def test_a_unit_is_taken_from_a_lost_machine_only_while_that_is_not_back() -> None:
    moved = (
        Unplace(LOST, WEB, "the machine is lost", lost=True),
        Unplace(CROWDED, DB, "the unit was destroyed"),
        Place(LIVE, WEB, UnitUID(1), UnitHash("a"), UnitGoal.LAUNCHED, Epoch(7), None, "it has the fewest units"),
    )
    (transaction,) = transactions(moved, KEYS)
    assert transaction.guards == (Present(KEYS.machine(LIVE)), Absent(KEYS.machine(LOST)))


def test_each_lost_machine_is_guarded_in_the_transaction_that_takes_from_it() -> None:
    lost = tuple(Unplace(MachineID(f"{number:032x}"), WEB, "the machine is lost", lost=True) for number in range(5))
    for transaction in transactions(lost, KEYS, limit=3):
        assert set(transaction.guards) == {Absent(KEYS.machine(action.machine)) for action in transaction.actions}
        assert len(transaction.guards) < 3
