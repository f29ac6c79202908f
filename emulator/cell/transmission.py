"""How the messages of a UE in a cell go: many slots at once where it has them for itself, or a share of one."""

from emulator.cell.tables import NOBODY, CellTables
from emulator.core.compiled import in_place
from emulator.core.draws import uniform
from emulator.link.capacity import bits_before, failed_attempts, harq_release_ns, loses_a_block, slot_of_bit
from emulator.link.tables import LinkTables


@in_place
def opening_slot(cells: CellTables, ue: int) -> int:
    """The first slot that the first message of a UE may use."""
    slot_ns = cells.cells[cells.ues[ue].cell].slot_ns
    return int(-(-cells.messages[cells.ues[ue].first].open_ns // slot_ns))


@in_place
def is_open(cells: CellTables, ue: int, now_ns: int) -> bool:
    """Whether a UE has a message that may go in the slot that starts now."""
    first = cells.ues[ue].first
    return bool(first != 0 and cells.messages[first].open_ns <= now_ns)


@in_place
def slot_of_interest(tables: LinkTables, cells: CellTables, ue: int, slot: int) -> int:
    """The slot in which a UE that is alone from `slot` on has sent its first message, or used its first grant."""
    message = cells.messages[cells.ues[ue].first]
    link = tables.links[cells.ues[ue].link]
    edges = tables.cumulative_bits[link.first_edge : link.first_edge + link.slots + 1]
    first_bit = max(link.position, bits_before(edges, max(slot, opening_slot(cells, ue))))
    if message.first_bits > 0:
        return slot_of_bit(edges, first_bit)
    return slot_of_bit(edges, first_bit + message.size_bytes * 8 - message.gone_bits - 1)


@in_place
def serve_alone(tables: LinkTables, cells: CellTables, ue: int, slot: int, stop_slot: int) -> None:
    """A UE has the slots from `slot` up to, not including, `stop_slot` for itself: `link.block_by_block`, cut there."""
    link = tables.links[cells.ues[ue].link]
    slot_ns = link.slot_ns
    edges = tables.cumulative_bits[link.first_edge : link.first_edge + link.slots + 1]
    stop_bit = bits_before(edges, stop_slot)
    while cells.ues[ue].first != 0 and opening_slot(cells, ue) < stop_slot:
        message = cells.messages[cells.ues[ue].first]
        bits = message.size_bytes * 8 - message.gone_bits
        position = max(link.position, bits_before(edges, max(slot, opening_slot(cells, ue))))
        if position >= stop_bit:
            return
        first_slot = slot_of_bit(edges, position)
        if message.first_bits > 0:
            link.position = bits_before(edges, first_slot + 1)
            sent = min(bits, message.first_bits, link.position - position)
            last_slot = first_slot
            end_first_grant(tables, cells, ue, first_slot)
        else:
            sent = min(bits, stop_bit - position)
            link.position = position + sent
            last_slot = slot_of_bit(edges, link.position - 1)
        carry(tables, cells, ue, sent, position, first_slot, last_slot)
        if sent == bits:
            complete(tables, cells, ue, (last_slot + 1) * slot_ns)


@in_place
def waiting_bits(cells: CellTables, ue: int, slot_ns: int, slot: int, enough: int) -> int:
    """What a UE may send in a slot, or at least `enough` of it; all messages have come by the slot's start."""
    place = cells.ues[ue].first
    bits = 0
    while place != 0 and bits < enough:
        message = cells.messages[place]
        left = message.size_bytes * 8 - message.gone_bits
        if message.open_ns > slot * slot_ns:
            return bits
        if message.first_bits > 0:
            return int(bits + min(left, message.first_bits))
        bits += left
        place = message.behind
    return int(bits)


@in_place
def serve_share(tables: LinkTables, cells: CellTables, ue: int, slot: int, bits: int) -> None:
    """A UE sends so many of the bits that `waiting_bits` has counted, in one slot."""
    link = tables.links[cells.ues[ue].link]
    edges = tables.cumulative_bits[link.first_edge : link.first_edge + link.slots + 1]
    position = bits_before(edges, slot)
    while bits > 0:
        message = cells.messages[cells.ues[ue].first]
        left = message.size_bytes * 8 - message.gone_bits
        sent = min(left, bits)
        if message.first_bits > 0:
            end_first_grant(tables, cells, ue, slot)
        carry(tables, cells, ue, sent, position, slot, slot)
        if sent == left:
            complete(tables, cells, ue, (slot + 1) * link.slot_ns)
        position += sent
        bits -= sent
    link.position = bits_before(edges, slot + 1)


@in_place
def end_first_grant(tables: LinkTables, cells: CellTables, ue: int, slot: int) -> None:
    """The first message's first grant is used in this slot: what it did not hold waits for the next."""
    link = tables.links[cells.ues[ue].link]
    message = cells.messages[cells.ues[ue].first]
    message.first_bits = 0
    message.open_ns = (slot + 1) * link.slot_ns + link.report_ns


@in_place
def carry(
    tables: LinkTables, cells: CellTables, ue: int, bits: int, position: int, first_slot: int, last_slot: int
) -> None:
    """The next bits of the first message go at these positions of the trace, in these slots, each of which
    carries some of them where it can carry anything."""
    link = tables.links[cells.ues[ue].link]
    message = cells.messages[cells.ues[ue].first]
    if message.start_ns < 0:
        message.start_ns = first_slot * link.slot_ns
    if link.datagrams:
        erase(tables, cells, ue, bits, position)
    elif link.delays:
        delays = tables.harq_delay_ns[link.first_delay : link.first_delay + link.slots]
        through_ns = harq_release_ns(delays, link.longest_ns, link.slot_ns, first_slot, last_slot)
        message.release_ns = max(message.release_ns, through_ns)
    message.gone_bits += bits


@in_place
def erase(tables: LinkTables, cells: CellTables, ue: int, bits: int, position: int) -> None:
    """Count the fragments that end within the next bits of the first message and were lost (`erased_bytes`)."""
    link = tables.links[cells.ues[ue].link]
    message = cells.messages[cells.ues[ue].first]
    if not (link.loss > 0.0 or link.loses):
        return
    edges = tables.cumulative_bits[link.first_edge : link.first_edge + link.slots + 1]
    blocks = tables.block_lost[link.first_block : link.first_block + link.slots * link.loses]
    begin, end = message.gone_bits, message.gone_bits + bits
    fragment_bits = link.fragment_bytes * 8
    fragment = begin // fragment_bits
    while fragment * fragment_bits < end:
        first, stop = fragment * fragment_bits, min((fragment + 1) * fragment_bits, message.size_bytes * 8)
        here, there = max(first, begin), min(stop, end)
        if link.loses and not message.fragment_lost:
            message.fragment_lost = loses_a_block(edges, blocks, position + here - begin, there - here)
        if there == stop:
            if message.fragment_lost or uniform(link.key, message.number, fragment, 0) < link.loss:
                message.erased_bytes += (stop - first) // 8
            message.fragment_lost = False
        fragment += 1


@in_place
def complete(tables: LinkTables, cells: CellTables, ue: int, sent_ns: int) -> None:
    """The first message of a UE is all sent: hand it to those who wait for it."""
    user = cells.ues[ue]
    link = tables.links[user.link]
    place = user.first
    message = cells.messages[place]
    if user.ending_ns < sent_ns:
        link.queued_bytes -= user.ending_bytes
        user.ending_bytes = 0
    user.ending_ns = sent_ns
    user.ending_bytes += message.size_bytes
    link.sent_ns = sent_ns
    message.arrival_ns = sent_ns + link.delay_ns
    if link.datagrams:
        message.release_ns = sent_ns
    else:
        release_ns = max(message.release_ns, sent_ns)
        if link.loss > 0.0:
            fragments = -(-message.size_bytes // link.fragment_bytes)
            release_ns += failed_attempts(link.loss, link.key, message.number, fragments) * link.retransmission_ns
        link.released_ns = message.release_ns = max(release_ns, link.released_ns)
        message.arrival_ns = message.release_ns + link.delay_ns
    user.first = message.behind
    if user.first == 0:
        cells.busy.entries[cells.busy.ends[ue].last].value = sent_ns
    message.behind = 0
    if message.who == NOBODY:
        free(cells, place)
        return
    cells.cells[user.cell].waiting -= 1
    done = cells.done[0]
    if done.first == 0:
        done.first = place
    else:
        cells.messages[done.last].behind = place
    done.last = place


@in_place
def free(cells: CellTables, place: int) -> None:
    """A message is no longer needed."""
    messages = cells.messages
    messages[place].behind = messages[0].behind
    messages[0].behind = place
    messages[0].size_bytes += 1
