// node receiver.js PORT FILE: a webhook on loopback that appends the body of
// each POST to FILE, a line each, and answers 200.
const fs = require('node:fs');
const http = require('node:http');

const [port, file] = process.argv.slice(2);
http.createServer((request, response) => {
  let body = '';
  request.on('data', (part) => { body += part; });
  request.on('end', () => {
    if (request.method === 'POST') fs.appendFileSync(file, `${body.replaceAll('\n', ' ')}\n`);
    response.end('ok\n');
  });
}).listen(Number(port), '127.0.0.1');
