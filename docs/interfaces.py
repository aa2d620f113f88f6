#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The manual page of the bus interfaces, from their XML: names, signatures, and the comment above each.

  interfaces.py PAGE.scd.in XML...    prints scdoc, with the interfaces in place of @INTERFACES@

So the page and the interfaces that are installed cannot differ.
"""

import re
import sys
from xml.etree import ElementTree


def escape(text):
    return re.sub(r"([\\_*#])", r"\\\1", text)


def signature(arguments):
    return escape(", ".join(f"{arg.get('type')} {arg.get('name')}" for arg in arguments))


def heading(member):
    arguments = member.findall("arg")
    name = f"*{escape(member.get('name'))}*"
    if member.tag == "property":
        return f"{name}: {escape(member.get('type'))}"

    answers = [arg for arg in arguments if arg.get("direction") == "out"]
    text = f"{name}({signature(arg for arg in arguments if arg not in answers)})"
    return f"{text} -> ({signature(answers)})" if answers else text


def paragraph(comment):
    return [escape(line.strip()) for line in comment.strip().splitlines()]


def describe(interface):
    """What stands before the first member tells of the interface, each later comment of what follows it."""
    lines = ["# " + escape(interface.get("name").upper()), ""]
    comments = []
    for child in interface:
        if child.tag is ElementTree.Comment:
            comments.append(paragraph(child.text))
            continue
        for above in comments[:-1]:
            lines += above + [""]
        lines.append(f"{heading(child)} ({child.tag})")
        lines += ["\t" + line for line in comments[-1]] + [""]
        comments = []
    return lines


def main(page, *files):
    lines = []
    for file in files:
        parser = ElementTree.XMLParser(target=ElementTree.TreeBuilder(insert_comments=True))
        lines += describe(ElementTree.parse(file, parser).getroot().find("interface"))
    with open(page, encoding="utf-8") as text:
        sys.stdout.write(text.read().replace("@INTERFACES@\n", "\n".join(lines).rstrip() + "\n"))


main(*sys.argv[1:])
