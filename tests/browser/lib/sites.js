// The sites of the tests: a gazette that uses every feature, and sites with extreme content.

const HEADLINES = {
  en: [
    'A lighthouse keeper catalogues forty years of fog',
    'Why the small orchard outlived the big one',
    'Ships that never sailed: a harbour and its drawings',
    'How to read a tide table, and when not to believe it',
    'The quiet return of the night train',
    'A museum of broken instruments opens its doors',
    'What bees know about hexagons',
    'The last typesetter of the valley retires',
    'Maps drawn from memory, and what they leave out',
    'A year of measuring rain by hand',
    'Bridges: the three ways in which they fail',
    'An honest history of the potato',
  ],
  ar: ['تلسكوب جديد يلتقط ضوء أقدم المجرات', 'كيف رسم البحارة العرب خرائط النجوم', 'ليلة الرصد الكبرى في الصحراء'],
  he: ['מדוע הספרייה הישנה נפתחה מחדש', 'שעון השמש של כיכר השוק'],
  zh: ['机器学习如何改变天气预报', '用一台旧电脑训练小型语言模型', '神经网络的简史'],
  de: ['Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft feiert Jubiläum'],
};
const EXCERPTS = {
  en: 'Every morning at six the same notebook comes out of the same drawer. What was meant as a pastime for one winter became the longest record of its kind on this coast, and now a university has asked to borrow it. The keeper has agreed, on one condition that nobody expected: it must be read aloud.',
  ar: 'رصد فريق من علماء الفلك ضوءًا انطلق قبل أكثر من ثلاثة عشر مليار سنة، ويقول الباحثون إن النتائج تغيّر ما نعرفه عن نشأة النجوم الأولى.',
  he: 'אחרי שנים של שיפוצים נפתחו הדלתות, והקוראים הראשונים עמדו בתור עוד לפני הזריחה.',
  zh: '研究人员用十年的雷达数据训练了一个模型，它在几秒钟内就能给出未来六小时的降雨预报，而且在山区比传统方法更准确。',
  de: 'Ein Wort, das in keine Zeile passt, und eine Gesellschaft, die es trotzdem auf ihr Türschild schreibt.',
};
const PROVIDERS = ['The Winter Gazette', 'Harbour & Field', 'Le Petit Journal des Sciences', 'Nightjar'];
const TYPES = ['article', 'video', 'course', 'download'];

const TOPICS = [
  ['Technology', 'en'], ['Machine Learning', 'en'], ['机器学习', 'zh'], ['C++', 'en'], ['Rust', 'en'], ['Nature', 'en'],
  ['Gardens', 'en'], ['علم الفلك', 'ar'], ['ספריות', 'he'], ['Seafaring', 'en'],
  ['Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft', 'de'],
];

const LONG = 'A topic whose name goes on for so long that whoever gave it that name cannot have thought of anybody who reads lists';

/** Returns a gazette that uses every feature. */
export function gazette(config = {}) {
  const seeds = {};
  let number = 0;
  for (const [topic, language] of TOPICS) {
    const headlines = HEADLINES[language];
    const many = topic === 'Technology' ? 36 : 2 + (topic.length * 7) % 9;
    for (let count = 0; count < many; count += 1, number += 1) {
      const headline = headlines[(number * 5) % headlines.length];
      const month = 1 + (number * 7) % 24;
      const date = `${2023 + Math.floor((month - 1) / 12)}-${String(1 + (month - 1) % 12).padStart(2, '0')}-${String(1 + (number * 11) % 28).padStart(2, '0')}`;
      const provider = PROVIDERS[number % PROVIDERS.length];
      const domain = `${['gazette', 'harbour', 'journal', 'nightjar'][number % 4]}.example`;
      seeds[`${date}-${number}.md`] = {
        title: headline,
        excerpt: EXCERPTS[language],
        publishedDateTime: number % 3 ? `${date}T${String(8 + number % 12).padStart(2, '0')}:15:00Z` : date,
        webUrl: `https://${domain}/${number}`,
        topics: number % 5 ? [topic] : [topic, 'Seafaring'],
        provider: { name: provider, domain, images: [{ url: `https://${domain}/icon.svg` }] },
        images: number % 2 ? [{ url: `https://pictures.example/${number}.svg`, width: 640, height: 360 }] : [],
        type: TYPES[number % TYPES.length],
        quality: 40 + (number * 13) % 60,
        heat: (number * 17) % 100,
        ...(number % 4 === 1 && { length: 'PT1H29M' }),
        ...(language !== 'en' && { language }),
        ...(number % 6 === 2 && {
          related: [
            { title: 'The same story, told by somebody who was there', webUrl: 'https://other.example/a', provider: { name: 'Other News' } },
            { title: 'قصة ذات صلة', webUrl: 'https://other.example/b' },
          ],
        }),
        body: 'Text.',
      };
    }
  }
  Object.assign(seeds, {
    '2024-12-30-bare.md': { title: 'Nothing but a title', topics: ['Bare'] },
    '2024-12-29-long.md': {
      title: 'Pneumonoultramicroscopicsilicovolcanoconiosis'.repeat(6),
      excerpt: 'https://example.org/' + 'a-very-long-path-without-any-break'.repeat(12),
      webUrl: 'https://long.example/',
      topics: ['Seafaring', LONG],
      provider: { name: 'TheNewspaperWithoutSpacesInItsName'.repeat(4), domain: 'long.example' },
      images: [{ url: 'https://pictures.example/tall.svg' }],
      type: 'a-type-that-nobody-has-ever-heard-of-and-that-does-not-end',
      related: [{ title: 'Unbreakable'.repeat(20), webUrl: 'https://long.example/related' }],
    },
  });
  return {
    config: {
      title: 'The Winter Gazette',
      entries: 12,
      copyright: '© 2024 The Winter Gazette and its contributors',
      topics: [
        { name: 'Technology', description: 'Machines, the people who make them, and those who have to live with them.' },
        { name: 'Machine Learning', parent: 'Technology' },
        { name: '机器学习', parent: 'Machine Learning', language: 'zh' },
        { name: 'C++', parent: 'Technology' },
        { name: 'Rust', parent: 'Technology' },
        { name: 'Nature', icon: 'https://pictures.example/nature.svg' },
        { name: 'Gardens', parent: 'Nature', description: 'What grows, what does not, and what the snails had.' },
        { name: 'علم الفلك', language: 'ar', description: 'كل ما يتعلق بالسماء والنجوم والمجرات البعيدة.' },
        { name: 'ספריות', language: 'he' },
        { name: 'Unwritten', description: 'Nobody has written of this yet.' },
        { name: 'Loners', parent: 'Unwritten' },
      ],
      selections: [
        { name: 'best-videos', title: 'The best videos', types: ['video'], min_quality: 60 },
        { name: 'long-reads', title: 'Long reads for the weekend', description: 'Two hours, a chair, a pot of tea.', any: ['Nature', 'Seafaring'], types: ['article'] },
        { name: 'hot', title: 'Talked about', order: 'heat' },
      ],
      ...config,
    },
    seeds,
  };
}

/** Returns a site with many topics. Each has an entry, and some have a parent. */
export function crowd(count, config = {}) {
  const topics = Array.from({ length: count }, (_, index) => `Topic ${String(index).padStart(4, '0')} of ${HEADLINES.en[index % 12].split(' ').slice(0, 3).join(' ')}`);
  const seeds = {};
  for (let first = 0; first < count; first += 10) {
    for (const month of ['2024-01', '2024-05', '2024-11'].slice(0, 1 + (first / 10) % 3)) {
      seeds[`${month}-02-${first}.yaml`] = {
        title: `Of topics ${first} and after`,
        webUrl: `https://crowd.example/${month}/${first}`,
        topics: topics.slice(first, first + 10),
      };
    }
  }
  const within = topics.flatMap((name, index) => (index % 5 ? [{ name, parent: topics[index - (index % 5)] }] : []));
  return { config: { title: 'A crowd', topics: within.slice(0, 400), ...config }, seeds };
}

/** A site without seeds. */
export const empty = { config: {}, seeds: {} };

/** A site in a language that is written from right to left. */
export const arabic = {
  config: { title: 'جريدة الشتاء', language: 'ar', copyright: '© ٢٠٢٤ جريدة الشتاء', topics: [{ name: 'علوم' }, { name: 'علم الفلك', parent: 'علوم' }] },
  seeds: Object.fromEntries(HEADLINES.ar.map((title, index) => [`2024-03-0${index + 1}-${index}.md`, {
    title, excerpt: EXCERPTS.ar, webUrl: `https://gazette.example/ar/${index}`, topics: ['علم الفلك'], provider: { name: 'مرصد الصحراء' }, type: 'article',
  }])),
};
