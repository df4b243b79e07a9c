"""What runs here when the registry was set back to an older state, as by restoring a backup, or was lost altogether.

The placements that such a registry does not have were not taken away by anybody, so what they started is left as it is
for as long as it runs, and its state says so: it is adrift. When the unit is placed here again with the same text, it
is taken over as it is (docs/adr/0012-a-registry-that-was-set-back.md).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fleetpy_agent.ledger import Ledger
    from fleetpy_agent.wishes import Wishes

_log = logging.getLogger(__name__)


def note_adrift(ledger: Ledger, wishes: Wishes) -> None:
    """Note which of our units the registry no longer knows of.

    They are those that went from the placements when it was set back, or had been placed anew by the time that this was
    seen, and, for an agent that was not there to see that, those whose epochs are yet to come. A placement that says
    that its unit is to go is somebody's word.
    """
    placements, unreadable, leaving = wishes.readable(), wishes.unreadable(), wishes.leaving()
    for name, record in tuple(ledger.records.items()):
        placement, swept = placements.get(name), name in wishes.swept
        if placement is not None:
            unknown = swept and not record.is_of(placement)
        else:
            unknown = name not in unreadable and (swept or record.epoch > wishes.revision)
        adrift = name not in leaving and (record.adrift or unknown)
        if adrift == record.adrift:
            continue
        if adrift:
            _log.warning("%s is left as it is: the registry was set back to before it was placed here", name)
        try:
            ledger.put(name, record.replace(adrift=adrift))
        except OSError as error:
            _log.error("%s: cannot note whether somebody took it away: %s", name, error)
    wishes.swept.clear()
