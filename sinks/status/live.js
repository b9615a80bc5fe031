
// The page renews itself: it fetches itself again and takes over the parts that
// have changed. What is open stays open, what is sorted stays sorted. Nothing
// that was fetched can run: it is parsed as a document without scripts, and the
// policy of the page allows no script but this.
const every = 2000;
const shown = new Map();
let tag = '';

for (const part of document.querySelectorAll('[data-live]')) shown.set(part.dataset.live, '');

function renew(part, fresh) {
  const html = fresh.innerHTML;
  if (shown.get(part.dataset.live) === html) return;
  shown.set(part.dataset.live, html);
  const open = new Set([...part.querySelectorAll('details[open]')].map((d) => d.dataset.key));
  const focused = part.contains(document.activeElement) ? document.activeElement.closest('details')?.dataset.key : undefined;
  const scrolled = new Map([...part.querySelectorAll('table[data-table]')].map((t) => [t.dataset.table, t.parentElement.scrollLeft]));
  part.replaceChildren(...document.importNode(fresh, true).childNodes);
  prepareTables(part);
  for (const table of part.querySelectorAll('table[data-table]')) table.parentElement.scrollLeft = scrolled.get(table.dataset.table) ?? 0;
  for (const details of part.querySelectorAll('details')) {
    details.open = open.has(details.dataset.key);
    if (focused !== undefined && details.dataset.key === focused) details.querySelector('summary').focus({ preventScroll: true });
  }
}

function lost(why) {
  const note = document.getElementById('lost');
  note.hidden = why === '';
  note.textContent = why;
}

async function refresh() {
  if (document.hidden) return;
  try {
    const answer = await fetch(location.pathname, { headers: tag ? { 'If-None-Match': tag } : {}, cache: 'no-store', signal: AbortSignal.timeout(8000) });
    if (answer.status === 200) {
      tag = answer.headers.get('ETag') ?? '';
      const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
      for (const part of document.querySelectorAll('[data-live]')) {
        const found = fresh.querySelector(`[data-live="${part.dataset.live}"]`);
        if (found) renew(part, found);
      }
    } else if (answer.status !== 304) {
      throw new Error(`the server answers ${answer.status}`);
    }
    lost('');
  } catch (error) {
    lost(`No connection to flowwatch: what is shown is old. (${error.message})`);
  }
}

async function run() {
  await refresh();
  setTimeout(run, every);
}
document.addEventListener('visibilitychange', refresh);
setTimeout(run, every);
