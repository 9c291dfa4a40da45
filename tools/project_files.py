"""The project's own files, without asking git: an unpacked archive is checked just the same."""
import os

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NOT_OURS = ("third_party", "node_modules", "__pycache__", "subprojects")


def project_files(*endings):
    """Relative paths, sorted; all files, or those with one of the endings."""
    found = []
    for base, folders, names in os.walk(ROOT):
        folders[:] = [d for d in folders if d not in NOT_OURS and d != ".git"
                      and not (base == ROOT and d.startswith("build"))]
        for name in names:
            path = os.path.relpath(os.path.join(base, name), ROOT)
            if not endings or path.endswith(endings):
                found.append(path)
    return sorted(found)
