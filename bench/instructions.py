#!/usr/bin/env python3
"""instructions.py: counts the instructions of fixed work, and fails when they have become more.

Usage: bench/instructions.py [OPTION...] PROGRAM       PROGRAM is build/bench/instructions

Seconds depend on the machine and on who else uses it; how many instructions the same work takes does not. callgrind
runs PROGRAM once and counts each workload apart, in two parts: "ours" is what the program itself executes, which is
libtuplet and the server, and "all" has the libraries in it, SQLite above all.

What is compared must be comparable. bench/instructions.json has a set of numbers for each architecture, compiler and
kind of build ("ours"), and below it for each set of libraries ("all"). A machine that none of them is for is told so,
and passes.
"""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BASELINE = ROOT / "bench" / "instructions.json"
RENEW = "make bench-check ARGS=--write"
TOLERANCE = 0.05
LIBRARIES = ["sqlite3", "libnghttp2", "libuv", "libcrypto", "libprotobuf-c"]
SECONDS_MAX = 900


class Failure(Exception):
    """What keeps the guard from doing its work; it fails then."""


# ---- Measuring ----

def parse_dump(text):
    """{(object, function): instructions} of a file of callgrind's: what each function executed itself.

    Functions that yield the processor wait for another thread, in circles. How long depends on how callgrind has threads
    take turns, so they are left out.
    """
    names = {"ob": {}, "fn": {}}
    current = {"ob": "", "fn": ""}
    costs = {}
    waiting = set()
    is_of_a_call = False
    is_complete = False
    for line in text.splitlines():
        if line[:1] in ("+", "-", "*") or line[:1].isdigit():
            if not is_of_a_call:  # what comes after a call is what the callee took, which stands there, too
                place = (current["ob"], current["fn"])
                costs[place] = costs.get(place, 0) + int(line.split()[1])
            is_of_a_call = False
            continue
        if line.startswith("calls="):
            is_of_a_call = True
            continue
        if line.startswith("totals: "):
            is_complete = sum(costs.values()) == int(line.split()[1])
            continue
        found = re.match(r"(c?)(ob|fn)=\((\d+)\)(?: (.*))?$", line)
        if found:
            is_callee, kind, number, name = found.groups()
            if name is not None:
                names[kind][number] = name
            if not is_callee:
                current[kind] = names[kind][number]
            elif names[kind][number] == "sched_yield":
                waiting.add((current["ob"], current["fn"]))
    if not is_complete:
        raise Failure("a file of callgrind's is cut off, or is not understood")
    return {place: cost for place, cost in costs.items() if place not in waiting}


def measure(program, directory, only=None):
    """[(workload, {(object, function): instructions of one operation})], in the order of the program."""
    if shutil.which("valgrind") is None:
        raise Failure("valgrind is missing; scripts/setup test installs it")
    with tempfile.TemporaryDirectory(prefix="instructions-", dir=directory) as folder:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/counts", "--dump-line=no",
                   "--dump-before=instructions_begin", "--dump-before=instructions_end",
                   "--toggle-collect=instructions_aside", "--collect-atstart=yes",
                   str(program), "--dir", folder, *(["--only", only] if only else [])]
        run = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                             timeout=SECONDS_MAX, check=False)
        if run.returncode != 0:
            raise Failure(f"{program} under callgrind ended with {run.returncode}:\n{run.stderr.strip()}")
        workloads = [line.split() for line in run.stdout.splitlines()]
        if not workloads:
            raise Failure(f"there is no workload {only}" if only else f"{program} has no workloads")
        results = []
        for number, (name, operations) in enumerate(workloads):
            # A file for what came before it, and one for it: --zero-before leaves something of threads that ended.
            dump = Path(folder, f"counts.{2 * number + 2}")
            if not dump.exists():
                raise Failure(f"callgrind wrote nothing of {name}: it did not find where that ends")
            costs = parse_dump(dump.read_text(errors="replace"))
            results.append((name, {place: cost / int(operations) for place, cost in costs.items()}))
        return results


def sums(program, costs):
    """{"ours": ..., "all": ...}, whole instructions of one operation."""
    own = str(program)
    ours = sum(cost for (place, _), cost in costs.items() if place == own)
    if ours == 0:
        raise Failure(f"callgrind names no function of {own}")
    return {"ours": round(ours), "all": round(sum(costs.values()))}


# ---- What can be compared ----

def build_key(program):
    """Architecture, compiler, kind of build: what decides about our own instructions, but for the sources."""
    about = subprocess.run([program, "--about"], capture_output=True, text=True, check=True).stdout.strip()
    file = program.parent.parent / "meson-info" / "intro-buildoptions.json"
    if not file.exists():
        raise Failure(f"{program} is in no build folder of Meson's")
    options = {option["name"]: option["value"] for option in json.loads(file.read_text())}
    parts = [about, options["buildtype"]]
    parts += ["lto"] if options["b_lto"] else []
    parts += [f"pgo {options['b_pgo']}"] if options["b_pgo"] != "off" else []
    parts += [" ".join(options["c_args"])] if options["c_args"] else []
    return ", ".join(parts)


def libraries_key():
    """What decides about the rest: the libraries, and callgrind's processor, for which libc chooses its functions."""
    def version(module):
        run = subprocess.run(["pkg-config", "--modversion", module], capture_output=True, text=True, check=False)
        return f"{module} {run.stdout.strip() or '?'}"
    valgrind = subprocess.run(["valgrind", "--version"], capture_output=True, text=True, check=False).stdout.strip()
    processor = Path("/proc/cpuinfo").read_text(errors="replace") if platform.machine() == "x86_64" else ""
    parts = [os.confstr("CS_GNU_LIBC_VERSION") or "libc ?", *map(version, LIBRARIES), valgrind.replace("-", " ")]
    return ", ".join(parts + (["avx2"] if re.search(r"\bavx2\b", processor) else []))


# ---- Comparing ----

def compare(measured, baseline, is_part=False):
    """[(workload, part, before, now, verdict)]; verdicts: same, more, less, new, gone, alone (nothing is known)."""
    rows = []
    for workload, numbers in measured.items():
        for part, now in numbers.items():
            known = baseline.get(part)
            before = (known or {}).get(workload)
            if known is None:
                verdict = "alone"
            elif before is None:
                verdict = "new"
            elif now > before * (1 + TOLERANCE):
                verdict = "more"
            else:
                verdict = "less" if now < before * (1 - TOLERANCE) else "same"
            rows.append((workload, part, before, now, verdict))
    for part, known in baseline.items():
        for workload in known:
            if not is_part and workload not in measured:
                rows.append((workload, part, known[workload], None, "gone"))
    return rows


def baseline_of(file, build, libraries):
    """{"ours": {workload: instructions}, "all": ...}, with those parts only that there are numbers for."""
    entry = json.loads(file.read_text()).get(build, {}) if file.exists() else {}
    baseline = {"ours": entry["ours"]} if "ours" in entry else {}
    if libraries in entry.get("all", {}):
        baseline["all"] = entry["all"][libraries]
    return baseline


def write_baseline(file, build, libraries, measured):
    """Numbers of other machines stay, but for those of this build's "all": they are as old as the sources were."""
    everything = json.loads(file.read_text()) if file.exists() else {}
    everything[build] = {"ours": {name: numbers["ours"] for name, numbers in measured.items()},
                         "all": {libraries: {name: numbers["all"] for name, numbers in measured.items()}}}
    file.write_text(json.dumps(everything, indent=2) + "\n")


VERDICTS = {"same": "", "more": "MORE THAN 5 % MORE", "less": "more than 5 % less", "new": "NOT IN THE BASELINE",
            "gone": "NOT MEASURED ANY MORE", "alone": ""}


def print_rows(rows):
    by_workload = {}
    for workload, part, before, now, verdict in rows:
        by_workload.setdefault(workload, {})[part] = (before, now, verdict)
    print(f"{'instructions an operation':<26} {'ours':>10} {'':>8} {'all':>10}")
    for workload, parts in by_workload.items():
        line = f"{workload:<26}"
        remarks = []
        for part in ("ours", "all"):
            before, now, verdict = parts.get(part, (None, None, "alone"))
            change = f"{100 * (now / before - 1):+.1f} %" if before and now is not None else ""
            line += f" {now if now is not None else '-':>10} {change:>8}"
            if VERDICTS[verdict]:
                remarks.append(f"{part}: {VERDICTS[verdict]}")
        print(f"{line} {'; '.join(remarks)}".rstrip())


def print_functions(results, count):
    for workload, costs in results:
        print(f"\n{workload}: {round(sum(costs.values()))} instructions")
        for (place, function), cost in sorted(costs.items(), key=lambda item: -item[1])[:count]:
            print(f"{cost:>12.1f}  {function} [{os.path.basename(place)}]")


def judge(rows, build, libraries, baseline):
    """How many workloads failed. A workload that the baseline lacks has failed, too: nobody would guard it."""
    failed = {row[0] for row in rows if row[4] in ("more", "new", "gone")}
    if "ours" not in baseline:
        print(f"There are no numbers for this build ({build}) to compare with; {RENEW} writes them.")
    elif "all" not in baseline:
        print(f"There are no numbers for these libraries ({libraries}): only our own instructions are compared.")
    if any(row[4] == "less" for row in rows):
        print(f"Some have become fewer: {RENEW} makes that the new measure.")
    if failed:
        print(f"Where they go: bench/instructions.py --functions 30 --only WORKLOAD PROGRAM. If it has to be: {RENEW}.")
    return len(failed)


def smaller(one, other):
    return {name: {part: min(number, other[name][part]) for part, number in numbers.items()}
            for name, numbers in one.items()}


def run(arguments):
    program = Path(arguments.program).resolve()

    def measured_once():
        results = measure(program, arguments.dir or program.parent, arguments.only)
        return {name: sums(program, costs) for name, costs in results}

    if arguments.functions:
        print_functions(measure(program, arguments.dir or program.parent, arguments.only), arguments.functions)
        return 0
    measured = measured_once()
    build, libraries = build_key(program), libraries_key()
    baseline = baseline_of(arguments.baseline, build, libraries)
    rows = compare(measured, baseline, is_part=arguments.only is not None)
    if arguments.write:
        print_rows(rows)
        write_baseline(arguments.baseline, build, libraries, measured)
        return 0
    if any(row[4] == "more" for row in rows):
        # Threads that meet otherwise than they mostly do only ever add to it: the smaller number is the work.
        print("Some have become more, so all are counted once again.", flush=True)
        rows = compare(smaller(measured, measured_once()), baseline, is_part=arguments.only is not None)
    print_rows(rows)
    failed = judge(rows, build, libraries, baseline)
    workloads = {row[0] for row in rows}
    print(f"pass {len(workloads) - failed}\nfail {failed}")
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(description="Counts the instructions of fixed work, and fails when they have "
                                                 "become more.")
    parser.add_argument("program", metavar="PROGRAM", help="build/bench/instructions")
    parser.add_argument("--baseline", type=Path, default=BASELINE, metavar="FILE", help="the numbers to compare with")
    parser.add_argument("--write", action="store_true", help="write what is measured into that file")
    parser.add_argument("--only", metavar="WORKLOAD", help="one of them alone")
    parser.add_argument("--functions", type=int, metavar="N", help="tell the N functions that execute most, instead")
    parser.add_argument("--dir", metavar="DIR", help="for files that are made meanwhile (default: PROGRAM's)")
    arguments = parser.parse_args()
    if arguments.write and arguments.only:
        parser.error("--write wants all workloads")
    try:
        return run(arguments)
    except (Failure, OSError, ValueError, subprocess.SubprocessError) as failure:
        print(f"instructions: {failure}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
