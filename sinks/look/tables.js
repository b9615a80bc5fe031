// Tables sort by the column whose head is pressed, and long ones show their first
// rows until they are asked for all. Both are kept by the name of the table, so
// that a page that renews itself can apply them again.
const tableOrder = new Map();
const tableWhole = new Set();
const briefRows = 15;

function sortTable(table) {
  const order = tableOrder.get(table.dataset.table);
  if (!order) return;
  const { column, descending } = order;
  const rows = [...table.tBodies[0].rows];
  const value = (row) => {
    const cell = row.cells[column];
    return 'v' in cell.dataset ? (cell.dataset.v === '' ? null : Number(cell.dataset.v)) : cell.textContent;
  };
  rows.sort((a, b) => {
    const x = value(a), y = value(b);
    if (x === null || y === null) return (x === null) - (y === null); // not known: last
    const by = typeof x === 'number' ? x - y : x.localeCompare(y, 'en', { numeric: true });
    return descending ? -by : by;
  });
  table.tBodies[0].append(...rows);
  [...table.tHead.rows[0].cells].forEach((head, i) => {
    if (i === column) head.setAttribute('aria-sort', descending ? 'descending' : 'ascending');
    else head.removeAttribute('aria-sort');
  });
}

function foldTable(table) {
  const rows = table.tBodies[0].rows.length;
  if (rows <= briefRows) return;
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'more';
  const show = () => {
    const whole = tableWhole.has(table.dataset.table);
    table.classList.toggle('brief', !whole);
    button.textContent = whole ? `Show the first ${briefRows}` : `Show all ${rows}`;
    button.setAttribute('aria-expanded', whole);
  };
  button.addEventListener('click', () => {
    if (!tableWhole.delete(table.dataset.table)) tableWhole.add(table.dataset.table);
    show();
  });
  table.parentElement.after(button);
  show();
}

function prepareTables(root) {
  for (const table of root.querySelectorAll('table[data-table]')) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = head.textContent;
      button.addEventListener('click', () => {
        const order = tableOrder.get(table.dataset.table);
        const descending = order && order.column === column ? !order.descending : head.classList.contains('number');
        tableOrder.set(table.dataset.table, { column, descending });
        sortTable(table);
      });
      head.replaceChildren(button);
    });
    sortTable(table);
    foldTable(table);
  }
}

prepareTables(document);
