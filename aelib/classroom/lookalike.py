"""The code of many submissions in; the pairs that are suspiciously alike out: a hint for the instructor, no verdict."""

import io
from itertools import combinations

TOKENS = 25  # characters of code, names and blanks made equal, that one fingerprint covers
WINDOW = 10
LEAST = 15  # fingerprints below which alikeness says nothing: short answers look alike
ALIKE = 0.8  # share of the smaller one's fingerprints that the other has


def pairs(codes, known=()):
    """[(share, student, student)] of those who are alike, the most alike first.

    Args:
        codes: {student: code}, without what was handed out.
        known: code that everybody has, which does not count.

    Fingerprints by winnowing (Schleimer, Wilkerson and Aiken 2003), names and blanks made equal: renaming hides none.
    """
    from copydetect import CodeFingerprint

    def prints(code, boilerplate=()):
        made = CodeFingerprint("x.py", TOKENS, WINDOW, language="python", fp=io.StringIO(code), boilerplate=boilerplate)
        return set(made.hashes)

    import numpy as np

    shared = set().union(*(prints(code) for code in known if code.strip())) if known else set()
    boilerplate = np.array(sorted(shared)) if shared else []
    found = {student: prints(code, boilerplate) for student, code in codes.items() if code.strip()}
    found = {student: marks for student, marks in found.items() if len(marks) >= LEAST}
    alike = []
    for (one, first), (other, second) in combinations(sorted(found.items()), 2):
        share = len(first & second) / min(len(first), len(second))
        if share >= ALIKE:
            alike.append((round(share, 2), one, other))
    return sorted(alike, key=lambda pair: (-pair[0], *pair[1:]))
