// Package look is what the status page and the report share: one style sheet,
// charts as SVG, tables that sort, a finding with its evidence.
//
// Everything is a value that package html/template writes and escapes; nothing
// here holds markup. Fields of flow logs are anybody's text.
package look

import (
	"embed"
	"html/template"
)

// CSS is the style sheet and TablesJS the script that sorts and folds tables. It
// defines prepareTables, for what comes into the page later, and calls it.
var (
	//go:embed style.css
	CSS string
	//go:embed tables.js
	TablesJS string
	//go:embed parts.tmpl
	parts embed.FS
)

// New returns a template named name with the parts and their functions in it:
// "chart" draws a Chart, "table" a Table, "finding" a Finding, and "attribution"
// names the makers of the built-in table of places, by the day of its data.
func New(name string) *template.Template {
	functions := template.FuncMap{"count": Count, "utc": UTC, "size": Bytes}
	return template.Must(template.New(name).Funcs(functions).ParseFS(parts, "parts.tmpl"))
}
