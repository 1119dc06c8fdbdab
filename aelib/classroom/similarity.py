"""Find submissions with suspiciously similar code: a hint for the instructor, not a verdict."""

import io
from collections.abc import Iterable
from itertools import combinations

GRAM_CHARACTERS = 25  # per fingerprint, in code without spaces whose names are all replaced by the same one
WINDOW_GRAMS = 10  # of which one fingerprint is kept
MIN_FINGERPRINTS = 15  # short answers are alike anyway
MIN_SHARE = 0.8  # of the fingerprints of the smaller submission


def similar_pairs(codes: dict[str, str], handed_out: Iterable[str] = ()) -> list[tuple[float, str, str]]:
    """Return (share, student, student) of each similar pair, the most similar first.

    The method is winnowing (Schleimer, Wilkerson and Aiken 2003) on tokens, so renaming does not hide a copy.

    Args:
        codes: the code of each student.
        handed_out: code that everybody received, which does not count.
    """
    # Imported here, because every process of the grader imports this module, and copydetect loads matplotlib.
    from copydetect import CodeFingerprint

    def fingerprints(code):
        source = io.StringIO(code)
        return set(CodeFingerprint("", GRAM_CHARACTERS, WINDOW_GRAMS, language="python", fp=source).hashes)

    known = set().union(*(fingerprints(code) for code in handed_out if code.strip()))
    marks = {student: fingerprints(code) - known for student, code in sorted(codes.items()) if code.strip()}
    comparable = [student for student in marks if len(marks[student]) >= MIN_FINGERPRINTS]
    pairs = []
    for first, second in combinations(comparable, 2):
        share = len(marks[first] & marks[second]) / min(len(marks[first]), len(marks[second]))
        if share >= MIN_SHARE:
            pairs.append((round(share, 2), first, second))
    return sorted(pairs, key=lambda pair: (-pair[0], *pair[1:]))
