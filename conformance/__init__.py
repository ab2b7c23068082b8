"""OpenStack's own test suites against a real cloud of this project. The command is bin/conformance; see __main__.py.

lists.py    which tests count, by service        world.py   a cloud of its own, and what the suites expect to find in it
suite.py    Tempest: configure it, run it        score.py   the outcome of every listed test
page.py     docs/conformance.md from the results and the declarations
"""
