// kinesis-local listens on every interface and has no setting for it. Loaded
// before it (node --require), this makes every server of the process listen
// on loopback.
const { Server } = require('node:net');

const listen = Server.prototype.listen;
Server.prototype.listen = function (...args) {
  const callback = args.findLast((arg) => typeof arg === 'function');
  const options = typeof args[0] === 'object' && args[0] !== null ? args[0] : { port: Number(args[0]) };
  return listen.call(this, { ...options, host: '127.0.0.1' }, callback);
};
