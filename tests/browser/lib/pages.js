// Every kind of page, each at its address on a site.

import { arabic, crowd, empty, gazette } from './sites.js';

export const SITES = {
  plain: () => gazette(),
  pictured: () => gazette({ pictures: true, accent: '#0066cc', icon: 'https://pictures.example/icon.svg' }),
  crowd: () => crowd(5000),
  group: () => crowd(100),
  empty: () => empty,
  arabic: () => arabic,
};

const LONG_GERMAN = 'donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft';

export const PAGES = [
  { name: 'home', site: 'plain', path: '' },
  { name: 'home-pictured', site: 'pictured', path: '' },
  // axe takes minutes for a page of this size, and finds the same as on a smaller one.
  { name: 'home-5000', site: 'crowd', path: '', crowded: true },
  { name: 'home-100', site: 'group', path: '' },
  { name: 'home-empty', site: 'empty', path: '' },
  { name: 'home-arabic', site: 'arabic', path: '' },
  { name: 'topic', site: 'plain', path: 'topics/technology' },
  { name: 'topic-pictured', site: 'pictured', path: 'topics/technology' },
  { name: 'topic-child', site: 'pictured', path: 'topics/gardens' },
  { name: 'topic-icon', site: 'pictured', path: 'topics/nature' },
  { name: 'topic-rtl', site: 'pictured', path: 'topics/علم-الفلك' },
  { name: 'topic-chinese', site: 'plain', path: 'topics/机器学习' },
  { name: 'topic-long', site: 'pictured', path: 'topics/seafaring' },
  { name: 'topic-one-word', site: 'plain', path: `topics/${LONG_GERMAN}` },
  { name: 'topic-bare', site: 'plain', path: 'topics/bare' },
  { name: 'topic-empty', site: 'plain', path: 'topics/unwritten' },
  { name: 'month', site: 'pictured', path: 'topics/technology/2024-03' },
  { name: 'everything', site: 'plain', path: 'all' },
  { name: 'everything-5000', site: 'crowd', path: 'all' },
  { name: 'everything-empty', site: 'empty', path: 'all' },
  { name: 'builder', site: 'plain', path: 'all#choose' },
  { name: 'selection', site: 'pictured', path: 'all?any=nature,rust&type=video&min_quality=50' },
  { name: 'selection-empty', site: 'plain', path: 'all?any=nature&type=podcast' },
  { name: 'named-selection', site: 'plain', path: 'selections/long-reads' },
  { name: 'missing', site: 'plain', path: 'nowhere/at-all', status: 404 },
];
