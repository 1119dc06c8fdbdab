"""The notebooks as assignments: make student versions, and grade submissions in a sandbox.

`expect` is for the tests inside an assignment, and the only module of this package that a student's copy has.
"""
