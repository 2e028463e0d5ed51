// Keeps the dashboard up to date: fetches the page every two seconds and replaces the parts that
// changed. Shows times in the local time zone. The page is complete without this script.
(() => {
  const EVERY = 2000;
  const zoned = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });
  const main = document.querySelector('main');
  const silent = document.getElementById('silent');
  const shown = new Map([...main.children].map((part) => [part.id, part.innerHTML]));
  let last = { requests: Number(main.querySelector('#requests data').value), at: performance.now() };

  const localise = (part) => {
    for (const time of part.querySelectorAll('time')) time.textContent = zoned.format(new Date(time.dateTime));
  };

  const swap = (part, fresh) => {
    const html = fresh.innerHTML;
    if (shown.get(part.id) === html) return;
    // A part with selected text is not replaced, since the operator may be copying it.
    const selection = getSelection();
    if (!selection.isCollapsed && selection.containsNode(part, true)) return;
    shown.set(part.id, html);
    for (const details of fresh.querySelectorAll('details')) {
      const before = document.getElementById(details.id);
      if (before) details.open = before.open;
    }
    const reached = () => [...part.querySelectorAll('a, summary')];
    const focus = reached().indexOf(document.activeElement);
    localise(fresh);
    part.replaceChildren(...fresh.childNodes);
    reached()[focus]?.focus({ preventScroll: true });
  };

  // Shows the request rate since the last update.
  const showRate = (requests) => {
    const now = { requests, at: performance.now() };
    const rate = main.querySelector('.rate');
    rate.hidden = false;
    rate.lastElementChild.textContent = Math.max(0, 1000 * (requests - last.requests) / (now.at - last.at)).toFixed(1);
    last = now;
  };

  const follow = async () => {
    try {
      if (!document.hidden) {
        const answer = await fetch(location.href, { signal: AbortSignal.timeout(5 * EVERY) });
        if (!answer.ok) throw new Error(answer.statusText);
        const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
        const requests = Number(fresh.querySelector('#requests data').value);
        const { scrollX, scrollY } = window;
        for (const part of main.children) swap(part, fresh.getElementById(part.id));
        scrollTo(scrollX, scrollY);
        showRate(requests);
        silent.hidden = true;
      }
    } catch {
      silent.hidden = false;
    }
    setTimeout(follow, EVERY);
  };

  localise(main);
  setTimeout(follow, EVERY);
})();
