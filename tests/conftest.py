"""What every test shares: how Hypothesis behaves."""

import os

from hypothesis import settings

# The machine is shared and slow at times: the count of examples is the bound, not the time of one.
settings.register_profile("here", deadline=None, max_examples=50)
settings.register_profile("ci", deadline=None, max_examples=50, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")
