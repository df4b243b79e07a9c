"""Lists in every form: for a person at a terminal, for `cut` and `awk`, for `jq`, and for `xargs`.

| `-o` | on a terminal | in a pipe |
| --- | --- | --- |
| `table` | aligned columns, coloured | tab-separated, as they stand |
| `wide` | the same with every column, nothing shortened | likewise |
| `json` | one array of objects, every column (or those of `--fields`), values whole | the same |
| `yaml` | the same as YAML | the same |
| `name` | names alone, each once | the same |
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from fleetpy.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fleetpy_cli.output import Output

Row = TypeVar("Row")

NOTHING = "-"
"""What stands where there is nothing to say."""

FORMS = ("table", "wide", "json", "yaml", "name")


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """One field of a list: its text for people (`full`: not shortened), its value for programs, its colour."""

    text: Callable[[Row, bool], str]
    value: Callable[[Row], object]
    style: Callable[[Row], str] = lambda _row: ""


@dataclass(frozen=True, slots=True)
class Form:
    """How a list is to be shown; `fields` None means the form's own."""

    name: str = "table"
    fields: str | None = None
    full: bool = False
    legend: bool = True


@dataclass(frozen=True, slots=True)
class Listing(Generic[Row]):
    """A kind of list: its columns by name, those that are shown by default, and what `name` shows."""

    columns: Mapping[str, Column[Row]]
    default: tuple[str, ...]
    wide: tuple[str, ...]
    name: Callable[[Row], str]

    def fields(self, form: Form) -> list[str]:
        """The columns that the form asks for; raises `UsageError` for one that there is not."""
        if form.fields is None:
            return list(self.default if form.name == "table" else self.wide)
        fields = form.fields.split(",")
        for field in fields:
            if field not in self.columns:
                known = ",".join(sorted(self.columns))
                raise UsageError(f"Invalid key in output format: {json.dumps(field)}; the valid ones are {known}")
        return fields

    def show(self, output: Output, form: Form, rows: Sequence[Row]) -> None:
        """Write the rows in the form."""
        fields = self.fields(form)
        if form.name == "json":
            entries = [{field: self.columns[field].value(row) for field in fields} for row in rows]
            output.line(json.dumps(entries, indent=2, ensure_ascii=False))
        elif form.name == "yaml":
            from fleetpy_cli.yaml import dump  # noqa: PLC0415 - few ask for it

            output.text(dump([{field: self.columns[field].value(row) for field in fields} for row in rows]))
        elif form.name == "name":
            for name in dict.fromkeys(map(self.name, rows)):
                output.line(name)
        else:
            self._show_table(output, form, fields, rows)

    def _show_table(self, output: Output, form: Form, fields: list[str], rows: Sequence[Row]) -> None:
        full = form.full or form.name == "wide"
        columns = [self.columns[field] for field in fields]
        header = [field.upper() for field in fields] if form.legend else None
        cells = [[_one_line(column.text(row, full)) for column in columns] for row in rows]
        if not output.terminal:
            lines = ["\t".join(line) for line in ([header] if header else []) + cells]
            output.text("".join(f"{line}\n" for line in lines))
            return
        if not cells and header is None:
            return
        from fleetpy_cli.aligned import show_aligned  # noqa: PLC0415 - rich takes long to import; terminals only

        show_aligned(header, cells, [[column.style(row) for column in columns] for row in rows], full=full)


def _one_line(text: str) -> str:
    """The text as it can stand in a column: a unit's description may have tabs and continued lines."""
    return " ".join(text.replace("\\\n", " ").split()) or NOTHING
