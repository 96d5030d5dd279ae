/**
 * Uploads a file with tus-js-client and prints what it saw, as JSON.
 *
 * BASE_URL   the server's public address
 * TOKEN      the access token
 * FILE       the file
 * CHUNK      bytes of a piece (default: the whole rest in one request)
 * CUTS       how often the connection to the server is cut, at random places (default 0)
 * SEED       makes the places repeatable
 */
import { createReadStream, statSync } from 'node:fs';
import net from 'node:net';

import { Upload } from 'tus-js-client';

const { BASE_URL, TOKEN, FILE } = process.env;
const CHUNK = Number(process.env.CHUNK ?? Infinity);
const CUTS = Number(process.env.CUTS ?? 0);

let state = Number(process.env.SEED ?? 1) >>> 0 || 1;
const random = (end) => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * end);
};

/** Between the client and the server; the first connections that carry a piece break after some of it. */
let cuts = 0;
const target = new URL(BASE_URL);
const proxy = net.createServer((client) => {
  const server = net.connect(Number(target.port), target.hostname);
  let left = 200_000 + random(600_000);
  const end = () => {
    client.destroy();
    server.destroy();
  };
  client.on('data', (bytes) => {
    left -= bytes.length;
    if (left < 0 && cuts < CUTS) {
      cuts += 1;
      server.write(bytes, end);
    } else if (!server.write(bytes)) {
      client.pause();
    }
  });
  server.on('drain', () => client.resume());
  server.on('data', (bytes) => client.write(bytes));
  for (const socket of [client, server]) {
    socket.on('error', end);
    socket.on('close', end);
  }
});
await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve));
const endpoint = `http://127.0.0.1:${proxy.address().port}/v1/uploads`;

const headers = { Authorization: `Bearer ${TOKEN}` };
const offsets = [];
const upload = new Upload(createReadStream(FILE), {
  endpoint,
  headers,
  chunkSize: CHUNK,
  uploadSize: statSync(FILE).size,
  metadata: { filename: 'film.mp4', filetype: 'video/mp4' },
  // A client that never gives up: each cut and each death of the server is one turn.
  retryDelays: Array(200).fill(50),
  onAfterResponse: (request, response) => {
    if (request.getMethod() === 'HEAD') offsets.push(Number(response.getHeader('Upload-Offset')));
  },
  onError: (error) => {
    console.error(error);
    process.exit(1);
  },
  onSuccess: async () => {
    const path = new URL(upload.url).pathname;
    for (;;) {
      const answer = await fetch(new URL(path, BASE_URL), {
        method: 'HEAD',
        headers: { ...headers, 'Tus-Resumable': '1.0.0' },
      });
      const media = answer.headers.get('gatelog-media-id');
      if (media) {
        console.log(JSON.stringify({ media, cuts, offsets }));
        process.exit(0);
      }
    }
  },
});
upload.start();
