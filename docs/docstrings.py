"""What griffe, which reads the package for api.md without importing it, cannot know."""

import ast
import re

import griffe

MARKS = re.compile(
    r"^Example:\n(?:    .*(?:\n|\Z)|\n)+|`[^`]*`|(?<=[Lab])\*|<(?=\w)|^    [\w, ]+, \w+:",
    re.MULTILINE)


class Docstrings(griffe.Extension):
    def on_package(self, *, pkg, **_):
        for room in pkg.modules.values():  # its public names are in a call of lazy_loader
            for node in ast.walk(ast.parse(room.source)) if room.is_init_module else ():
                if isinstance(node, ast.keyword) and node.arg == "submod_attrs":
                    room.exports = []
                    for module, names in ast.literal_eval(node.value).items():
                        room.exports += names
                        for name in names:
                            room.set_member(
                                name, griffe.Alias(name, f"{room.path}.{module}.{name}"))

    def on_class(self, *, cls, **_):
        if "dataclass" not in cls.labels or not cls.docstring or (
                "Attributes:\n" in cls.docstring.value):
            return
        texts = {}
        for field in cls.attributes.values():
            if "property" in field.labels:
                continue
            call, text = field.value, field.source.partition("  # ")[2]
            if isinstance(call, griffe.ExprCall) and str(call.function) in ("setting", "target"):
                default, text = "None", "fixed target"
                if str(call.function) == "setting":
                    default, text = call.arguments[0], ast.literal_eval(str(call.arguments[1]))
                cls["__init__"].parameters[field.name].default = default
            texts[field.name] = _to_markdown(text)
        if any(texts.values()):
            cls.docstring.value += "\n\nAttributes:\n" + "\n".join(
                f"    {name}: {text or '&nbsp;'}" for name, text in texts.items())

    def on_object(self, *, obj, **_):
        if obj.docstring:
            obj.docstring.value = _to_markdown(obj.docstring.value)


def _to_markdown(text):
    return MARKS.sub(_mark, text)


def _mark(found):
    text = found[0]
    if text.startswith("Example:"):  # it is code, with or without >>>
        code, language = text[9:].rstrip(), "pycon" if ">>>" in text else "python"
        return f"Examples: Example:\n    ```{language}\n{code}\n    ```\n\n"
    if text.startswith("    "):  # `first, second:`, what is after a space would be a type
        return text.replace(", ", ",\N{NO-BREAK SPACE}")
    return {"*": r"\*", "<": "&lt;"}.get(text, text)
