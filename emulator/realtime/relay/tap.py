"""TAP interfaces: network interfaces of a host whose other end is a file descriptor."""

import fcntl
import os
import socket
import struct

TUN_PATH = "/dev/net/tun"
QUEUE_FRAMES = 10_000  # frames that may wait to be read; the kernel's default of 1000 is 10 ms of small packets

# linux/if_tun.h, linux/sockios.h
_TUNSETIFF, _TUNSETOFFLOAD, _TUNSETVNETLE = 0x400454CA, 0x400454D0, 0x400454DC
_IFF_TAP, _IFF_NO_PI, _IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
_TUN_F_CSUM, _TUN_F_TSO4 = 0x01, 0x02  # without TSO_ECN the kernel itself segments TCP that has the flag CWR
_SIOCSIFTXQLEN = 0x8943
_MAX_NAME_BYTES = 15  # IFNAMSIZ without the final zero


def open_tap(name: str) -> int:
    """Make the interface `name` in the caller's network namespace and return its descriptor; the interface exists until
    all copies of the descriptor are closed. A frame begins with a header of 10 bytes (struct virtio_net_hdr,
    little-endian), because the host may leave checksums to the reader and send TCP over IPv4 in frames of up to 64 KiB
    to be segmented. Reads do not block.

    Raises ValueError if an interface cannot have this name, OSError if the kernel refuses to make it.
    """
    if not 0 < len(name.encode()) <= _MAX_NAME_BYTES or "/" in name or name.split() != [name]:
        raise ValueError(f"interface={name}: must have 1 to {_MAX_NAME_BYTES} characters, no / and no space")
    descriptor = os.open(TUN_PATH, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
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
