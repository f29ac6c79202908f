"""TAP interfaces: what a host sends through one can be read from its file descriptor, what is written there the host
receives."""

import fcntl
import os
import socket
import struct

DEVICE = "/dev/net/tun"
QUEUE_FRAMES = 10_000  # that wait to be read; the kernel's 1000 are 10 ms of small packets

# linux/if_tun.h, linux/sockios.h
_TUNSETIFF, _TUNSETOFFLOAD, _TUNSETVNETLE = 0x400454CA, 0x400454D0, 0x400454DC
_IFF_TAP, _IFF_NO_PI, _IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
_TUN_F_CSUM, _TUN_F_TSO4 = 0x01, 0x02
_SIOCSIFTXQLEN = 0x8943
_LONGEST_NAME = 15  # IFNAMSIZ less its end


def open_tap(name: str) -> int:
    """Make the interface `name` in the caller's network namespace, which lives as long as the returned descriptor
    is open anywhere. Each frame has a header of 10 bytes before it (struct virtio_net_hdr, little-endian): the host
    leaves checksums open, and sends TCP over IPv4 in frames of up to 64 KiB that name the size of their segments.
    Reads do not block.

    Raises ValueError for a name that no interface can have, OSError where the kernel makes none.
    """
    if not 0 < len(name.encode()) <= _LONGEST_NAME or "/" in name or name.split() != [name]:
        raise ValueError(f"interface={name}: must have 1 to {_LONGEST_NAME} characters, no / and no space")
    descriptor = os.open(DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        request = struct.pack("16sH22x", name.encode(), _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR)
        fcntl.ioctl(descriptor, _TUNSETIFF, request)
        fcntl.ioctl(descriptor, _TUNSETVNETLE, struct.pack("i", 1))
        fcntl.ioctl(descriptor, _TUNSETOFFLOAD, _TUN_F_CSUM | _TUN_F_TSO4)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            fcntl.ioctl(control, _SIOCSIFTXQLEN, struct.pack("16si20x", name.encode(), QUEUE_FRAMES))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
