"""How a message's bits go through the slots of a link: the arithmetic of a link, and of a UE that shares a cell."""

from emulator.core.compiled import Record, in_place
from emulator.core.draws import uniform
from emulator.core.fifo import FOREVER_NS
from emulator.link.capacity import bits_before, failed_attempts, harq_release_ns, loses_a_block, slot_of_bit
from emulator.link.tables import LinkTables


@in_place
def is_granted(link: Record, now_ns: int) -> bool:
    """Return whether a message that enters at `now_ns` needs no grant: the link has traffic, or had some within
    `idle_ns`. Only the link's own past decides."""
    return bool(link.used and now_ns - link.sent_ns < link.idle_ns)


@in_place
def begin(
    link: Record, message: Record, now_ns: int, size_bytes: int, acknowledged_bytes: int, number: int, granted: bool
) -> None:
    """Prepare a message that enters a link at `now_ns`; if it is not granted, a grant comes first (`Ramp`). Its first
    `acknowledged_bytes` are acknowledged on every link, all of it on one with an acknowledged bearer."""
    message.number, message.size_bytes = number, size_bytes
    message.acknowledged_bytes = acknowledged_bytes if link.datagrams else size_bytes
    message.open_ns, message.first_bits = now_ns, 0
    if not granted:
        asked_ns = now_ns
        if link.period_ns > 0:
            asked_ns = -(-now_ns // link.period_ns) * link.period_ns
        message.open_ns, message.first_bits = asked_ns + link.ramp_ns, link.first_bits
    message.sent_bits = message.release_ns = message.erased_bytes = 0
    message.start_ns = -1
    message.fragment_lost = False


@in_place
def opening_slot(message: Record, slot_ns: int) -> int:
    """Return the first slot that a message may use."""
    return int(-(-message.open_ns // slot_ns))


@in_place
def transmit(tables: LinkTables, index: int, message: Record, slot: int, stop_slot: int) -> int:
    """Send a message in the slots from `slot` up to, not including, `stop_slot`, which link `index` has for itself.
    Return the end of its last slot in ns, or -1 if some bits are left."""
    link = tables.links[index]
    edges = tables.cumulative_bits[link.first_edge : link.first_edge + link.slots + 1]
    stop_bit = FOREVER_NS if stop_slot == FOREVER_NS else bits_before(edges, stop_slot)
    last_slot = 0
    while message.sent_bits < message.size_bytes * 8:
        position = max(link.position, bits_before(edges, max(slot, opening_slot(message, link.slot_ns))))
        if position >= stop_bit:
            return -1
        bits = message.size_bytes * 8 - message.sent_bits
        first_slot = slot_of_bit(edges, position)
        if message.first_bits > 0:
            last_slot = first_slot
            link.position = bits_before(edges, first_slot + 1)
            bits = min(bits, message.first_bits, link.position - position)
            use_first_grant(link, message, first_slot)
        else:
            bits = min(bits, stop_bit - position)
            link.position = position + bits
            last_slot = slot_of_bit(edges, link.position - 1)
        send_bits(tables, index, message, bits, position, first_slot, last_slot)
    return int((last_slot + 1) * link.slot_ns)


@in_place
def use_first_grant(link: Record, message: Record, slot: int) -> None:
    """Use the message's first grant in a slot: the rest of the message waits for the next grant."""
    message.first_bits = 0
    message.open_ns = (slot + 1) * link.slot_ns + link.report_ns


@in_place
def send_bits(
    tables: LinkTables, index: int, message: Record, bits: int, position: int, first_slot: int, last_slot: int
) -> None:
    """Send the next bits of a message at a position of the endless trace, in slots `first_slot` to `last_slot`."""
    link = tables.links[index]
    if message.start_ns < 0:
        message.start_ns = first_slot * link.slot_ns
    acknowledged_bits = message.acknowledged_bytes * 8 - message.sent_bits  # of those that are not sent yet
    if bits > acknowledged_bits:
        count_erased(tables, index, message, bits, position)
    if link.delays and acknowledged_bits > 0:
        if bits > acknowledged_bits:
            edges = tables.cumulative_bits[link.first_edge : link.first_edge + link.slots + 1]
            last_slot = slot_of_bit(edges, position + acknowledged_bits - 1)
        delays = tables.harq_delay_ns[link.first_delay : link.first_delay + link.slots]
        release_ns = harq_release_ns(delays, link.longest_ns, link.slot_ns, first_slot, last_slot)
        message.release_ns = max(message.release_ns, release_ns)
    message.sent_bits += bits


@in_place
def count_erased(tables: LinkTables, index: int, message: Record, bits: int, position: int) -> None:
    """Count the bytes of the fragments that end within the next bits and are lost: by their own draw, or because a
    block that carried a part of them is lost. The acknowledged bytes have fragments of their own, which come first."""
    link = tables.links[index]
    if not (link.loss > 0.0 or link.loses):
        return
    edges = tables.cumulative_bits[link.first_edge : link.first_edge + link.slots + 1]
    blocks = tables.block_lost[link.first_block : link.first_block + link.slots * link.loses]
    acknowledged_bits, fragment_bits = message.acknowledged_bytes * 8, link.fragment_bytes * 8
    begin, end = max(message.sent_bits, acknowledged_bits), message.sent_bits + bits
    position += begin - message.sent_bits
    acknowledged = -(-acknowledged_bits // fragment_bits)
    fragment = (begin - acknowledged_bits) // fragment_bits
    while acknowledged_bits + fragment * fragment_bits < end:
        first = acknowledged_bits + fragment * fragment_bits
        stop = min(first + fragment_bits, message.size_bytes * 8)
        sent_from, sent_to = max(first, begin), min(stop, end)
        if link.loses and not message.fragment_lost:
            message.fragment_lost = loses_a_block(edges, blocks, position + sent_from - begin, sent_to - sent_from)
        if sent_to == stop:
            if message.fragment_lost or uniform(link.key, message.number, acknowledged + fragment, 0) < link.loss:
                message.erased_bytes += (stop - first) // 8
            message.fragment_lost = False
        fragment += 1


@in_place
def finish(link: Record, message: Record, sent_ns: int) -> None:
    """Set release and arrival of a message whose last bit is sent at `sent_ns`. What is acknowledged is released in
    order, with its retransmissions; a message is released when all of it is."""
    link.sent_ns = sent_ns
    release_ns = sent_ns
    if message.acknowledged_bytes > 0:
        release_ns = max(message.release_ns, sent_ns)
        if link.loss > 0.0:
            fragments = -(-message.acknowledged_bytes // link.fragment_bytes)
            release_ns += failed_attempts(link.loss, link.key, message.number, fragments) * link.retransmission_ns
        link.released_ns = release_ns = max(release_ns, link.released_ns)
    message.release_ns = release_ns
    message.arrival_ns = release_ns + link.delay_ns


@in_place
def erased_fraction(message: Record) -> float:
    """Return the share of the bytes that are not acknowledged that is lost; 0 where all are."""
    exposed_bytes = message.size_bytes - message.acknowledged_bytes
    return message.erased_bytes / exposed_bytes if exposed_bytes > 0 else 0.0
