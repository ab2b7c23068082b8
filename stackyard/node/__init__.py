"""The node link and what runs at its far end: drivers on a host, reached by encoded messages only.

Promises that server and node exchange nothing but bytes, even in one process. Knows the kernel, no room: the contracts
of drivers are handed in. Holds no state that outlives the process and takes no decision about the cloud.
"""
