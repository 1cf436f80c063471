#!/usr/bin/env python3
"""completions.py: prints the completions of a shell for `tuplet`, made from what the program says of itself.

Usage: completions.py PROGRAM bash|zsh|fish

`tuplet help` lists the commands; the lines of each --help that begin with an option list the options, what they
take and what they are for. So the completions know what this build of the program knows, and nothing else.
"""

import itertools
import os
import re
import subprocess
import sys

OPTION_LINE = re.compile(r"^ {2,6}(?:-(\w), )?--([a-z0-9][a-z0-9-]*)(?: ([^\s]+))?(?: {2,}(.*))?$")
COMMAND_LINE = re.compile(r"^  ([a-z]+)(?: [A-Z\[][^ ]*(?: [A-Z\[][^ ]*)*)? {2,}(\S.*)$")
CONTINUATION = re.compile(r"^ {6,}([^\s-].*)$")
ENUMERATION = re.compile(r"(?:^|: )((?:[\w.]+, )*[\w.]+) or ([\w.]+)$")
CLAUSE = re.compile(r'(?:"[^"]*"|(?![;(]|[.:] ).)*')  # marks within quotes end nothing
DEFAULT = re.compile(r" \[([^\]]*)\]$")

FILES = re.compile(r"^(P|PATH|FILE|PEM)$")
FOLDERS = re.compile(r"^(D|DIR|FOLDER)$")
# What an option takes that --help explains in more than an enumeration.
CHOICES = {"encoding": ["text", "json", "bytes", "v8", "le64"]}
# What stands right after a command and is neither an option nor a file.
OPERANDS = {
    "bench": ["get", "getmany", "set", "mixed", "transfer", "sum", "list", "watch", "queue"],
    "codec": ["key", "value"],
}


class Option:
    def __init__(self, short, name, argument, text):
        self.short, self.name, self.argument = short, name, argument
        self.summary = first_clause(DEFAULT.sub("", text).replace(" (the default)", ""))
        self.choices = [] if argument is None else CHOICES.get(name) or enumerated(text)
        self.takes = None if argument is None else "words"
        if argument is not None and FOLDERS.match(argument):
            self.takes = "folders"
        elif argument is not None and FILES.match(argument):
            self.takes = "files"

    def forms(self):
        return ([f"-{self.short}"] if self.short else []) + [f"--{self.name}"]


class Command:
    """A command, or the program itself with its own options; `words` are those that may follow."""

    def __init__(self, path, summary, text):
        self.path, self.summary = path, summary
        self.options = options_of(text)
        self.commands = []
        self.words = list(OPERANDS.get(" ".join(path), []))


def enumerated(text):
    """The words of "logfmt or json [logfmt]" and of "strong (the default) or eventual"; of other texts none."""
    default = DEFAULT.search(text)
    found = ENUMERATION.search(DEFAULT.sub("", text).replace(" (the default)", ""))
    words = [*found[1].split(", "), found[2]] if found else []
    return words if "(the default)" in text or (default and default[1] in words) else []


def environment():
    """Without what would make the program's text another one from build to build."""
    return {"PATH": os.environ.get("PATH", ""), "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"}


def ask(program, *arguments):
    done = subprocess.run([program, *arguments], capture_output=True, text=True, env=environment(), check=False)
    if done.returncode != 0 or not done.stdout:
        sys.exit(f"completions: {program} {' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
    return done.stdout


def first_clause(text):
    """What fits beside an option on a screen."""
    text = re.sub(r"^of [a-z]+(, [a-z]+)*( and [a-z]+)?: ", "", text.strip())
    clause = CLAUSE.match(text)[0].strip().rstrip(".,")
    return clause if len(clause) <= 60 else clause[:59].rsplit(" ", 1)[0].rstrip(",") + " …"


def options_of(text):
    options = []
    lines = text.split("\n")
    for number, line in enumerate(lines):
        found = OPTION_LINE.match(line)
        if not found:
            continue
        short, name, argument, summary = found.groups()
        below = itertools.takewhile(bool, map(CONTINUATION.match, lines[number + 1:]))
        text = " ".join(([summary] if summary else []) + [match[1] for match in below])
        options.append(Option(short, name, argument, text))
    return options


def commands_of(text):
    """The lines "  NAME  what it does" of the paragraph that follows a heading or the first lines."""
    found = [COMMAND_LINE.match(line) for line in text.split("\n")]
    return [(match[1], match[2]) for match in found if match]


def subcommands_of(program, name):
    """Those of `tuplet NAME COMMAND`: its --help says "Usage: tuplet NAME COMMAND" for each."""
    text = ask(program, name, "--help")
    names = re.findall(rf"^(?:Usage:|      ) tuplet {name} ([a-z]+)(?=[ \n])", text, re.MULTILINE)
    summaries = dict(commands_of(text))
    return [(sub, first_clause(summaries.get(sub, ""))) for sub in dict.fromkeys(names)]


def read_program(program):
    overview = ask(program, "help")
    root = Command([], "", overview)
    for name, summary in commands_of(overview):
        command = Command([name], summary, ask(program, name, "--help"))
        for sub, sub_summary in subcommands_of(program, name):
            command.commands.append(Command([name, sub], sub_summary, ask(program, name, sub, "--help")))
        root.commands.append(command)
    if len(root.commands) < 3 or not root.options:
        sys.exit("completions: `tuplet help` does not look as it did")
    helper = next(command for command in root.commands if command.path == ["help"])
    helper.words = [command.path[0] for command in root.commands]
    return root


def all_commands(root):
    yield root
    for command in root.commands:
        yield command
        yield from command.commands


def taking(root):
    """The options that take a word of their own."""
    return sorted({form for command in all_commands(root) for option in command.options if option.takes
                   for form in option.forms()})


# ---- bash ----

BASH = """\
# bash completion for tuplet; made by the build from `tuplet help`.
_tuplet() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} IFS=$' \\t\\n'
  local command='' word skip='' i options='' words=''
  COMPREPLY=()
  # Readline takes --name=value apart into three words.
  if [[ $cur == = ]]; then cur=''; elif [[ $prev == = ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if [[ -n $skip ]]; then skip=''; continue; fi
    case ${command:+$command }$word in
@NAMES@
    *)
      case $word in @TAKING@) skip=1 ;; esac
      [[ ${COMP_WORDS[i+1]-} != = ]] || { skip=''; i=$((i + 2)); }
      ;;
    esac
  done
  case $command:$prev in
@ARGUMENTS@
  esac
  case $command in
@COMMANDS@
  esac
  if [[ $cur == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$cur"))
  elif [[ -n $words ]]; then
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
  else
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$cur")
  fi
}
complete -F _tuplet tuplet
"""


def bash(root):
    names = [f"    '{' '.join(command.path)}') command='{' '.join(command.path)}' ;;"
             for command in all_commands(root) if command.path]
    arguments, commands = [], []
    for command in all_commands(root):
        name = " ".join(command.path)
        for option in command.options:
            if option.takes is None:
                continue
            pattern = "|".join(f"'{name}:{form}'" for form in option.forms())
            if option.choices:
                answer = f"COMPREPLY=($(compgen -W '{' '.join(option.choices)}' -- \"$cur\"))"
            elif option.takes == "words":
                answer = ":"
            else:
                flag = "-d" if option.takes == "folders" else "-f"
                answer = f'compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen {flag} -- "$cur")'
            arguments.append(f"  {pattern}) {answer}; return ;;")
        options = " ".join(form for option in command.options for form in option.forms())
        words = " ".join([sub.path[-1] for sub in command.commands] + command.words)
        commands.append(f"  '{name}') options='{options}' words='{words}' ;;")
    return (BASH.replace("@NAMES@", "\n".join(names)).replace("@TAKING@", "|".join(taking(root)))
            .replace("@ARGUMENTS@", "\n".join(arguments)).replace("@COMMANDS@", "\n".join(commands)))


# ---- zsh ----

def zsh_text(text):
    return re.sub(r"([\\\[\]:'`$\"])", lambda found: "'\\''" if found[1] == "'" else "\\" + found[1], text)


def zsh_option(option):
    action = ""
    if option.takes == "folders":
        action = f":{zsh_text(option.argument)}:_files -/"
    elif option.takes == "files":
        action = f":{zsh_text(option.argument)}:_files"
    elif option.takes:
        action = f":{zsh_text(option.argument)}:({' '.join(option.choices)})"
    summary = f"[{zsh_text(option.summary)}]"
    lines = []
    for form in option.forms():
        assign = "=" if option.takes and form.startswith("--") else ""
        lines.append(f"'*{form}{assign}{summary}{action}'")
    return lines


def zsh_function(command):
    name = "_".join(["_tuplet", *command.path])
    lines = [f"{name}() {{"]
    specs = [spec for option in command.options for spec in zsh_option(option)]
    if command.commands:
        label = "-".join([*command.path, "command"])
        lines += ["  local context curcontext=$curcontext state state_descr line",
                  "  typeset -A opt_args",
                  "  local -a commands=("]
        lines += [f"    '{sub.path[-1]}:{zsh_text(sub.summary)}'" for sub in command.commands]
        lines += ["  )", "  _arguments -C -S \\"]
        lines += [f"    {spec} \\" for spec in specs]
        lines += [f"    '1:command:->{label}' '*::argument:->arguments' && return", "  case $state in",
                  f"  {label}) _describe -t commands command commands ;;", "  arguments)",
                  f"    curcontext=${{curcontext%:*:*}}:{'-'.join(['tuplet', *command.path])}-$line[1]:",
                  "    case $line[1] in"]
        lines += [f"    {sub.path[-1]}) {'_'.join(['_tuplet', *sub.path])} ;;" for sub in command.commands]
        lines += ["    esac ;;", "  esac"]
    else:
        operand = f"'*:word:({' '.join(command.words)})'" if command.words else "'*:argument:_files'"
        lines += ["  _arguments -S \\"] + [f"    {spec} \\" for spec in specs] + [f"    {operand}"]
    return "\n".join([*lines, "}", ""])


def zsh(root):
    functions = "\n".join(zsh_function(command) for command in all_commands(root))
    head = "#compdef tuplet\n# zsh completion for tuplet; made by the build from `tuplet help`.\n"
    return f"{head}\n{functions}\n_tuplet \"$@\"\n"


# ---- fish ----

def fish_text(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


FISH = """\
# fish completion for tuplet; made by the build from `tuplet help`.
function __tuplet_at --description 'whether the words so far name this command and no further one'
    set -l at ''
    set -l skip no
    for word in (commandline -opc)[2..-1]
        if test $skip = yes
            set skip no
            continue
        end
        set -l next (string trim "$at $word")
        if contains -- $next @NAMES@
            set at $next
        else if contains -- $word @TAKING@
            set skip yes
        end
    end
    test "$at" = "$argv[1]"
end
"""


def fish(root):
    names = " ".join(fish_text(" ".join(command.path)) for command in all_commands(root) if command.path)
    lines = [FISH.replace("@NAMES@", names).replace("@TAKING@", " ".join(taking(root)))]
    for command in all_commands(root):
        start = f"complete -c tuplet -n {fish_text('__tuplet_at ' + fish_text(' '.join(command.path)))}"
        for sub in command.commands:
            lines.append(f"{start} -f -a {sub.path[-1]} -d {fish_text(sub.summary)}")
        if command.words:
            lines.append(f"{start} -f -a {fish_text(' '.join(command.words))}")
        for option in command.options:
            parts = [start, f"-l {option.name}"]
            parts += [f"-s {option.short}"] if option.short else []
            if option.choices:
                parts.append(f"-x -a {fish_text(' '.join(option.choices))}")
            elif option.takes == "folders":
                parts.append("-x -a '(__fish_complete_directories)'")
            elif option.takes == "files":
                parts.append("-r -F")
            elif option.takes:
                parts.append("-x")
            lines.append(" ".join([*parts, "-d", fish_text(option.summary)]))
    return "\n".join(lines) + "\n"


def main():
    shells = {"bash": bash, "zsh": zsh, "fish": fish}
    if len(sys.argv) != 3 or sys.argv[2] not in shells:
        sys.exit(__doc__)
    # Meson gives a path relative to the build folder; a name without a slash would be looked up in PATH.
    sys.stdout.write(shells[sys.argv[2]](read_program(os.path.abspath(sys.argv[1]))))


main()
