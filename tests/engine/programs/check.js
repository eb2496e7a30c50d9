const crypto = require('crypto');
const tls = require('tls');
const zlib = require('zlib');
const hour = new Intl.DateTimeFormat('en', { timeZone: 'Europe/Berlin', hour: 'numeric', hour12: false }).format(new Date(0));
const text = zlib.gunzipSync(zlib.gzipSync('zipped')).toString();
console.log('node', text, tls.rootCertificates.length > 100, crypto.createHash('sha256').update('').digest('hex').slice(0, 4), hour);
