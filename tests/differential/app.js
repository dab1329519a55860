// What an application on Node's http reads of a request, as JSON. Bytes are hexadecimal: neither paths
// nor fields need be text.
'use strict';

const http = require('node:http');
const querystring = require('node:querystring');

const hex = (text) => Buffer.from(text, 'utf8').toString('hex');
const wire = (text) => Buffer.from(text, 'latin1').toString('hex');

function decoded(piece) {
  try {
    return decodeURIComponent(piece);
  } catch {
    return piece; // no UTF-8
  }
}

function reading(reader, path) {
  const segments = path.split('/').slice(1).map((piece) => hex(decoded(piece)));
  return { reader, segments, route: null };
}

function flat(parameters) {
  return Object.entries(parameters).flatMap(([name, value]) =>
    [value].flat().map((one) => [hex(name), hex(one)]));
}

const server = http.createServer((request, response) => {
  const url = new URL(request.url, 'http://here.example');
  const raw = request.rawHeaders;
  const fields = [];
  for (let at = 0; at < raw.length; at += 2) fields.push([wire(raw[at]), wire(raw[at + 1])]);
  for (const [name, value] of Object.entries(request.headers)) {
    for (const one of [value].flat()) fields.push([wire(name), wire(one)]);
  }
  fields.push([wire('remoteAddress'), wire(request.socket.remoteAddress)]);
  const query = request.url.split('?').slice(1).join('?');
  const body = JSON.stringify({
    method: request.method,
    target: wire(request.url),
    paths: [
      reading('Node request.url', request.url.split('?')[0]),
      reading('Node URL.pathname', url.pathname),
    ],
    parameters: [
      ...[...url.searchParams].map(([name, value]) => [hex(name), hex(value)]),
      ...flat(querystring.parse(query)),
    ],
    fields,
  });
  response.setHeader('Content-Type', 'application/json');
  response.end(body);
});
// Idle connections are the gateway's to end.
server.keepAliveTimeout = 0;
server.listen(Number(process.argv[2]), '127.0.0.1');
