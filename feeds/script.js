// Pages work without this. With it, dates are in the reader's zone, addresses are copied with a click,
// topics are found as one types, and the home page subscribes to a feed without leaving.
(() => {
  const exactly = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeStyle: 'short' });
  for (const time of document.querySelectorAll('time[datetime]')) {
    // A date without a time of day is the same everywhere.
    if (!time.textContent.includes(':')) continue;
    const at = new Date(time.dateTime);
    time.title = time.textContent;
    time.textContent = exactly.format(at);
  }

  for (const button of document.querySelectorAll('[data-copies]')) {
    const address = document.getElementById(button.dataset.copies);
    address.addEventListener('focus', () => address.select());
    button.hidden = false;
    button.addEventListener('click', async () => {
      address.select();
      try {
        // Without TLS there is no clipboard to write to, but what is selected can be copied.
        if (navigator.clipboard) await navigator.clipboard.writeText(address.value);
        else if (!document.execCommand('copy')) throw new Error();
        button.textContent = 'Copied';
      } catch {
        button.textContent = 'Press Ctrl+C';
      }
      setTimeout(() => { button.textContent = 'Copy'; }, 2000);
    });
  }

  for (const form of document.querySelectorAll('[data-filters]')) {
    const list = document.getElementById(form.dataset.filters);
    const [input, found, none] = [form.querySelector('input'), form.querySelector('output'), list.querySelector('.none')];
    const fold = (text) => text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
    const items = [...list.querySelectorAll('li')].map((item) => ({ item, name: fold(item.querySelector('a').textContent) }));
    const filter = () => {
      const wanted = fold(input.value.trim());
      let count = 0;
      // From the last, so that what is below an item is known before it.
      for (const { item, name } of items.toReversed()) {
        const matches = name.includes(wanted);
        count += matches;
        item.hidden = !matches && !item.querySelector('li:not([hidden])');
      }
      none.hidden = count > 0;
      found.textContent = wanted ? `${count} of ${items.length} topics` : '';
    };
    form.hidden = false;
    form.addEventListener('submit', (event) => event.preventDefault());
    input.addEventListener('input', filter);
    if (input.value) filter();
  }

  // HTML knows `feed:` with a host alone, which means http. Apps know it before any address.
  for (const link of document.querySelectorAll('[data-before="feed:"]')) {
    link.href = `feed:${link.closest('section, dialog').querySelector('input').value}`;
  }

  const dialog = document.querySelector('dialog');
  const base = document.querySelector('link[rel=canonical]').href;
  for (const link of dialog?.showModal ? document.querySelectorAll('.feed .button') : []) {
    link.addEventListener('click', (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      const page = link.getAttribute('href').split('#')[0];
      const feed = `${new URL(page, base).href}.atom`;
      dialog.querySelector('h2').textContent = link.closest('.feed').querySelector('a').textContent;
      dialog.querySelector('input').value = feed;
      dialog.querySelector('.more a').href = page;
      for (const reader of dialog.querySelectorAll('[data-before]')) {
        const { before } = reader.dataset;
        reader.href = before + (before === 'feed:' ? feed : encodeURIComponent(feed));
      }
      dialog.showModal();
    });
  }
  dialog?.addEventListener('click', (event) => { if (event.target === dialog) dialog.close(); });

  // A host of files alone shows everything, whatever is chosen.
  const unfiltered = document.querySelector('.unfiltered');
  const chosen = [...new URLSearchParams(location.search)].some(([name, value]) => value && document.querySelector(`#choose [name="${CSS.escape(name)}"]`));
  if (unfiltered && chosen && !new URL(base).search) {
    unfiltered.hidden = false;
    document.getElementById('choose').open = true;
  }
  if (location.hash === '#choose') document.getElementById('choose')?.setAttribute('open', '');
})();
