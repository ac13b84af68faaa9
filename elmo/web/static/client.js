// The engine, for the page: in a worker that is made from the engine's own source, or else here, a slice at a time.
((live) => {
  function makeWorker() {
    if (typeof Worker !== "function") return null;
    const source = `const elmo = {}; (${runParts})([${elmoEngine.map(String).join(",")}], elmo); elmo.serve(self);`;
    try {
      const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
      return new Worker(address);
    } catch {
      return null; // pages from the disk may have none
    }
  }

  function runParts(parts, elmo) {
    for (const part of parts) part(elmo);
  }

  const onThisSide = {};
  runParts(elmoEngine, onThisSide); // without a model: for what the page itself has to know
  live.characters = onThisSide.characters;

  function inWorker(worker) {
    const waiting = new Map();
    let count = 0;
    worker.onmessage = ({ data: { number, value, error } }) => {
      const { resolve, reject } = waiting.get(number);
      waiting.delete(number);
      if (error === undefined) resolve(value);
      else reject(new Error(error));
    };
    worker.onerror = (event) => {
      for (const { reject } of waiting.values()) reject(new Error(event.message || "the worker ended"));
      waiting.clear();
    };
    return (name, request) =>
      new Promise((resolve, reject) => {
        waiting.set(++count, { resolve, reject });
        worker.postMessage({ number: count, name, request });
      });
  }

  function onPage() {
    const elmo = {};
    runParts(elmoEngine, elmo);
    const breathe = () => new Promise((resolve) => setTimeout(resolve));
    let last = Promise.resolve();
    const answer = async (name, request) => {
      const answering = elmo.answer(name, request);
      let step = answering.next();
      while (!step.done) {
        await breathe();
        step = answering.next();
      }
      return step.value;
    };
    return (name, request) => {
      const asked = last.then(() => answer(name, request)); // one after the other: the engine has one room to work in
      last = asked.catch(() => {});
      return asked;
    };
  }

  // The model's script, where the page has not brought it along.
  function loadModel(file) {
    if (window.elmoModel) return Promise.resolve(window.elmoModel);
    return new Promise((resolve, reject) => {
      const script = live.make("script", { src: file });
      script.onload = () => (window.elmoModel ? resolve(window.elmoModel) : reject(new Error("damaged")));
      script.onerror = () => reject(new Error("missing"));
      document.head.append(script);
    });
  }

  let starting = null;

  // {ask(name, request), facts}; all parts of a page share one engine.
  live.startEngine = function (file) {
    starting = starting || start(file);
    return starting;
  };

  async function start(file) {
    const source = await loadModel(file);
    const worker = makeWorker();
    let ask = worker ? inWorker(worker) : onPage();
    let facts;
    try {
      facts = await ask("load", { source });
    } catch (error) {
      if (!worker || ["missing", "damaged"].includes(error.message)) throw error;
      ask = onPage(); // a worker that may not start says so only now
      facts = await ask("load", { source });
    }
    window.elmoModel = null; // the engine has its own copy
    return { ask, facts, threaded: Boolean(worker) };
  }
})(elmoLive);
