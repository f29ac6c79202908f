"""Cells in compiled code: who enters, and what is decided slot by slot or many slots at once.

A slot is decided when everything up to its start has happened. Slots in which nobody, or one UE alone, has
anything to send are passed over: there the arithmetic is that of the link.
"""

from emulator.cell.activity import begin_busy
from emulator.cell.schedulers import account, share, share_bits
from emulator.cell.tables import NO_UE, NOBODY, CellTables, gap_ns, has_message_room
from emulator.cell.transmission import is_open, opening_slot, serve_alone, serve_share, slot_of_interest, waiting_bits
from emulator.core.compiled import in_place
from emulator.core.fifo import FOREVER_NS
from emulator.link.tables import FULL_NS, NO_COVERAGE_NS, LinkTables, grant_ns, is_granted

ENTERED = 0  # no time: when it starts is decided later


@in_place
def enter(
    tables: LinkTables, cells: CellTables | None,
    index: int, now_ns: int, size_bytes: int, number: int, who: int, order: int,
) -> int:  # fmt: skip
    """A message comes on a link in a cell: ENTERED, or FULL_NS or NO_COVERAGE_NS and nothing done. There must be
    room in the tables. A UE out of coverage all the time so never has anything to send."""
    if cells is None or not tables.links[index].carries:
        return NO_COVERAGE_NS
    ue = cells.ue_of_link[index]
    user, link = cells.ues[ue], tables.links[index]
    cell = cells.cells[user.cell]
    if user.ending_ns <= now_ns:
        link.queued_bytes -= user.ending_bytes
        user.ending_bytes = 0
    if link.queued_bytes + size_bytes > link.queue_bytes:
        return FULL_NS
    place = cells.messages[0].behind
    message = cells.messages[place]
    cells.messages[0].behind = message.behind
    cells.messages[0].size_bytes -= 1
    granted = user.first != 0 or is_granted(link, now_ns)
    message.open_ns = now_ns if granted else grant_ns(link, now_ns)
    message.first_bits = 0 if granted else link.first_bits
    message.who, message.order, message.number, message.ue = who, order, number, ue
    message.asked_ns, message.size_bytes, message.start_ns = now_ns, size_bytes, -1
    message.gone_bits = message.release_ns = message.erased_bytes = message.behind = 0
    message.fragment_lost = False
    link.queued_bytes += size_bytes
    link.used = True
    if who != NOBODY:
        cell.waiting += 1
    if user.first != 0:
        cells.messages[user.last].behind = place
    else:
        user.first = place
        begin_busy(cells, ue, now_ns)
        opening = max(cell.slot, opening_slot(cells, ue))
        cell.next_ns = min(cell.next_ns, opening * cell.slot_ns)
    user.last = place
    return ENTERED


@in_place
def decide(tables: LinkTables, cells: CellTables, index: int, limit_ns: int) -> None:
    """Decide slots that start before `limit_ns`, until somebody's message is all sent, the tables have no more
    room, or there are none left; everything that comes before `limit_ns` must have entered but the background."""
    cell = cells.cells[index]
    slot_ns = cell.slot_ns
    stop_slot = -(-limit_ns // slot_ns)
    never = FOREVER_NS // slot_ns
    while cells.done[0].first == 0:
        if not admit_background(tables, cells, index, min(limit_ns - 1, cell.slot * slot_ns)):
            return
        alone, count = contenders(cells, index)
        if count > 1:
            act_slot, next_slot = cell.slot, cell.slot + 1
        else:
            act_slot = next_slot = min(next_opening(cells, index), -(-cell.background_ns // slot_ns), never)
        if count == 1:
            last_slot = slot_of_interest(tables, cells, alone, cell.slot)
            act_slot, next_slot = min(last_slot, next_slot), min(last_slot + 1, next_slot)
        cell.next_ns = FOREVER_NS if act_slot == never else min(act_slot * slot_ns, cell.background_ns)
        if next_slot > stop_slot or next_slot == cell.slot or act_slot == never:
            return
        if count > 1:
            share_slot(tables, cells, index)
        elif count == 1:
            serve_alone(tables, cells, alone, cell.slot, next_slot)
        cell.slot = next_slot
        cell.next_ns = min(next_slot * slot_ns, cell.background_ns)


@in_place
def contenders(cells: CellTables, index: int) -> tuple[int, int]:
    """One UE that has something to send in the cell's slot, and how many there are; counted up to two."""
    cell = cells.cells[index]
    alone = count = 0
    for ue in range(cell.first_ue, cell.stop_ue):
        if is_open(cells, ue, cell.slot * cell.slot_ns):
            alone = ue
            count += 1
            if count == 2:
                return alone, count
    return alone, count


@in_place
def next_opening(cells: CellTables, index: int) -> int:
    """The first slot after the cell's in which somebody has something to send who has nothing in that one."""
    cell = cells.cells[index]
    first = FOREVER_NS // cell.slot_ns
    for ue in range(cell.first_ue, cell.stop_ue):
        if cells.ues[ue].first != 0 and opening_slot(cells, ue) > cell.slot:
            first = min(first, opening_slot(cells, ue))
    return int(first)


@in_place
def admit_background(tables: LinkTables, cells: CellTables, index: int, until_ns: int) -> bool:
    """Let the messages of the background in that come up to an instant; False where the tables have no room."""
    cell = cells.cells[index]
    if cell.background_ns > until_ns:
        return True
    next_ns = FOREVER_NS
    for ue in range(cell.first_ue, cell.stop_ue):
        user = cells.ues[ue]
        while user.come_ns <= until_ns:
            if not has_message_room(cells):
                return False
            enter(tables, cells, user.link, user.come_ns, user.size_bytes, -1 - user.count, NOBODY, 0)
            user.count += 1
            user.come_ns += gap_ns(user.key, user.count, user.gap_ns)
            if user.come_ns >= user.until_ns:
                user.come_ns = FOREVER_NS
        next_ns = min(next_ns, user.come_ns)
    cell.background_ns = next_ns
    return True


@in_place
def share_slot(tables: LinkTables, cells: CellTables, index: int) -> None:
    """One slot in which several UEs have something to send, each on the site that serves it."""
    cell = cells.cells[index]
    slot, groups = cell.slot, cell.groups
    ues = cells.ues[cell.first_ue : cell.stop_ue]
    for ue in range(cell.first_ue, cell.stop_ue):
        look(tables, cells, ue, slot, groups)
    for place in range(len(ues)):
        if ues[place].contends and is_first_of_its_site(cells, index, place):
            site = ues[place].site
            if is_contended(cells, index, site):
                share(cells, index, site)
                account(ues, site, groups, cell.window_slots)
            else:
                ues[place].groups = ues[place].needed
    for ue in range(cell.first_ue, cell.stop_ue):
        if cells.ues[ue].contends and cells.ues[ue].groups > 0:
            serve_share(tables, cells, ue, slot, share_bits(cells.ues[ue], groups))


@in_place
def look(tables: LinkTables, cells: CellTables, ue: int, slot: int, groups: int) -> None:
    """What a UE could send in a slot, and what it needs for that."""
    user = cells.ues[ue]
    user.groups = user.needed = user.wanted_bits = 0
    link = tables.links[user.link]
    user.contends = is_open(cells, ue, slot * link.slot_ns)
    if not user.contends:
        return
    inside = slot % link.slots
    edge = link.first_edge + inside
    user.capacity_bits = tables.cumulative_bits[edge + 1] - tables.cumulative_bits[edge]
    user.site = cells.serving[user.first_site + inside] if user.moves else 0
    if user.capacity_bits > 0:
        bits = waiting_bits(cells, ue, link.slot_ns, slot, user.capacity_bits)
        user.wanted_bits = min(bits, user.capacity_bits)
        user.needed = -(-user.wanted_bits * groups // user.capacity_bits)


@in_place
def is_first_of_its_site(cells: CellTables, index: int, place: int) -> bool:
    """Whether no UE before it in the cell contends for the same site."""
    ues = cells.ues[cells.cells[index].first_ue : cells.cells[index].stop_ue]
    for before in range(place):  # noqa: SIM110  (compiled code knows no generators)
        if ues[before].contends and ues[before].site == ues[place].site:
            return False
    return True


@in_place
def is_contended(cells: CellTables, index: int, site: int) -> bool:
    """Whether a site has several UEs with something to send, and carries anything of one of them."""
    ues = cells.ues[cells.cells[index].first_ue : cells.cells[index].stop_ue]
    count = 0
    carries = False
    for ue in ues:
        if ue.contends and ue.site == site:
            count += 1
            carries = carries or ue.capacity_bits > 0
    return count > 1 and carries


@in_place
def take_done(cells: CellTables) -> int:
    """The next message that is all sent, and is then the caller's to free; 0: there is none."""
    done = cells.done[0]
    place = done.first
    if place != 0:
        done.first = cells.messages[place].behind
    return int(place)


@in_place
def is_in_a_cell(cells: CellTables | None, link: int) -> bool:
    """Whether a link is in any of the cells."""
    if cells is None:
        return False
    return bool(cells.ue_of_link[link] != NO_UE)


@in_place
def is_awaited(cells: CellTables | None) -> bool:
    """Whether anybody waits for a message that is in a cell."""
    if cells is None:
        return False
    for cell in cells.cells:
        if cell.waiting > 0:
            return True
    return bool(cells.done[0].first != 0)


@in_place
def due_ns(cells: CellTables | None) -> int:
    """No cell decides anything before."""
    if cells is None:
        return FOREVER_NS
    first_ns = FOREVER_NS
    for cell in cells.cells:
        first_ns = min(first_ns, cell.next_ns)
    return int(first_ns)


@in_place
def act(tables: LinkTables, cells: CellTables | None, limit_ns: int) -> bool:
    """Let the cell decide that is the first to do so before `limit_ns`; False: none is. What another sends is
    through a slot after it decides so at the earliest, and may then enter this one."""
    if cells is None:
        return False
    chosen = -1
    for index in range(len(cells.cells)):
        if chosen < 0 or cells.cells[index].next_ns < cells.cells[chosen].next_ns:
            chosen = index
    if chosen < 0 or cells.cells[chosen].next_ns >= limit_ns:
        return False
    for index in range(len(cells.cells)):
        other = cells.cells[index]
        if index != chosen and other.waiting > 0:
            limit_ns = min(limit_ns, other.next_ns + min(other.slot_ns, FOREVER_NS - other.next_ns))
    decide(tables, cells, chosen, limit_ns)
    return True
