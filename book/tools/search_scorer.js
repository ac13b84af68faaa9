// How Sphinx's search orders what it finds: chapters first, in their order; then other pages; last mentions in
// the reference.
var Scorer = {
  score: ([page, title, anchor, description, score]) => {
    const chapter = /^book\/(?!00)(\d\d)/.exec(page);
    if (chapter) return score + 100 - Number(chapter[1]) / 100;
    return /^book\/b_/.test(page) && description === null ? score / 100 : score; // a name that is defined there stays
  },
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
