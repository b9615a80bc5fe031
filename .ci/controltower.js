// Reads what cfn-guard found (--structured --output-format json) and prints, a
// line each: the rules that fail, then how many hold.
//   node controltower.js RESULT...
const { readFileSync } = require('node:fs');

const failing = new Set();
let holding = 0;
for (const file of process.argv.slice(2)) {
  for (const template of JSON.parse(readFileSync(file, 'utf8'))) {
    holding += template.compliant.length;
    for (const rule of template.not_compliant) {
      const ids = JSON.stringify(rule).match(/CT\.[A-Z0-9]+\.PR\.[0-9]+/g);
      for (const id of ids ?? [rule.Rule.name]) failing.add(id);
    }
  }
}
for (const id of [...failing].sort()) console.log(id);
console.log(`holding ${holding}`);
