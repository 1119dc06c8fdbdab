"""The notebooks as assignments: a source notebook in; student versions, grades and feedback out.

`expect` is for the tests inside an assignment, and all that a student's copy needs of this package.
"""
