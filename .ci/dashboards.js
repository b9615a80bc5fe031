// node dashboards.js FOLDER DASHBOARD.json...: writes each dashboard into FOLDER
// as a TypeScript file whose values have the types of @grafana/schema. Its
// Dashboard leaves the options of a panel open; they are checked by the schema
// of the panel's own type.
const fs = require('node:fs');
const path = require('node:path');

const [folder, ...files] = process.argv.slice(2);
// By type of panel: its schema, and the type of fieldConfig.defaults.custom.
const schemas = {
  bargauge: ['BarGauge', 'Record<string, never>'],
  stat: ['Stat', 'Record<string, never>'],
  table: ['Table', 'FieldConfig'],
  timeseries: ['TimeSeries', 'FieldConfig'],
};

for (const file of files) {
  const dashboard = JSON.parse(fs.readFileSync(file, 'utf8'));
  const panels = dashboard.panels.flatMap((p) => (p.type === 'row' ? p.panels : [p]));
  const lines = [
    "import type { Dashboard } from '@grafana/schema';",
    // In JSON an enum is its value.
    'type Plain<T> = T extends string ? `${T}` : T extends number ? (`${T}` extends `${infer N extends number}` ? N : T)',
    '  : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;',
  ];
  for (const type of new Set(panels.map((p) => p.type))) {
    if (!schemas[type]) throw new Error(`${file}: panels of type ${type}: add their schema to ${path.basename(__filename)}`);
    const [name] = schemas[type];
    lines.push(`import type * as ${name} from '@grafana/schema/dist/esm/raw/composable/${type}/panelcfg/x/${name}PanelCfg_types.gen';`);
  }
  lines.push(`export const dashboard: Plain<Dashboard> = ${JSON.stringify(dashboard, null, 2)};`);
  panels.forEach((p, i) => {
    const [name, custom] = schemas[p.type];
    const customType = custom === 'FieldConfig' ? `${name}.FieldConfig` : custom;
    lines.push(`export const options${i}: Plain<Partial<${name}.Options>> = ${JSON.stringify(p.options)};`);
    lines.push(`export const custom${i}: Plain<Partial<${customType}>> = ${JSON.stringify(p.fieldConfig.defaults.custom ?? {})};`);
  });
  fs.writeFileSync(path.join(folder, `${path.basename(file, '.json')}.ts`), `${lines.join('\n')}\n`);
}
