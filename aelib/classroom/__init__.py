"""The notebooks as assignments: make student versions, and grade submissions in a sandbox.

`expect` is for the tests inside an assignment; it is the only module of this package in a student's copy.
"""
