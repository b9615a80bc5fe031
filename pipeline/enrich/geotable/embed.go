//go:build !nogeo

package geotable

import (
	_ "embed"
	"sync"
)

//go:generate go run ./make -out table.bin

//go:embed table.bin
var embedded []byte

// Embedded returns the table that is built in, which is read once, when it is
// first asked for; nil in a build with the tag nogeo.
var Embedded = sync.OnceValue(func() *Table {
	t, err := Read(embedded)
	if err != nil {
		panic(err) // the tests read the same bytes
	}
	return t
})

// EmbeddedDate returns the day of the data that is built in, "" when none is.
func EmbeddedDate() string { return DateOf(embedded) }
