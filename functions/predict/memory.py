"""What a batch of customers takes, the process keeps for the next one."""

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # as malloc.h of glibc numbers them
_KEPT, _LARGE = 64 << 20, 32 << 20


def keep() -> None:
    """Let malloc keep what is freed, up to 64 MiB.

    A thousand customers take some 8 MB. To give them back and to get them page by page with the
    next batch can take as long as all else. Another C library than glibc stays as it is.
    """
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(_TRIM_THRESHOLD, _KEPT)
        mallopt(_MMAP_THRESHOLD, _LARGE)
