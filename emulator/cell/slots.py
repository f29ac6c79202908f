"""Cells in compiled code: messages enter, and slots are decided one by one or many at once.

A slot is decided when everything up to its start has happened. Slots in which no UE, or one UE alone, has something to
send are passed over: there the arithmetic is that of a link (`transmit`).
"""

from emulator.cell.activity import begin_busy, end_busy
from emulator.cell.schedulers import is_open, share_slot
from emulator.cell.tables import BACKGROUND, NO_UE, CellTables, gap_ns
from emulator.core.compiled import Table, entry_point, in_place
from emulator.core.fifo import FOREVER_NS, append, give_back, has_room, remove_first, take
from emulator.link.capacity import bits_before, slot_of_bit
from emulator.link.tables import DOWN, FULL, NO_COVERAGE, LinkTables
from emulator.link.transmission import begin, finish, is_granted, opening_slot, send_bits, transmit, use_first_grant

ENTERED = 0  # not a time: the cell decides later when the message starts


@in_place
def is_in_cell(cells: CellTables, link: int) -> bool:
    """Return whether a link is in a cell."""
    return bool(len(cells.ue_of_link) > 0 and cells.ue_of_link[link] != NO_UE)


@entry_point
def enter(
    tables: LinkTables, cells: CellTables, index: int, now_ns: int, size_bytes: int, acknowledged_bytes: int,
    number: int, owner: int, order: int,
) -> int:  # fmt: skip
    """Queue a message on a link in a cell: ENTERED, or FULL, NO_COVERAGE or DOWN and nothing done."""
    link = tables.links[index]
    if link.down or not link.carries:
        return DOWN if link.down else NO_COVERAGE
    ue = cells.ue_of_link[index]
    user = cells.ues[ue]
    cell = cells.cells[user.cell]
    if user.ending_ns <= now_ns:
        link.queued_bytes -= user.ending_bytes
        user.ending_bytes = 0
    room = has_room(cells.messages, cells.store[0]) and has_room(cells.busy.entries, cells.busy.store[0])
    if link.queued_bytes + size_bytes > link.queue_bytes or not room:
        return FULL
    row = take(cells.messages, cells.store[0])
    message = cells.messages[row]
    granted = user.first != 0 or is_granted(link, now_ns)
    begin(link, message, now_ns, size_bytes, acknowledged_bytes, number, granted)
    message.owner, message.order, message.ue = owner, order, ue
    link.queued_bytes += size_bytes
    link.used = True
    if owner != BACKGROUND:
        cell.waiting += 1
    was_empty = user.first == 0
    append(cells.messages, user, row)
    if was_empty:
        begin_busy(cells, ue, now_ns)
        cell.next_ns = min(cell.next_ns, max(cell.slot, opening_slot(message, cell.slot_ns)) * cell.slot_ns)
    return ENTERED


@entry_point
def run_slots(tables: LinkTables, cells: CellTables, index: int, limit_ns: int) -> int:
    """Decide slots of a cell that start before `limit_ns` until a message with an owner is sent; return its row, which
    is then the caller's to give back (`release_message`), or 0 if no slot is left. All messages that arrive before
    `limit_ns` must have entered, but those of cross-traffic."""
    cell = cells.cells[index]
    slot_ns = cell.slot_ns
    stop_slot = -(-limit_ns // slot_ns)
    never = FOREVER_NS // slot_ns
    while cells.sent[index].first == 0:
        if cell.next_ns >= limit_ns:
            return 0
        admit_background(tables, cells, index, min(limit_ns - 1, cell.slot * slot_ns))
        alone, count = contenders(cells, index)
        if count > 1:
            act_slot, next_slot = cell.slot, cell.slot + 1
        else:
            act_slot = next_slot = min(next_opening(cells, index), -(-cell.background_ns // slot_ns), never)
        if count == 1:
            last_slot = last_slot_alone(tables, cells, alone, cell.slot)
            act_slot, next_slot = min(last_slot, next_slot), min(last_slot + 1, next_slot)
        cell.next_ns = FOREVER_NS if act_slot == never else min(act_slot * slot_ns, cell.background_ns)
        if next_slot > stop_slot or next_slot == cell.slot or act_slot == never:
            return 0
        if count > 1:
            serve_shares(tables, cells, index)
        elif count == 1:
            serve_alone(tables, cells, alone, cell.slot, next_slot)
        cell.slot = next_slot
        cell.next_ns = min(next_slot * slot_ns, cell.background_ns)
    return remove_first(cells.messages, cells.sent[index])


@entry_point
def run_many_slots(tables: LinkTables, cells: CellTables, index: int, limit_ns: int, rows: Table) -> int:
    """Decide slots of a cell as `run_slots` does, until `rows` is full of messages that are sent or no slot is left;
    return the number of messages."""
    count = 0
    while count < len(rows):
        row = run_slots(tables, cells, index, limit_ns)
        if row == 0:
            break
        rows[count] = row
        count += 1
    return count


@entry_point
def release_messages(cells: CellTables, rows: Table) -> None:
    """Give the rows of messages back."""
    for row in rows:
        release_message(cells, row)


@entry_point
def release_message(cells: CellTables, row: int) -> None:
    """Give a message's row back."""
    give_back(cells.messages, cells.store[0], row)


@in_place
def contenders(cells: CellTables, index: int) -> tuple[int, int]:
    """Return a UE that has something to send in the cell's slot, and their number, counted up to two."""
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
    """Return the first slot after the cell's in which a UE has something to send that has nothing in that one."""
    cell = cells.cells[index]
    first = FOREVER_NS // cell.slot_ns
    for ue in range(cell.first_ue, cell.stop_ue):
        if cells.ues[ue].first != 0:
            slot = opening_slot(cells.messages[cells.ues[ue].first], cell.slot_ns)
            if slot > cell.slot:
                first = min(first, slot)
    return int(first)


@in_place
def admit_background(tables: LinkTables, cells: CellTables, index: int, until_ns: int) -> None:
    """Let cross-traffic enter that arrives up to an instant."""
    cell = cells.cells[index]
    if cell.background_ns > until_ns:
        return
    next_ns = FOREVER_NS
    for ue in range(cell.first_ue, cell.stop_ue):
        user = cells.ues[ue]
        while user.next_arrival_ns <= until_ns:
            number = -1 - user.count
            enter(tables, cells, user.link, user.next_arrival_ns, user.size_bytes, 0, number, BACKGROUND, 0)
            user.count += 1
            user.next_arrival_ns += gap_ns(user.key, user.count, user.gap_ns)
            if user.next_arrival_ns >= user.until_ns:
                user.next_arrival_ns = FOREVER_NS
        next_ns = min(next_ns, user.next_arrival_ns)
    cell.background_ns = next_ns


@in_place
def last_slot_alone(tables: LinkTables, cells: CellTables, ue: int, slot: int) -> int:
    """Return the slot in which a UE that is alone from `slot` on sends the rest of its first message, or uses its first
    grant."""
    message = cells.messages[cells.ues[ue].first]
    link = tables.links[cells.ues[ue].link]
    edges = tables.cumulative_bits[link.first_edge : link.first_edge + link.slots + 1]
    first_bit = max(link.position, bits_before(edges, max(slot, opening_slot(message, link.slot_ns))))
    if message.first_bits > 0:
        return slot_of_bit(edges, first_bit)
    return slot_of_bit(edges, first_bit + message.size_bytes * 8 - message.sent_bits - 1)


@in_place
def serve_alone(tables: LinkTables, cells: CellTables, ue: int, slot: int, stop_slot: int) -> None:
    """Let a UE have the slots from `slot` up to, not including, `stop_slot`."""
    user = cells.ues[ue]
    slot_ns = cells.cells[user.cell].slot_ns
    while user.first != 0 and opening_slot(cells.messages[user.first], slot_ns) < stop_slot:
        sent_ns = transmit(tables, user.link, cells.messages[user.first], slot, stop_slot)
        if sent_ns < 0:
            return
        finish_message(tables, cells, ue, sent_ns)


@in_place
def serve_shares(tables: LinkTables, cells: CellTables, index: int) -> None:
    """Let the UEs that contend for the cell's slot send what the scheduler gives them."""
    cell = cells.cells[index]
    share_slot(tables, cells, index)
    for ue in range(cell.first_ue, cell.stop_ue):
        if cells.ues[ue].share_bits > 0:
            serve_share(tables, cells, ue, cell.slot)


@in_place
def serve_share(tables: LinkTables, cells: CellTables, ue: int, slot: int) -> None:
    """Let a UE send its share of a slot."""
    user = cells.ues[ue]
    link = tables.links[user.link]
    edges = tables.cumulative_bits[link.first_edge : link.first_edge + link.slots + 1]
    position = bits_before(edges, slot)
    link.position = position + user.capacity_bits
    left = user.share_bits
    while left > 0:
        message = cells.messages[user.first]
        bits = min(message.size_bytes * 8 - message.sent_bits, left)
        if message.first_bits > 0:
            use_first_grant(link, message, slot)
        send_bits(tables, user.link, message, bits, position, slot, slot)
        if message.sent_bits == message.size_bytes * 8:
            finish_message(tables, cells, ue, (slot + 1) * link.slot_ns)
        position += bits
        left -= bits


@in_place
def finish_message(tables: LinkTables, cells: CellTables, ue: int, sent_ns: int) -> None:
    """Take a UE's first message, whose last bit is sent, out of its queue, and hand it to its owner."""
    user = cells.ues[ue]
    link = tables.links[user.link]
    row = remove_first(cells.messages, user)
    message = cells.messages[row]
    if user.ending_ns < sent_ns:
        link.queued_bytes -= user.ending_bytes
        user.ending_bytes = 0
    user.ending_ns = sent_ns
    user.ending_bytes += message.size_bytes
    finish(link, message, sent_ns)
    if user.first == 0:
        end_busy(cells, ue, sent_ns)
    if message.owner == BACKGROUND:
        release_message(cells, row)
        return
    cells.cells[user.cell].waiting -= 1
    append(cells.messages, cells.sent[user.cell], row)


@entry_point
def drop_messages(tables: LinkTables, cells: CellTables, index: int, now_ns: int) -> None:
    """Forget all messages of a link in a cell that are not sent, as when it fails at `now_ns`."""
    link = tables.links[index]
    ue = cells.ue_of_link[index]
    user = cells.ues[ue]
    if user.first != 0:
        end_busy(cells, ue, now_ns)
    while user.first != 0:
        row = remove_first(cells.messages, user)
        if cells.messages[row].owner != BACKGROUND:
            cells.cells[user.cell].waiting -= 1
        release_message(cells, row)
    link.queued_bytes = link.position = link.released_ns = 0
    user.ending_bytes = 0
    link.used = False
