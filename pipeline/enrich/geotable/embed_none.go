//go:build nogeo

package geotable

// Embedded returns nil: this build has no table.
func Embedded() *Table { return nil }

// EmbeddedDate returns "": this build has no table.
func EmbeddedDate() string { return "" }
