/** A column of a table. */
export interface Column {
  key: string;
  label: string;
  /** Pixels; a flexible column takes at least so many. */
  width: number;
  flexible?: boolean;
  align?: "right";
  /** What the server calls the order by this column, if it has one. */
  sort?: string;
  /** The order that the first click asks for. */
  first?: "up" | "down";
  /** It cannot be taken away. */
  fixed?: boolean;
}

/** The order after a click on a column's head: one way, then the other. */
export function nextSort(current: string, column: Column): string {
  const up = column.sort ?? "";
  const down = `-${up}`;
  if (current === up) return down;
  if (current === down) return up;
  return column.first === "down" ? down : up;
}

/** Which rows are to be drawn: those in sight and some around. */
export function visibleRows(scrollTop: number, height: number, rowHeight: number, total: number): { from: number; to: number } {
  const around = 10;
  const from = Math.max(0, Math.floor(scrollTop / rowHeight) - around);
  const to = Math.min(total, Math.ceil((scrollTop + height) / rowHeight) + around);
  return { from: Math.min(from, total), to };
}
