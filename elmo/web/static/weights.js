// The model's file: a header that names arrays, and their bytes in base64; whole numbers with a factor for each row.
elmoEngine.push(function (elmo) {
  elmo.ModelError = class extends Error {};

  const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

  // Bytes of base64, `size` of them; what is no digit counts as 0, and the checksum finds it.
  function decode(text, size) {
    const values = new Uint8Array(128), bytes = new Uint8Array(size);
    for (let digit = 0; digit < 64; digit++) values[DIGITS.charCodeAt(digit)] = digit;
    for (let from = 0, to = 0; to < size; from += 4, to += 3) {
      const [a, b] = [values[text.charCodeAt(from) & 127], values[text.charCodeAt(from + 1) & 127]];
      const [c, d] = [values[text.charCodeAt(from + 2) & 127], values[text.charCodeAt(from + 3) & 127]];
      bytes[to] = (a << 2) | (b >> 4);
      if (to + 1 < size) bytes[to + 1] = (b << 4) | (c >> 2);
      if (to + 2 < size) bytes[to + 2] = (c << 6) | d;
    }
    return bytes;
  }

  // Adler-32, as Python's zlib has it.
  function checksum(bytes) {
    let a = 1, b = 0;
    for (let start = 0; start < bytes.length; start += 3800) {
      for (const byte of bytes.subarray(start, start + 3800)) b += a += byte;
      a %= 65521;
      b %= 65521;
    }
    return b * 65536 + a;
  }

  const padded = (length) => 4 * Math.ceil(length / 4);
  elmo.padded = padded;

  // Parse a model: {config, words, ids, arrays...}. Arrays of whole numbers are {values, scales, rows, size}.
  elmo.readModel = function (source, withoutSimd) {
    if (!source || !source.header) throw new elmo.ModelError("missing");
    const { header } = source;
    if (source.bytes.length !== 4 * Math.ceil(header.size / 3)) throw new elmo.ModelError("damaged");
    const bytes = decode(source.bytes, header.size);
    if (checksum(bytes) !== header.checksum) throw new elmo.ModelError("damaged");
    const stored = {};
    for (const { name, shape, type, place } of header.arrays) {
      const count = shape.reduce((product, length) => product * length, 1);
      if (type === "float32") {
        stored[name] = new Float32Array(bytes.buffer, place, count);
        continue;
      }
      const rows = shape[0], size = count / rows;
      const scales = new Float32Array(bytes.buffer, place, rows);
      stored[name] = { values: new Int8Array(bytes.buffer, place + 4 * rows, count), scales, rows, size };
    }
    return build(header, stored, withoutSimd);
  };

  function build(header, stored, withoutSimd) {
    const config = header.config;
    const directions = ["forward", "backward"];
    const matrices = [["embedding", stored.embedding]];
    if (stored.softmax) matrices.push(["softmax", stored.softmax]);
    for (const direction of directions) {
      for (let layer = 0; layer < config.layers; layer++) {
        for (const part of ["input", "recurrent", "projection"]) {
          const name = `${direction}.${layer}.${part}`;
          matrices.push([name, stored[name]]);
        }
      }
    }
    const room = ({ rows, size }) => padded(rows) * padded(size);
    const gates = 4 * config.hidden, wide = Math.max(padded(config.words), gates);
    const work = 4 * padded(config.embed) + padded(config.hidden) + 4 * wide + gates + 64;
    const total = matrices.reduce((sum, [, matrix]) => sum + room(matrix), work);
    const kernel = elmo.makeKernel(total, withoutSimd);
    const model = { config, kernel, words: header.words.split("\n"), senses: null, cell: header.cell, matrices: {} };
    for (const [name, matrix] of matrices) model.matrices[name] = widen(kernel, matrix);
    model.matrices.softmax = model.matrices.softmax || model.matrices.embedding;
    model.vectors = stored; // biases, and what the marked sentences need
    model.ids = new Map(model.words.map((word, id) => [word, id]));
    model.work = {
      states: kernel.take(4 * padded(config.embed)),
      output: kernel.take(padded(config.hidden)),
      results: kernel.take(4 * wide),
      gates: kernel.take(gates),
    };
    if (header.senses) model.senses = header.senses;
    return model;
  }

  function widen(kernel, { values, scales, rows, size }) {
    const wide = padded(size), floats = kernel.take(padded(rows) * wide);
    for (let row = 0; row < rows; row++) {
      const scale = scales[row], from = row * size, to = row * wide;
      for (let k = 0; k < size; k++) floats[to + k] = scale * values[from + k];
    }
    return { floats, rows: padded(rows), size: wide };
  }
});
