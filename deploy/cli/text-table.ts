/** A cell's alignment follows its column: names to the left, quantities to the right. */
export interface TableColumn {
  readonly title: string;
  readonly align: 'left' | 'right';
}

/** Lines of an aligned table, two spaces between columns, no line drawing. */
export function textTable(
  columns: readonly TableColumn[],
  rows: readonly (readonly string[])[],
  indent = '  ',
): readonly string[] {
  const widths = columns.map(({ title }, at) =>
    Math.max(title.length, ...rows.map((row) => (row[at] ?? '').length)),
  );
  const line = (cells: readonly string[]): string => {
    const padded = columns.map(({ align }, at) => {
      const cell = cells[at] ?? '';
      const width = widths[at] ?? 0;
      return align === 'left' ? cell.padEnd(width) : cell.padStart(width);
    });
    return `${indent}${padded.join('  ')}`.trimEnd();
  };
  return [line(columns.map(({ title }) => title)), ...rows.map(line)];
}
